/**
 * The messages between a page and the worker in which its database lives. Calls (docs/CALLS.md) travel as they are, their buffers
 * transferred. One worker has one engine and one database.
 */
import type { MemberInfo } from "../tabs/member.js";
import type { Opening } from "../tabs/opening.js";
import type { EncryptionOptions } from "../storage/encrypted.js";
import type { LogLevel } from "../types.js";

/** From the page. `id` pairs an answer with its question. */
export type ToWorker =
  /** First. The module is compiled once, by the page. */
  | { type: "start"; module: WebAssembly.Module }
  /** Opens a storage by name and hands it to the engine. */
  | { type: "open"; id: number; storage: string; name: string; create: boolean; readOnly: boolean; encryption?: EncryptionOptions | undefined }
  /** The same for a storage of the browser's: the request "open" follows, and the worker is a member among the tabs (tabs/protocol.ts) from then on. */
  | ({ type: "join"; id: number } & Opening)
  /** What it is among them. */
  | { type: "describe"; id: number }
  | { type: "call"; id: number; request: Uint8Array }
  /** The call's signal was aborted. The call is answered all the same, as cancelled if it was still under way. */
  | { type: "abort"; id: number }
  /** To `language`: the module, or why there is none. */
  | { type: "language"; id: number; module: WebAssembly.Module }
  | { type: "noLanguage"; id: number; code: string; message: string }
  /** Frees the engine; the worker has closed every storage when it answers. */
  | { type: "close"; id: number };

/** To the page. */
export type FromWorker =
  /** To "start", or `failed`. */
  | { type: "started"; kernels: string }
  | { type: "failed"; code: string; message: string }
  | { type: "opened"; id: number; slot: number }
  | { type: "answer"; id: number; response: Uint8Array }
  | { type: "described"; id: number; info: MemberInfo & { storage: string } }
  | { type: "closed"; id: number }
  /** To any question that failed other than by a response. */
  | { type: "error"; id: number; code: string; message: string }
  /** A question of the worker's, with numbers of its own: the page compiles modules of languages, as it did the engine's. */
  | { type: "language"; id: number; language: string }
  | { type: "log"; level: LogLevel; line: string };
