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

function slotSigned(slot: Uint8Array, name: string): Uint8Array {
  const text = encoder.encode(name);
  const signed = new Uint8Array(SIGNED + text.length);
  signed.set(slot.subarray(0, SIGNED));
  signed.set(text, SIGNED);
  return signed;
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
  slot.set(random(NONCE), 80);
  slot.set(yield* wait(ring.ciphers[0]!.seal(slot.slice(80, 92), slotSigned(slot, name), dataKey)), 92);
  view.setUint32(CRC_AT, crc32c(0, slot.subarray(0, CRC_AT)), true);
  return slot;
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
}

/**
 * Judges the first bytes (at most `HEADER`) of a file of `size` bytes. `"empty"`: nothing was ever stored in it (a creation that was cut off);
 * `"damaged"`: the header is gone.
 * @throws OmenError `OMEN_ERR_KEY`, `OMEN_ERR_VERSION`
 */
export function* openHeader(ring: Keyring, name: string, bytes: Uint8Array, size: number): Steps<Header | "empty" | "damaged"> {
  if (PLAIN.some((magic) => begins(bytes, 0, magic))) throw new OmenError("OMEN_ERR_KEY", `${name} is not encrypted; do without a key`);
  let found: Header | undefined;
  let onlyFirst = true;
  let label: string | undefined;
  for (let i = 0; i < 2; i++) {
    const slot = bytes.subarray(i * SLOT, (i + 1) * SLOT);
    if (slot.length < SLOT || !begins(slot, 0, MAGIC)) continue;
    const view = viewOf(slot);
    if (crc32c(0, slot.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) continue;
    label ??= new TextDecoder().decode(slot.subarray(48, 80)).replace(/\0+$/, "");
    const page = view.getUint32(16, true);
    if (view.getUint32(8, true) !== 1 || view.getUint32(12, true) !== 1 || (page !== PAGE && page !== PAGE_LOG)) {
      throw new OmenError("OMEN_ERR_VERSION", `${name} was encrypted by a newer OmenDB; upgrade this one`);
    }
    let dataKey: Uint8Array | undefined;
    let k = 0;
    for (; k < ring.ciphers.length && dataKey === undefined; k++) {
      dataKey = yield* wait(ring.ciphers[k]!.open(slot.slice(80, 92), slotSigned(slot, name), slot.slice(92, 140)));
    }
    if (dataKey === undefined || k !== 1) onlyFirst = false;
    const generation = get64(view, 24);
    if (dataKey !== undefined && (found === undefined || generation > found.generation)) {
      found?.dataKey.fill(0);
      found = { fileId: slot.slice(32, 48), dataKey, page, generation, slot: i, onlyFirst };
    }
  }
  if (found !== undefined) return { ...found, onlyFirst };
  if (label !== undefined) throw new OmenError("OMEN_ERR_KEY", `${name} is encrypted with another key${label === "" ? "" : ` (its id is "${label}")`}; nothing is damaged`);
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
