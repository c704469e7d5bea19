/** The columns in the parts of messages (docs/CALLS.md): ids, documents and vectors, encoded and decoded. */
import { OmenError } from "./errors.js";
import type { Id } from "./types.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const INTEGER = 1;
const STRING = 2;

/** Text as it appears in messages: the id as JavaScript writes it, cut to fit. */
export function printId(id: unknown): string {
  const text = typeof id === "string" ? JSON.stringify(id) : typeof id === "bigint" ? `${id}` : String(id);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

// isWellFormed came with ES2024; the pattern is what it does.
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/**
 * Ids in canonical form, whose byte order is the order of ids: integers are 01 and 8 bytes big-endian with the sign bit
 * flipped, strings are 02 and their UTF-8.
 */
export function encodeIds(count: number, at: (i: number) => Id): [offsets: Uint32Array, bytes: Uint8Array] {
  const offsets = new Uint32Array(count + 1);
  let bytes = new Uint8Array(count * 24 + 64);
  let view = new DataView(bytes.buffer);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const id: unknown = at(i);
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    const need = typeof id === "string" ? 1 + id.length * 3 : 9;
    if (end + need > bytes.length) {
      const larger = new Uint8Array((end + need) * 2);
      larger.set(bytes.subarray(0, end));
      bytes = larger;
      view = new DataView(bytes.buffer);
    }
    if (typeof id === "string") {
      bytes[end++] = STRING;
      end += encodeString(id, bytes, end);
    } else if (typeof id === "number" && Number.isSafeInteger(id)) {
      bytes[end] = INTEGER;
      view.setUint32(end + 1, (Math.floor(id / 2 ** 32) ^ 0x80000000) >>> 0);
      view.setUint32(end + 5, id >>> 0);
      end += 9;
    } else if (typeof id === "bigint" && BigInt.asIntN(64, id) === id) {
      bytes[end] = INTEGER;
      view.setBigUint64(end + 1, BigInt.asUintN(64, id) ^ (1n << 63n));
      end += 9;
    } else {
      throw new OmenError(
        "OMEN_ERR_ID",
        `the id of record ${i} is ${id === null ? "null" : typeof id === "number" || typeof id === "bigint" ? printId(id) : `of type ${typeof id}`}; ` +
          "use a string, a safe integer, or a bigint of 64 bits",
      );
    }
    offsets[i + 1] = end;
  }
  return [offsets, bytes.subarray(0, end)];
}

function encodeString(text: string, into: Uint8Array, at: number): number {
  // Most ids are short and ASCII; a plain loop beats the call to the encoder.
  if (text.length <= 48) {
    let i = 0;
    for (; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      into[at + i] = unit;
    }
    if (i === text.length) return i;
  }
  if (LONE_SURROGATE.test(text)) throw new OmenError("OMEN_ERR_ID", `the id ${printId(text)} holds half a surrogate pair; use well-formed Unicode`);
  return encoder.encodeInto(text, into.subarray(at)).written;
}

/** Decodes the id that lies in bytes[start, end). Integers come back as numbers where they are safe, else as bigints. */
export function decodeId(bytes: Uint8Array, start: number, end: number): Id {
  if (bytes[start] === STRING) {
    let text = "";
    for (let i = start + 1; i < end; i++) {
      if (end - start > 49 || bytes[i]! >= 0x80) return decoder.decode(bytes.subarray(start + 1, end));
      text += String.fromCharCode(bytes[i]!);
    }
    return text;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + start + 1, 8);
  const high = (view.getUint32(0) ^ 0x80000000) | 0;
  const value = high * 2 ** 32 + view.getUint32(4);
  return Number.isSafeInteger(value) ? value : BigInt.asIntN(64, view.getBigUint64(0) ^ (1n << 63n));
}

/** Texts, one after the other; an empty text is no document. */
export function encodeTexts(texts: readonly string[]): [offsets: Uint32Array, bytes: Uint8Array] {
  const offsets = new Uint32Array(texts.length + 1);
  const all = texts.join("");
  const bytes = encoder.encode(all);
  let end = 0;
  if (bytes.length === all.length) {
    for (let i = 0; i < texts.length; i++) offsets[i + 1] = end += texts[i]!.length;
  } else {
    for (let i = 0; i < texts.length; i++) offsets[i + 1] = end += utf8Length(texts[i]!);
  }
  return [offsets, bytes];
}

/** Bytes of a text in UTF-8, as TextEncoder writes it (a lone surrogate becomes U+FFFD, three bytes). */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit >= 0xd800 && unit < 0xdc00) {
      const next = text.charCodeAt(i + 1);
      // A pair is four bytes for its two units, which were counted already.
      if (next >= 0xdc00 && next < 0xe000) i++;
    }
  }
  return bytes;
}

/** Texts of documents; `undefined` where there is none. */
export function decodeTexts(offsets: Uint32Array, bytes: Uint8Array): (string | undefined)[] {
  const all = decoder.decode(bytes);
  const ascii = all.length === bytes.length;
  const texts: (string | undefined)[] = [];
  for (let i = 0; i + 1 < offsets.length; i++) {
    const [start, end] = [offsets[i]!, offsets[i + 1]!];
    texts.push(start === end ? undefined : ascii ? all.slice(start, end) : decoder.decode(bytes.subarray(start, end)));
  }
  return texts;
}

/** A part's bytes as f32; a view where they are aligned. */
export function asFloats(part: Uint8Array): Float32Array {
  return new Float32Array(part.buffer, part.byteOffset, part.byteLength / 4);
}

/** A part's bytes as u32. */
export function asOffsets(part: Uint8Array): Uint32Array {
  return new Uint32Array(part.buffer, part.byteOffset, part.byteLength / 4);
}
