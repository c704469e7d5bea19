/** The page's side of a database that lives in a worker: an engine that forwards (worker-protocol.ts). */
import { onAbort } from "../abort.js";
import { ERRORS, OmenError, asOmenError, type ErrorCode } from "../errors.js";
import type { LanguageLoader } from "../languages.js";
import type { EncryptionOptions } from "../storage/encrypted.js";
import type { LogLevel } from "../types.js";
import { encodeError } from "../wire.js";
import type { Opening } from "../tabs/opening.js";
import type { DatabasePlace, Engine } from "./engine.js";
import type { FromWorker, ToWorker } from "./worker-protocol.js";

/** As much of a `Worker` as is needed here. */
export interface WorkerLike {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  terminate(): void;
  onmessage: ((event: MessageEvent) => unknown) | null;
  onerror: ((event: ErrorEvent) => unknown) | null;
  onmessageerror?: ((event: MessageEvent) => unknown) | null;
}

interface Question {
  resolve(answer: FromWorker): void;
  reject(error: OmenError): void;
}

const errorOf = (code: string, message: string): OmenError => new OmenError(Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "OMEN_ERR_INTERNAL", message);

export class WorkerEngine implements Engine {
  readonly kind = "worker";
  kernels = "";
  /** Whether the worker calls for maintenance: it does as a member among the tabs. */
  maintains = false;
  #worker: WorkerLike;
  #questions = new Map<number, Question>();
  #next = 1;
  #gone: OmenError | undefined;
  #log: ((level: LogLevel, line: string) => void) | undefined;
  #started: Promise<void>;
  #language: LanguageLoader | undefined;

  /** Starts the engine in a worker that was just made. Await {@link started} before anything else. */
  constructor(worker: WorkerLike, module: WebAssembly.Module, log?: (level: LogLevel, line: string) => void, language?: LanguageLoader) {
    this.#worker = worker;
    this.#language = language;
    this.#log = log;
    this.#started = new Promise((resolve, reject) => {
      this.#questions.set(0, { resolve: () => resolve(), reject });
    });
    worker.onmessage = ({ data }) => this.#receive(data as FromWorker);
    worker.onerror = (event) => {
      event.preventDefault?.();
      this.#fail(new OmenError("OMEN_ERR_INTERNAL", `the database's worker stopped: ${event.message ?? "its script could not be loaded"}; reopen the database`));
    };
    worker.onmessageerror = () => this.#fail(new OmenError("OMEN_ERR_INTERNAL", "a message of the database's worker could not be read; reopen the database"));
    this.#post({ type: "start", module });
  }

  /** Resolves when the worker's engine is there. */
  get started(): Promise<void> {
    return this.#started;
  }

  /** Opens a storage in the worker; answers its slot. */
  async openStorage(storage: string, name: string, options: { create: boolean; readOnly: boolean; encryption?: EncryptionOptions | undefined }): Promise<number> {
    const answer = await this.#ask((id) => ({ type: "open", id, storage, name, ...options }));
    return (answer as Extract<FromWorker, { type: "opened" }>).slot;
  }

  /** Has the worker become a member among the tabs that have this database open. The request "open" names slot 0 then. */
  async join(opening: Opening): Promise<number> {
    this.maintains = true;
    const answer = await this.#ask((id) => ({ type: "join", id, ...opening }));
    return (answer as Extract<FromWorker, { type: "opened" }>).slot;
  }

  async describe(): Promise<DatabasePlace> {
    const { info } = (await this.#ask((id) => ({ type: "describe", id }))) as Extract<FromWorker, { type: "described" }>;
    return { storage: info.storage, role: info.role, guests: info.guests };
  }

  async call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (signal?.aborted) return encodeError("OMEN_ERR_CANCELLED", "the call was cancelled before it began");
    let asked = 0;
    const answer = this.#ask(
      (id) => ({ type: "call", id: (asked = id), request }),
      // A view of a larger buffer is copied: the rest is not ours to give away.
      request.byteLength === request.buffer.byteLength && request.buffer instanceof ArrayBuffer ? [request.buffer] : [],
    );
    const forget = onAbort(signal, () => this.#post({ type: "abort", id: asked }));
    try {
      return ((await answer) as Extract<FromWorker, { type: "answer" }>).response;
    } finally {
      forget();
    }
  }

  async close(): Promise<void> {
    if (this.#gone === undefined) {
      try {
        await this.#ask((id) => ({ type: "close", id }));
      } catch {
        // It is gone already; what it held is released with it.
      }
      this.#fail(new OmenError("OMEN_ERR_CLOSED", "the database is closed; open it again"));
    }
    this.#worker.terminate();
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #ask(message: (id: number) => ToWorker, transfer?: Transferable[]): Promise<FromWorker> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      this.#post(message(id), transfer);
    });
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        this.#log?.(message.level, message.line);
        return;
      case "language":
        void this.#loadLanguage(message.id, message.language);
        return;
      case "failed":
        this.#fail(errorOf(message.code, message.message));
        return;
      case "started":
        this.kernels = message.kernels;
        this.#settle(0)?.resolve(message);
        return;
      case "error":
        this.#settle(message.id)?.reject(errorOf(message.code, message.message));
        return;
      default:
        this.#settle(message.id)?.resolve(message);
    }
  }

  async #loadLanguage(id: number, language: string): Promise<void> {
    try {
      if (this.#language === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "this page was given no way to load it");
      this.#post({ type: "language", id, module: await this.#language(language) });
    } catch (error) {
      const { code, detail } = asOmenError(error);
      this.#post({ type: "noLanguage", id, code, message: detail });
    }
  }

  #settle(id: number): Question | undefined {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    return question;
  }

  #fail(error: OmenError): void {
    this.#gone ??= error;
    for (const question of this.#questions.values()) question.reject(this.#gone);
    this.#questions.clear();
  }
}
