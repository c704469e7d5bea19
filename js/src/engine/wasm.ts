/**
 * The engine in WebAssembly: calls (docs/CALLS.md) carried into one instance of the module.
 *
 * A call begins and takes its first step at once, so the order of calls is the order in which they were made, and on a storage
 * that answers at once it is done before `call` returns. A call that pends is stepped again, in the order of the calls, whenever
 * a promise of a storage has settled and whenever another call has finished. Writes that wait for the same sync then all go on together: that is group commit.
 * Answers let the event loop turn now and then (turns.ts).
 */
import { onAbort } from "../abort.js";
import { STATUS } from "../codes.js";
import { OmenError, codeOf } from "../errors.js";
import type { WasmModule } from "../globals.js";
import type { Storage } from "../storage/storage.js";
import type { LanguageLoader } from "../languages.js";
import type { LogLevel } from "../types.js";
import { decodeResponse, encodeError } from "../wire.js";
import type { Engine } from "./engine.js";
import { HostImports } from "./imports.js";
import { Turns } from "./turns.js";

/** The exports of wasm/exports.c. Pointers are unsigned: `>>> 0` where they come out. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  mem_alloc(size: number): number;
  mem_free(at: number): void;
  engine_new(): number;
  engine_free(engine: number): void;
  put_storage(engine: number, slot: number, storage: number): number;
  call_begin(engine: number, request: number, length: number): number;
  call_step(call: number): number;
  call_response(call: number): number;
  call_response_len(call: number): number;
  call_free(call: number): void;
  language_register(language: number, version: number, stops: number, length: number): number;
  last_status(): number;
  last_error(): number;
  kernels(): number;
  version(): number;
}

interface PendingCall {
  call: number;
  resolve(response: Uint8Array): void;
  reject(error: unknown): void;
  failure: OmenError | undefined;
  /** Takes its callback away from the signal. */
  forget: (() => void) | undefined;
}

/** Statuses behind which a storage's own message says more. */
const FROM_STORAGE = new Set(["OMEN_ERR_IO", "OMEN_ERR_FULL", "OMEN_ERR_POISONED", "OMEN_ERR_DATA_EVICTED"]);

export interface WasmEngineOptions {
  log?: ((level: LogLevel, line: string) => void) | undefined;
  /** Loads the module's second part, and the modules of languages that it has not inside; without it, what those are for is refused. */
  language?: LanguageLoader | undefined;
  /** `true`: its calls come as messages (in a worker), so the event loop turns between them anyway. */
  turning?: boolean;
}

export class WasmEngine implements Engine {
  readonly kind = "wasm";
  readonly kernels: string;

  #host = new HostImports();
  #exports: Exports;
  #engine: number;
  #pending = new Set<PendingCall>();
  #nextSlot = 1;
  #pumping = false;
  #timer = false;
  #turns: Turns | undefined;
  /** Why the engine takes no more calls. */
  #gone: OmenError | undefined;

  /** Instantiates a compiled module. @throws OmenError `OMEN_ERR_MEMORY` */
  constructor(module: WasmModule, options: WasmEngineOptions = {}) {
    this.#turns = options.turning === true ? undefined : new Turns();
    this.#host.onLog = options.log;
    this.#host.onProgress = () => this.#wake();
    this.#host.loadLanguage = options.language;
    this.#host.registerLanguage = (language, version, stops) => this.#registerLanguage(language, version, stops);
    const instance = new WebAssembly.Instance(module, { omen_host: this.#host.imports() as WebAssembly.ModuleImports });
    this.#exports = instance.exports as unknown as Exports;
    this.#host.exports = instance.exports;
    this.#host.bind(this.#exports.memory);
    this.#exports._initialize?.();
    this.#engine = this.#exports.engine_new() >>> 0;
    if (this.#engine === 0) throw this.#lastError();
    this.kernels = this.#host.cString(this.#exports.kernels() >>> 0);
  }

  /** Bytes of the instance's memory. It never shrinks; it goes when the engine does. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  putStorage(storage: Storage): number {
    if (this.#gone !== undefined) throw this.#gone;
    const slot = this.#nextSlot++;
    const status = this.#exports.put_storage(this.#engine, slot, this.#host.addStorage(storage));
    if (status !== STATUS.OMEN_OK) throw this.#lastError(status);
    return slot;
  }

  call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (signal?.aborted) return Promise.resolve(encodeError("OMEN_ERR_CANCELLED", "the call was cancelled before it began"));
    return new Promise((resolve, reject) => {
      try {
        const call = this.#begin(request);
        const pending: PendingCall = { call, resolve, reject, failure: undefined, forget: undefined };
        this.#pending.add(pending);
        this.#step(pending);
        if (!this.#pending.has(pending)) return;
        pending.forget = onAbort(signal, () => this.#cancel(pending, "OMEN_ERR_CANCELLED", "the call was cancelled"));
        this.#watch();
      } catch (error) {
        if (error instanceof OmenError) resolve(encodeError(error.code, error.detail));
        else reject(this.#break(error));
      }
    });
  }

  released(): Promise<void> {
    return this.#host.released();
  }

  async close(): Promise<void> {
    if (this.#gone === undefined) {
      for (const pending of [...this.#pending]) this.#cancel(pending, "OMEN_ERR_CLOSED", "the database was closed meanwhile");
      try {
        this.#exports.engine_free(this.#engine);
      } catch (error) {
        this.#break(error);
      }
      this.#gone = new OmenError("OMEN_ERR_CLOSED", "the database is closed; open it again");
    }
    await this.#host.close();
  }

  #registerLanguage(language: number, version: number, stops: Uint8Array): boolean {
    if (this.#gone !== undefined) return false;
    const at = this.#exports.mem_alloc(stops.length) >>> 0;
    if (at === 0) return false;
    this.#host.heap.set(stops, at);
    return this.#exports.language_register(language, version, at, stops.length) !== 0;
  }

  #lastError(status = this.#exports.last_status()): OmenError {
    return new OmenError(codeOf(status), this.#host.cString(this.#exports.last_error() >>> 0));
  }

  #begin(request: Uint8Array): number {
    const { mem_alloc, mem_free, call_begin } = this.#exports;
    const at = mem_alloc(request.length) >>> 0;
    if (at === 0) throw new OmenError("OMEN_ERR_MEMORY", `no memory for a request of ${request.length} bytes; write smaller batches`);
    this.#host.heap.set(request, at);
    const call = call_begin(this.#engine, at, request.length) >>> 0;
    mem_free(at);
    if (call === 0) throw this.#lastError();
    return call;
  }

  /** One step; a call that is done is answered and freed. */
  #step(pending: PendingCall): void {
    const { call_step, call_response, call_response_len } = this.#exports;
    this.#host.failure = undefined;
    const status = call_step(pending.call);
    pending.failure = this.#host.failure ?? pending.failure;
    if (status === STATUS.OMEN_PENDING) return;
    const at = call_response(pending.call) >>> 0;
    const length = call_response_len(pending.call) >>> 0;
    // Without memory even for an error's text, the status is all there is.
    let response = length === 0 ? encodeError(codeOf(status), "") : this.#host.heap.slice(at, at + length);
    if (status !== STATUS.OMEN_OK) response = this.#explain(response, pending.failure);
    this.#finish(pending);
    if (this.#turns === undefined) pending.resolve(response);
    else this.#turns.answer(() => pending.resolve(response));
  }

  /** The core knows only the status of what a storage answered; the storage's own words are added here. */
  #explain(response: Uint8Array<ArrayBuffer>, failure: OmenError | undefined): Uint8Array<ArrayBuffer> {
    if (failure !== undefined) this.#lastFailure = failure;
    const { status, json } = decodeResponse(response);
    const code = codeOf(status);
    if (code === "OMEN_ERR_UNSUPPORTED") return this.#explainLanguage(response, String(json["message"] ?? ""));
    const cause = failure?.code === code ? failure : FROM_STORAGE.has(code) ? this.#lastFailure : undefined;
    const message = String(json["message"] ?? "");
    if (cause === undefined || message.includes(cause.detail)) return response;
    // What is wrong with a key is a sentence of its own; the module has no texts of statuses, so its own sentence ends where one would stand.
    return encodeError(code, message === "" || code === "OMEN_ERR_KEY" ? cause.detail : `${message.replace(/: $/, "")}: ${cause.detail}`);
  }
  #lastFailure: OmenError | undefined;

  /** Why a language or the second part is not there, and what helps: the core knows only that it is not. */
  #explainLanguage(response: Uint8Array<ArrayBuffer>, message: string): Uint8Array<ArrayBuffer> {
    const later = this.#host.laterFailure;
    const at = message.indexOf("the second part of the module is not loaded");
    if (later !== undefined && at >= 0)
      return encodeError("OMEN_ERR_UNSUPPORTED", `${message.slice(0, at)}the second part of the module is not loaded: ${later.detail}; see to it that omendb-later.wasm lies beside omendb.wasm and can be loaded, and try again: nothing is lost`);
    const [start, language] = /^.*language "([a-z]{2})" is not loaded/.exec(message) ?? [];
    const failure = language === undefined ? undefined : this.#host.languageFailure(language);
    if (start === undefined || failure === undefined) return response;
    return encodeError("OMEN_ERR_UNSUPPORTED", `${start}: ${failure.detail}; hand its module over, open(name, { languages: { ${language}: … } }), or see to it that it can be loaded and call db.collection again`);
  }

  #finish(pending: PendingCall): void {
    this.#pending.delete(pending);
    pending.forget?.();
    this.#exports.call_free(pending.call);
    if (this.#pending.size === 0) this.#host.forgetReads();
    else this.#wake();
  }

  #cancel(pending: PendingCall, code: "OMEN_ERR_CANCELLED" | "OMEN_ERR_CLOSED", message: string): void {
    if (!this.#pending.has(pending)) return;
    try {
      this.#finish(pending);
      pending.resolve(encodeError(code, message));
    } catch (error) {
      pending.reject(this.#break(error));
    }
  }

  /** Steps what pends, soon; many settled promises make one round. */
  #wake(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    try {
      for (const pending of [...this.#pending]) {
        if (this.#gone !== undefined) return;
        if (this.#pending.has(pending)) this.#step(pending);
      }
      this.#watch();
    } catch (error) {
      this.#break(error);
    }
  }

  /** Should calls pend while no promise is under way, look again soon rather than never. */
  #watch(): void {
    if (this.#timer || this.#pending.size === 0 || this.#host.outstanding > 0) return;
    this.#timer = true;
    setTimeout(() => {
      this.#timer = false;
      if (this.#gone === undefined) this.#pump();
    }, 1);
  }

  /** The module trapped: its memory can no longer be trusted, and nothing more is asked of it. What is durable stays so. */
  #break(error: unknown): OmenError {
    this.#gone = new OmenError("OMEN_ERR_INTERNAL", `the engine stopped (${String(error)}); reopen the database, and please report it`, { cause: error });
    for (const pending of this.#pending) pending.reject(this.#gone);
    this.#pending.clear();
    return this.#gone;
  }
}
