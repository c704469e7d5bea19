/**
 * What the tabs' protocol has to know of requests: which may be made again, and where in one the handles are.
 *
 * A tab's handles of collections are its own numbers, since the owner's change with the owner. They are put into the request's text and
 * nothing else of it is touched: JSON.parse and back would round integers beyond 2^53.
 */
import { OmenError } from "../errors.js";

const HEADER = 16;
const PART = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Operations that change nothing, or that leave the same state however often they are done. When their answer is lost with the owner, they are made
 * again. What is not listed here is a write, whose outcome is not known then.
 */
const REPEATABLE = new Set([
  "collection",
  "release",
  "index",
  "collections",
  "get",
  "scroll",
  "search",
  "searchMany",
  "explain",
  "count",
  "sync",
  "flush",
  "compact",
  "buildIndexes",
  "check",
  "checkReport",
  "maintain",
  "metrics",
  "metricsReset",
  "stats",
  "version",
]);

/** Operations that need no write to the storage: they go on when it takes none. */
const READING = new Set(["release", "collections", "get", "scroll", "search", "searchMany", "explain", "count", "check", "checkReport", "metrics", "metricsReset", "stats", "version"]);

/** Operations that may run for long without a turn of the event loop, in which the owner cannot answer pings. */
const LONG = new Set(["searchMany", "flush", "compact", "buildIndexes", "check", "checkReport", "purge", "transfer", "task", "maintain", "updateWhere", "deleteWhere", "expire"]);

export const isRepeatable = (op: string): boolean => REPEATABLE.has(op);
export const isReading = (op: string): boolean => READING.has(op);
/** Operations that begin a task, which goes on in steps ("task") until it is ended ("taskEnd"), in the engine that began it. */
export const isTask = (op: string): boolean => op === "purge" || op === "transfer";
/** `bytes` of a write make it long, too: they are parsed and indexed in one go. */
export const isLong = (op: string, bytes: number): boolean => LONG.has(op) || !READING.has(op) && bytes > 1 << 20;

/** What a request says of itself. */
export interface Heading {
  op: string;
  /** The tab's handle, in requests about a collection. */
  collection: number | undefined;
  /** The same, in requests about a task. */
  task: number | undefined;
  /** The name in the requests "collection" and "drop". */
  name: unknown;
  json: { [key: string]: unknown };
  text: string;
}

const broken = (): OmenError => new OmenError("OMEN_ERR_INTERNAL", "a request is malformed");

export function headingOf(request: Uint8Array): Heading {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const at = HEADER + PART * view.getUint32(12, true);
  const text = decoder.decode(request.subarray(at, at + view.getUint32(8, true)));
  const json = JSON.parse(text) as Heading["json"];
  const { op, collection, task, name } = json;
  if (typeof op !== "string") throw broken();
  return { op, collection: typeof collection === "number" ? collection : undefined, task: typeof task === "number" ? task : undefined, name, json, text };
}

/** Where the value of a member of the outermost object begins and ends; it is a number. */
function placeOf(text: string, key: string): [from: number, to: number] | undefined {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") depth--;
    else if (c === '"') {
      const from = i + 1;
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      if (depth !== 1 || text.slice(from, i) !== key || text[i + 1] !== ":") continue;
      const number = /^\d+/.exec(text.slice(i + 2))?.[0];
      if (number !== undefined) return [i + 2, i + 2 + number.length];
    }
  }
  return undefined;
}

/** The request with other numbers for some members of its JSON, in a buffer of its own. */
export function withHandles(request: Uint8Array, text: string, handles: { readonly [key: string]: number }): Uint8Array<ArrayBuffer> {
  for (const [key, handle] of Object.entries(handles)) {
    const place = placeOf(text, key);
    if (place !== undefined) text = text.slice(0, place[0]) + String(handle) + text.slice(place[1]);
  }
  const old = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const parts = old.getUint32(12, true);
  const json = encoder.encode(text);
  const jsonAt = HEADER + PART * parts;
  const roundUp = (n: number): number => Math.ceil(n / 8) * 8;
  const oldStart = roundUp(jsonAt + old.getUint32(8, true));
  const start = roundUp(jsonAt + json.length);
  const bytes = new Uint8Array(start + request.length - oldStart);
  bytes.set(request.subarray(0, jsonAt));
  bytes.set(json, jsonAt);
  bytes.set(request.subarray(oldStart), start);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, json.length, true);
  for (let i = 0; i < parts; i++) {
    const at = HEADER + PART * i;
    view.setBigUint64(at, view.getBigUint64(at, true) + BigInt(start - oldStart), true);
  }
  return bytes;
}
