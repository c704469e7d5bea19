/**
 * Messages of the call protocol (docs/CALLS.md): the bytes that every engine carries. What lies in the parts is the matter of
 * columns.ts.
 */
import { STATUS, type ErrorCode } from "./codes.js";
import { ERRORS, OmenError, codeOf } from "./errors.js";

const REQUEST = 0x31434d4f; // "OMC1", little-endian
const RESPONSE = 0x31524d4f; // "OMR1"
const HEADER = 16;
const PART = 16;
const MAX_PARTS = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A part of a message: bytes that lie ready, or something that writes itself into the message. */
export type Part = ArrayBufferView | PartWriter;
export interface PartWriter {
  readonly byteLength: number;
  /** Fills `buffer` from `offset` (a multiple of 8) with exactly `byteLength` bytes. */
  write(buffer: ArrayBuffer, offset: number): void;
}

/** A decoded message. Parts are views into it; they begin at multiples of 8 bytes when the message does. */
export interface Message {
  status: number;
  json: { [key: string]: unknown };
  parts: Uint8Array[];
}

const roundUp = (n: number): number => Math.ceil(n / 8) * 8;

/** A buffer for requests that are copied before the next one is made; larger ones get a buffer of their own. */
export class Scratch {
  static readonly #LIMIT = 4 * 2 ** 20;
  #buffer = new ArrayBuffer(0);

  /** A message's bytes, not zeroed. */
  take(size: number): Uint8Array<ArrayBuffer> {
    if (size > Scratch.#LIMIT) return new Uint8Array(size);
    if (size > this.#buffer.byteLength) this.#buffer = new ArrayBuffer(Math.min(Scratch.#LIMIT, roundUp(size * 1.5)));
    return new Uint8Array(this.#buffer, 0, size);
  }
}

/** JSON with bigints as integers. */
function stringify(json: object): string {
  try {
    return JSON.stringify(json);
  } catch (error) {
    let found = false;
    const written = (mark?: string): string =>
      JSON.stringify(json, (_, value: unknown) => {
        if (typeof value !== "bigint") return value;
        found = true;
        return mark === undefined ? null : `${mark}${value}`;
      });
    // They are written as texts behind a mark that no other text has, which then loses its quotes.
    const rest = written();
    if (!found) throw error;
    let mark = "#";
    while (rest.includes(mark)) mark += "#";
    return written(mark).replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
  }
}

function encode(magic: number, status: number, json: object, parts: readonly Part[], scratch?: Scratch): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(stringify(json));
  let size = roundUp(HEADER + PART * parts.length + text.length);
  const offsets: number[] = [];
  for (const part of parts) {
    offsets.push(size);
    size += roundUp(part.byteLength);
  }
  if (parts.length > MAX_PARTS || size >= 2 ** 31) {
    throw new OmenError("OMEN_ERR_TOO_LARGE", `a request of ${size} bytes is too large; write smaller batches`);
  }
  const bytes = scratch === undefined ? new Uint8Array(size) : scratch.take(size);
  const { buffer } = bytes;
  const view = new DataView(buffer, 0, size);
  view.setUint32(0, magic, true);
  view.setUint32(4, status, true);
  view.setUint32(8, text.length, true);
  view.setUint32(12, parts.length, true);
  parts.forEach((part, i) => {
    const end = offsets[i]! + part.byteLength;
    view.setBigUint64(HEADER + PART * i, BigInt(offsets[i]!), true);
    view.setBigUint64(HEADER + PART * i + 8, BigInt(part.byteLength), true);
    bytes.fill(0, end, roundUp(end));
    if ("write" in part) part.write(buffer, offsets[i]!);
    else bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offsets[i]!);
  });
  const textEnd = HEADER + PART * parts.length + text.length;
  bytes.set(text, HEADER + PART * parts.length);
  bytes.fill(0, textEnd, roundUp(textEnd));
  return bytes;
}

/** A request: `json` holds `op` and its arguments. With `scratch` it is valid until the next request is made with that. */
export function encodeRequest(json: { op: string; [key: string]: unknown }, parts: readonly Part[] = [], scratch?: Scratch): Uint8Array<ArrayBuffer> {
  return encode(REQUEST, 0, json, parts, scratch);
}

/** A response; the core makes them, and JavaScript only where it answers in the core's place (a cancelled call). */
export function encodeResponse(status: number, json: object, parts: readonly Part[] = []): Uint8Array<ArrayBuffer> {
  return encode(RESPONSE, status, json, parts);
}

/** The response of a failed call. */
export function encodeError(code: ErrorCode, message: string): Uint8Array<ArrayBuffer> {
  return encodeResponse(ERRORS[code].status, { code, message });
}

function decode(magic: number, message: Uint8Array): Message {
  const broken = (what: string) => new OmenError("OMEN_ERR_INTERNAL", `a message is malformed: ${what}`);
  if (message.byteLength < HEADER) throw broken(`${message.byteLength} bytes`);
  // Parts are read through typed arrays, which want them aligned.
  const bytes = message.byteOffset % 8 === 0 ? message : message.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== magic) throw broken("the magic is another one");
  const jsonLength = view.getUint32(8, true);
  const count = view.getUint32(12, true);
  const jsonAt = HEADER + PART * count;
  if (count > MAX_PARTS || jsonAt + jsonLength > bytes.length) throw broken("its JSON reaches beyond its end");
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const at = HEADER + PART * i;
    const offset = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    const length = view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32;
    if (offset % 8 !== 0 || offset + length > bytes.length) throw broken(`part ${i} reaches beyond its end`);
    parts.push(bytes.subarray(offset, offset + length));
  }
  let json: unknown;
  try {
    json = jsonLength === 0 ? {} : JSON.parse(decoder.decode(bytes.subarray(jsonAt, jsonAt + jsonLength)));
  } catch (error) {
    throw broken(String(error));
  }
  if (typeof json !== "object" || json === null) throw broken("its JSON is no object");
  return { status: view.getUint32(4, true), json: json as Message["json"], parts };
}

/** Takes a request apart. */
export const decodeRequest = (message: Uint8Array): Message => decode(REQUEST, message);

/** Takes a response apart, whatever its status. */
export const decodeResponse = (message: Uint8Array): Message => decode(RESPONSE, message);

/** The status of a response, without taking it apart. */
export function statusOf(response: Uint8Array): number {
  return new DataView(response.buffer, response.byteOffset, response.byteLength).getUint32(4, true);
}

/** Takes a response apart; throws the error of a failed call. */
export function decodeAnswer(response: Uint8Array): Message {
  const message = decodeResponse(response);
  if (message.status === STATUS.OMEN_OK) return message;
  const text = message.json["message"];
  throw new OmenError(codeOf(message.status), typeof text === "string" ? text : undefined);
}
