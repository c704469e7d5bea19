/** What an encrypted file holds: where each piece of its plaintext lies, and records going out and in (native/host/encrypted_file.c). */
import { OmenError, asOmenError } from "../errors.js";
import type { Cipher, Nonces } from "./encrypted-crypto.js";
import {
  CUT,
  DATA,
  HEADER,
  RECORD,
  RECORD_MAX,
  SLOT,
  TAG,
  ZEROS,
  begins,
  getRecord,
  pageAt,
  pageLength,
  pageParameters,
  pagesOf,
  putRecord,
  recordSize,
  type SealRecord,
} from "./encrypted-format.js";
import { drive, isPromise, wait, type Steps } from "./encrypted-steps.js";
import type { MaybePromise, StorageFile } from "./storage.js";

/** A record of which some is still valid; its plaintext while it is not yet handed to the storage inside. */
interface Stored extends SealRecord {
  plain?: Uint8Array | undefined;
}

/** [from, to) of the plaintext lies in this record. */
interface Extent {
  from: number;
  to: number;
  record: Stored;
}

/** Where records are small, more is read at once. */
const AHEAD = 4 << 10;
const WINDOW = 256 << 10;
/** Records on their way out, where they are sealed and written at once; kept, for new memory costs more than sealing. It never holds plaintext. */
let out = new Uint8Array(0);

/** The end of a log is not the end of what was written, and zeros in it may be data that never came: the core judges that better (src/store/log_format.h). */
const isLenient = (name: string): boolean => name.startsWith("log-");
/** Replaced whole: a write at its start begins it anew. */
export const isReplaced = (name: string): boolean => name.startsWith("manifest-");

/** A sector that holds nothing, or is not there: a write that did not get so far. */
function isCutOff(at: number, bytes: Uint8Array, length: number): boolean {
  if (bytes.length < length) return true;
  for (let from = (SLOT - (at % SLOT)) % SLOT; from < length; from += SLOT) {
    if (bytes.subarray(from, Math.min(from + SLOT, length)).every((byte) => byte === 0)) return true;
  }
  return false;
}

/** One file, shared by everybody who has it open. */
export class Content {
  readonly name: string;
  holders = 0;
  size = 0;
  /** Where the next record goes. */
  end = HEADER;
  fileId: Uint8Array = new Uint8Array(16);
  page = 0;
  cipher: Cipher | undefined;
  /** Sealing and writing that is under way, in order. */
  tail: Promise<void> | undefined;
  failure: OmenError | undefined;
  #nonces: Nonces;
  #extents: Extent[] = [];

  constructor(name: string, nonces: Nonces) {
    this.name = name;
    this.#nonces = nonces;
  }

  /** The first extent that ends behind `offset`. */
  #find(offset: number): number {
    let low = 0;
    for (let high = this.#extents.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.#extents[middle]!.to <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes [from, to) from whoever has it. */
  #uncover(from: number, to: number): void {
    let i = this.#find(from);
    const first = this.#extents[i];
    if (first !== undefined && first.from < from) {
      const rest = { ...first, from: to };
      const isInside = first.to > to;
      first.to = from;
      i++;
      if (isInside) {
        this.#extents.splice(i, 0, rest);
        return;
      }
    }
    let j = i;
    while (j < this.#extents.length && this.#extents[j]!.to <= to) j++;
    this.#extents.splice(i, j - i);
    const next = this.#extents[i];
    if (next !== undefined && next.from < to) next.from = to;
  }

  /** The record does what it says. */
  #apply(record: Stored): void {
    if (record.kind === CUT) {
      if (record.offset >= this.size) return;
      this.#uncover(record.offset, Number.POSITIVE_INFINITY);
      this.size = record.offset;
      return;
    }
    const extent = { from: record.offset, to: record.offset + record.length, record };
    if (extent.from >= this.size) {
      this.#extents.push(extent);
      this.size = extent.to;
      return;
    }
    this.#uncover(extent.from, extent.to);
    this.#extents.splice(this.#find(extent.from), 0, extent);
    this.size = Math.max(this.size, extent.to);
  }

  clear(): void {
    this.#extents = [];
    this.size = 0;
    this.end = HEADER;
  }

  /** Finds the records of a file of `size` bytes. */
  *walk(inner: StorageFile, size: number): Steps<void> {
    let window = new Uint8Array(0);
    let windowAt = 0;
    let ahead = AHEAD;
    let hits = 0;
    let at = HEADER;
    const isHeld = (from: number, length: number): boolean => from >= windowAt && Math.min(from + length, size) <= windowAt + window.length;
    function* load(from: number, length: number): Steps<void> {
      if (!isHeld(from, length)) {
        ahead = hits >= 4 ? Math.min(ahead * 4, WINDOW) : AHEAD;
        hits = 0;
        const into = new Uint8Array(Math.min(Math.max(length, ahead), size - from));
        const got = yield* wait(inner.readAt(from, into));
        if (got < into.length) throw new OmenError("OMEN_ERR_IO", `a file ended at ${from + got} while it was read`);
        window = into;
        windowAt = from;
      }
      hits++;
    }
    while (size - at >= RECORD) {
      if (!isHeld(at, RECORD)) yield* load(at, RECORD);
      else hits++;
      const record = getRecord(window, at - windowAt, this.fileId, this.page, at, size - at);
      let isGood = record !== undefined;
      if (record !== undefined && (record.kind !== DATA || record.offset !== this.size)) {
        // The header could do harm if it lied; its page's tag says.
        const length = pageLength(record, 0) + TAG;
        yield* load(at, RECORD + length);
        const sealed = window.slice(at - windowAt + RECORD, at - windowAt + RECORD + length);
        isGood = (yield* wait(this.cipher!.open(...pageParameters(this.fileId, record, 0), sealed))) !== undefined;
      }
      if (isGood) {
        this.#apply(record!);
        at += recordSize(record!);
        continue;
      }
      // Lost: a write that was cut off, or damage. The next record starts with the mark.
      yield* load(at, RECORD);
      const mark = this.fileId.subarray(0, 8);
      let next = at + 8;
      while (next + 8 <= windowAt + window.length && !begins(window, next - windowAt, mark)) next += 8;
      if (next - at >= 64) hits += 4; // nothing here: look further at once
      at = next;
    }
    this.end = Math.max(Math.ceil(size / 8) * 8, HEADER);
  }

  // ---- writing ----

  /** Work on the file inside that comes after all that was asked before. */
  enqueue(steps: () => Steps<void>): void {
    if (this.tail === undefined) {
      const done = drive(steps());
      if (isPromise(done)) this.#follow(done);
      return;
    }
    this.#follow(this.tail.then(() => (this.failure === undefined ? drive(steps()) : undefined)));
  }

  #follow(work: Promise<void>): void {
    const tail: Promise<void> = work.then(
      () => {
        if (this.tail === tail) this.tail = undefined;
      },
      (error: unknown) => {
        this.failure ??= asOmenError(error, `writing ${this.name}`);
        if (this.tail === tail) this.tail = undefined;
      },
    );
    this.tail = tail;
  }

  append(inner: StorageFile, kind: number, offset: number, length: number, plain?: Uint8Array): void {
    const record: Stored = { at: this.end, offset, length, kind, page: this.page, nonce: this.#nonces.next(), plain };
    this.end += recordSize(record);
    this.#apply(record);
    const { cipher, fileId } = this;
    const pieceOf = (k: number): Uint8Array => (plain === undefined ? new Uint8Array(0) : plain.subarray(k * record.page, k * record.page + pageLength(record, k)));
    if (cipher!.sealInto !== undefined && this.tail === undefined) {
      record.plain = undefined;
      const size = recordSize(record);
      if (out.length < size) out = new Uint8Array(size);
      putRecord(record, fileId, out);
      out.fill(0, size - 8, size); // the padding
      for (let k = 0; k < pagesOf(record); k++) cipher!.sealInto(...pageParameters(fileId, record, k), pieceOf(k), out.subarray(pageAt(record, k)));
      inner.writeAt(record.at, out.subarray(0, size));
      return;
    }
    // Sealing begins at once, whatever is being written before it.
    const sealed: MaybePromise<Uint8Array>[] = [];
    for (let k = 0; k < pagesOf(record); k++) sealed.push(cipher!.seal(...pageParameters(fileId, record, k), pieceOf(k)));
    const all = sealed.some(isPromise) ? Promise.all(sealed) : (sealed as Uint8Array[]);
    if (isPromise(all)) all.catch(() => undefined); // whoever waits in the queue hears of it
    this.enqueue(function* () {
      const pages = yield* wait(all);
      const size = recordSize(record);
      if (out.length < size) out = new Uint8Array(size);
      putRecord(record, fileId, out);
      out.fill(0, size - 8, size);
      pages.forEach((page, k) => out.set(page, pageAt(record, k)));
      inner.writeAt(record.at, out.subarray(0, size));
      record.plain = undefined;
    });
  }

  /** Writes `bytes`, which are borrowed, at `offset`. */
  write(inner: StorageFile, offset: number, bytes: Uint8Array): void {
    if (this.failure !== undefined) throw this.failure;
    if (offset === 0 && this.end > HEADER && isReplaced(this.name)) {
      // Also what was cut off, which would be taken for the beginning of what follows it.
      this.clear();
      this.enqueue(function* () {
        inner.truncate(HEADER);
      });
    }
    if (offset > this.size) this.append(inner, ZEROS, this.size, offset - this.size);
    for (let done = 0; done < bytes.length; done += RECORD_MAX) {
      const piece = this.cipher?.sealInto !== undefined && this.tail === undefined ? bytes.subarray(done, done + RECORD_MAX) : new Uint8Array(bytes.subarray(done, done + RECORD_MAX));
      this.append(inner, DATA, offset + done, piece.length, piece);
    }
  }

  // ---- reading ----

  *read(inner: StorageFile, offset: number, into: Uint8Array): Steps<number> {
    const count = Math.max(0, Math.min(into.length, this.size - offset));
    const to = offset + count;
    // As it is now, whatever is written while this waits.
    const pieces: { from: number; to: number; record: SealRecord; plain: Uint8Array | undefined; sealed: MaybePromise<Uint8Array> | undefined }[] = [];
    let covered = offset;
    for (let i = this.#find(offset); i < this.#extents.length && this.#extents[i]!.from < to; i++) {
      const { record, ...extent } = this.#extents[i]!;
      const from = Math.max(extent.from, offset);
      const end = Math.min(extent.to, to);
      if (from > covered && !isLenient(this.name)) throw this.#damaged(covered);
      covered = end;
      const isStored = record.kind === DATA && record.plain === undefined;
      pieces.push({ from, to: end, record, plain: record.plain, sealed: isStored ? this.#fetch(inner, record, from, end) : undefined });
    }
    if (covered < to && !isLenient(this.name)) throw this.#damaged(covered);
    for (const { sealed } of pieces) if (sealed !== undefined && isPromise(sealed)) sealed.catch(() => undefined); // waited for below, one after another
    into.fill(0, 0, count);
    for (const { from, to: end, record, plain, sealed } of pieces) {
      if (plain !== undefined) into.set(plain.subarray(from - record.offset, end - record.offset), from - offset);
      else if (sealed !== undefined) yield* this.#open(record, from, end, yield* wait(sealed), into.subarray(from - offset, end - offset));
    }
    return count;
  }

  /** The sealed pages that hold [from, to). */
  #fetch(inner: StorageFile, record: SealRecord, from: number, to: number): MaybePromise<Uint8Array> {
    const first = Math.floor((from - record.offset) / record.page);
    const last = Math.floor((to - 1 - record.offset) / record.page);
    const start = pageAt(record, first);
    const buffer = new Uint8Array(pageAt(record, last) + pageLength(record, last) + TAG - start);
    const got = inner.readAt(record.at + start, buffer);
    return isPromise(got) ? got.then((count) => buffer.subarray(0, count)) : buffer.subarray(0, got);
  }

  *#open(record: SealRecord, from: number, to: number, sealed: Uint8Array, into: Uint8Array): Steps<void> {
    const first = Math.floor((from - record.offset) / record.page);
    const last = Math.floor((to - 1 - record.offset) / record.page);
    const pages: MaybePromise<Uint8Array | undefined>[] = [];
    const partOf = (k: number): Uint8Array => sealed.subarray((k - first) * (record.page + TAG), (k - first) * (record.page + TAG) + pageLength(record, k) + TAG);
    for (let k = first; k <= last; k++) {
      const part = partOf(k);
      pages.push(part.length < pageLength(record, k) + TAG ? undefined : this.cipher!.open(...pageParameters(this.fileId, record, k), part));
    }
    const opened = pages.some(isPromise) ? yield* wait(Promise.all(pages)) : (pages as (Uint8Array | undefined)[]);
    for (let k = first; k <= last; k++) {
      const plain = opened[k - first];
      const start = record.offset + k * record.page;
      if (plain !== undefined) {
        const a = Math.max(start, from);
        into.set(plain.subarray(a - start, Math.min(start + plain.length, to) - start), a - from);
      } else if (!isLenient(this.name) && !(isReplaced(this.name) && isCutOff(record.at + pageAt(record, k), partOf(k), pageLength(record, k) + TAG))) {
        throw this.#damaged(start);
      }
    }
  }

  #damaged(at: number): OmenError {
    return new OmenError("OMEN_ERR_CORRUPT", `${this.name} is damaged: what lies at ${at} is not what was written`);
  }
}
