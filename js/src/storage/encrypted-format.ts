/** The bytes of an encrypted file: headers, records and pages, as native/host/encrypted_format.h and docs/ENCRYPTION.md have them. */
import { OmenError } from "../errors.js";
import type { Cipher } from "./encrypted-crypto.js";
import { wait, type Steps } from "./encrypted-steps.js";

export const SLOT = 512;
export const HEADER = 2 * SLOT;
const PAGE = 65536;
const PAGE_LOG = 262144;
/** How large the pages of a new file of this name are. */
export const pageOf = (name: string): number => (name.startsWith("log-") ? PAGE_LOG : PAGE);
export const RECORD = 48;
export const TAG = 16;
/** Most bytes of one record. */
export const RECORD_MAX = 1 << 20;
const SIGNED = 80;
const NAME_AT = 140;
const NAME_LENGTH = 64;
const CRC_AT = 508;
const MAX_ZEROS = 2 ** 53;
const NONCE = 12;
export const DATA = 1;
export const CUT = 2;
export const ZEROS = 3;

const encoder = new TextEncoder();
const MAGIC = encoder.encode("OMENSEAL");
/** What files begin with that are not encrypted. */
const PLAIN = ["OMENMNF1", "OMENSEG", "OMLF", "OMENBKP1"].map((text) => encoder.encode(text));

/** CRC32C (Castagnoli 1993), a byte at a time: only headers are summed. */
const table = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let k = 0; k < 8; k++) i = i & 1 ? (i >>> 1) ^ 0x82f63b78 : i >>> 1;
  return i;
});
export function crc32c(crc: number, bytes: Uint8Array): number {
  crc = ~crc;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function put64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

const get64 = (view: DataView, at: number): number => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);

export const begins = (bytes: Uint8Array, at: number, with_: Uint8Array): boolean => {
  if (bytes.length - at < with_.length) return false;
  for (let i = 0; i < with_.length; i++) if (bytes[at + i] !== with_[i]) return false;
  return true;
};

// ---- header slots ----

/** The keys of a storage; the first one seals new files. */
export interface Keyring {
  ciphers: readonly Cipher[];
  id: Uint8Array;
}

function slotSigned(slot: Uint8Array): Uint8Array {
  const signed = new Uint8Array(SIGNED + NAME_LENGTH);
  signed.set(slot.subarray(0, SIGNED));
  signed.set(slot.subarray(NAME_AT, NAME_AT + NAME_LENGTH), SIGNED);
  return signed;
}

/** A text padded with zeros, fit to be shown. */
function shown(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text).replace(/[\x00-\x1f\x7f"\\]/g, "?");
  } catch {
    return String.fromCharCode(...text).replace(/[^\x20-\x7e]|["\\]/g, "?");
  }
}

/** Which key the file is under, and which was given. */
function anotherKey(ring: Keyring, name: string, slot: Uint8Array): OmenError {
  const theirs = shown(slot.subarray(48, 80));
  const ours = shown(ring.id);
  const isOne = ring.ciphers.length === 1;
  const given = !isOne ? "none of the keys given opens it" : ours === "" ? "the key given does not open it" : `the key given, "${ours}", does not open it${theirs === ours ? ": another key has the same id" : ""}`;
  return new OmenError(
    "OMEN_ERR_KEY",
    `${name} is encrypted with ${theirs === "" ? "a key without an id" : `the key "${theirs}"`}, and ${given}; give the right key, or both where keys are being changed; nothing is damaged`,
  );
}

/** A slot: the data key, sealed with the ring's first key. */
export function* makeSlot(ring: Keyring, random: (length: number) => Uint8Array, name: string, page: number, generation: number, fileId: Uint8Array, dataKey: Uint8Array): Steps<Uint8Array> {
  const slot = new Uint8Array(SLOT);
  const view = viewOf(slot);
  slot.set(MAGIC);
  view.setUint32(8, 1, true);
  view.setUint32(12, 1, true);
  view.setUint32(16, page, true);
  put64(view, 24, generation);
  slot.set(fileId, 32);
  slot.set(ring.id, 48);
  slot.set(encoder.encode(name), NAME_AT);
  slot.set(random(NONCE), 80);
  slot.set(yield* wait(ring.ciphers[0]!.seal(slot.slice(80, 92), slotSigned(slot), dataKey)), 92);
  view.setUint32(CRC_AT, crc32c(0, slot.subarray(0, CRC_AT)), true);
  return slot;
}

function isNamed(slot: Uint8Array, name: string): boolean {
  const padded = new Uint8Array(NAME_LENGTH);
  padded.set(encoder.encode(name));
  return padded.every((byte, i) => byte === slot[NAME_AT + i]);
}

/** What a header says. */
export interface Header {
  fileId: Uint8Array;
  /** To be overwritten when it has been used. */
  dataKey: Uint8Array;
  page: number;
  generation: number;
  slot: number;
  /** Every valid slot is sealed with the ring's first key. */
  onlyFirst: boolean;
  /** The other slot is not valid: damaged, or never written. */
  isSingle: boolean;
}

/**
 * Judges the first bytes (at most `HEADER`) of a file of `size` bytes. `"empty"`: nothing was ever stored in it (a creation that was cut off);
 * `"damaged"`: the header is gone, or it is another file's.
 * @throws OmenError `OMEN_ERR_KEY`, `OMEN_ERR_VERSION`
 */
export function* openHeader(ring: Keyring, name: string, bytes: Uint8Array, size: number): Steps<Header | "empty" | "damaged"> {
  if (PLAIN.some((magic) => begins(bytes, 0, magic))) {
    throw new OmenError("OMEN_ERR_KEY", `${name} is not encrypted, and a key was given; open the database without a key, or clone it into an encrypted one`);
  }
  let found: Header | undefined;
  let onlyFirst = true;
  let any: Uint8Array | undefined;
  let isMisplaced = false;
  let valid = 0;
  for (let i = 0; i < 2; i++) {
    const slot = bytes.subarray(i * SLOT, (i + 1) * SLOT);
    if (slot.length < SLOT || !begins(slot, 0, MAGIC)) continue;
    const view = viewOf(slot);
    if (crc32c(0, slot.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) continue;
    any ??= slot;
    valid++;
    const page = view.getUint32(16, true);
    if (view.getUint32(8, true) !== 1 || view.getUint32(12, true) !== 1 || (page !== PAGE && page !== PAGE_LOG)) {
      found?.dataKey.fill(0);
      throw new OmenError("OMEN_ERR_VERSION", `${name} was encrypted by a newer OmenDB; upgrade this one`);
    }
    let dataKey: Uint8Array | undefined;
    let k = 0;
    for (; k < ring.ciphers.length && dataKey === undefined; k++) {
      dataKey = yield* wait(ring.ciphers[k]!.open(slot.slice(80, 92), slotSigned(slot), slot.slice(92, 140)));
    }
    if (dataKey === undefined || k !== 1) onlyFirst = false;
    if (dataKey !== undefined && !isNamed(slot, name)) {
      isMisplaced = true;
      dataKey.fill(0);
      dataKey = undefined;
    }
    const generation = get64(view, 24);
    if (dataKey !== undefined && (found === undefined || generation > found.generation)) {
      found?.dataKey.fill(0);
      found = { fileId: slot.slice(32, 48), dataKey, page, generation, slot: i, onlyFirst, isSingle: false };
    } else {
      dataKey?.fill(0);
    }
  }
  if (found !== undefined) return { ...found, onlyFirst, isSingle: valid === 1 };
  if (isMisplaced) return "damaged";
  if (any !== undefined) throw anotherKey(ring, name, any);
  // The header is durable before anything follows it.
  return size <= HEADER ? "empty" : "damaged";
}

// ---- records ----

export interface SealRecord {
  /** Its place in the file. */
  at: number;
  /** Of its first byte in the plaintext. */
  offset: number;
  /** Bytes of plaintext. */
  length: number;
  kind: number;
  /** Bytes of a page of its file. */
  page: number;
  nonce: Uint8Array;
}

export const pagesOf = ({ kind, length, page }: SealRecord): number => (kind === DATA ? Math.ceil(length / page) : 1);
export const pageLength = ({ kind, length, page }: SealRecord, k: number): number => (kind === DATA ? Math.min(page, length - k * page) : 0);
/** Where page `k` starts, from the record's start. */
export const pageAt = ({ page }: SealRecord, k: number): number => RECORD + k * (page + TAG);
export const recordSize = (r: SealRecord): number => Math.ceil((RECORD + (r.kind === DATA ? r.length : 0) + pagesOf(r) * TAG) / 8) * 8;

function recordCrc(header: Uint8Array, at: number): number {
  const place = new Uint8Array(8);
  put64(viewOf(place), 0, at);
  return crc32c(crc32c(0, place), header.subarray(0, 40));
}

export function putRecord(r: SealRecord, fileId: Uint8Array, into: Uint8Array): void {
  const view = viewOf(into);
  into.fill(0, 0, RECORD);
  into.set(fileId.subarray(0, 8));
  put64(view, 8, r.offset);
  put64(view, 16, r.length);
  view.setUint32(24, r.kind, true);
  into.set(r.nonce, 28);
  view.setUint32(40, recordCrc(into, r.at), true);
}

/** The record whose header stands at `from` in `bytes`, which is `at` in the file; undefined when none stands there that ends within `room` bytes. */
export function getRecord(bytes: Uint8Array, from: number, fileId: Uint8Array, page: number, at: number, room: number): SealRecord | undefined {
  if (bytes.length - from < RECORD || !begins(bytes, from, fileId.subarray(0, 8))) return undefined;
  const header = bytes.subarray(from, from + RECORD);
  const view = viewOf(header);
  if (view.getUint32(40, true) !== recordCrc(header, at)) return undefined;
  const r: SealRecord = { at, offset: get64(view, 8), length: get64(view, 16), kind: view.getUint32(24, true), page, nonce: header.slice(28, 40) };
  const shaped =
    (r.kind === DATA && r.length >= 1 && r.length <= RECORD_MAX) || (r.kind === CUT && r.length === 0) || (r.kind === ZEROS && r.length >= 1 && r.length <= MAX_ZEROS);
  return shaped && r.offset <= MAX_ZEROS && recordSize(r) <= room ? r : undefined;
}

/** Nonce and associated data of page `k`. */
export function pageParameters(fileId: Uint8Array, r: SealRecord, k: number): [nonce: Uint8Array, signed: Uint8Array] {
  const nonce = r.nonce.slice();
  const nonceView = viewOf(nonce);
  nonceView.setUint32(8, nonceView.getUint32(8, true) ^ k, true);
  const signed = new Uint8Array(48);
  const view = viewOf(signed);
  signed.set(fileId);
  put64(view, 16, r.at);
  put64(view, 24, r.offset);
  put64(view, 32, r.length);
  view.setUint32(40, r.kind, true);
  view.setUint32(44, k, true);
  return [nonce, signed];
}
