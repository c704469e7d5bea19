/**
 * What the WebAssembly module asks of JavaScript: the functions of wasm/imports.h over storages (storage/storage.ts).
 *
 * The core asks synchronously and a storage may answer with a promise. Then the core is told OMEN_PENDING, the promise is
 * remembered under the question (operation, file, offset, length), and when the core asks again it is given the result, once. A
 * read that pends goes into a buffer of ours: by the time it is done the module's memory may have grown and moved.
 */
import { STATUS } from "../codes.js";
import { OmenError, asOmenError } from "../errors.js";
import { LATER, Language, type LanguageLoader } from "../languages.js";
import type { MaybePromise, Storage, StorageFile } from "../storage/storage.js";
import type { LogLevel } from "../types.js";

const PENDING = Symbol("pending");
/** How long the second part is not asked for again after that has failed: every call that waits for it is told why, and a page that is offline is left in peace. */
const RETRY_MS = 1000;
const MODES = ["read", "write", "create"] as const;
const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

/** A question that was answered with a promise, and what came of it. */
interface Asked {
  done: boolean;
  value?: unknown;
  error?: OmenError;
}

interface OpenStorage {
  storage: Storage;
  asked: Map<string, Asked>;
  /** A list that did not fit into the core's buffer, until it asks with a larger one. */
  names?: Uint8Array;
  released: boolean;
}

interface OpenFile {
  file: StorageFile;
  name: string;
  synchronous: boolean;
  asked: Map<string, Asked>;
}

/** A language that the core asked for: its module is being loaded, is there, or cannot be had. */
interface AskedLanguage {
  loading: boolean;
  language?: Language;
  failure?: OmenError;
}

const isPromise = <T>(answer: MaybePromise<T>): answer is Promise<T> =>
  typeof answer === "object" && answer !== null && typeof (answer as { then?: unknown }).then === "function";

/** The host of one module instance. */
export class HostImports {
  /** Promises that are under way. */
  outstanding = 0;
  /** What a storage threw last: the core passes on only its status. */
  failure: OmenError | undefined;
  /** Called whenever a promise has settled. */
  onProgress: () => void = () => {};
  onLog: ((level: LogLevel, line: string) => void) | undefined;
  /** Why the second part is not there, when it has been asked for in vain. */
  laterFailure: OmenError | undefined;
  /** What the second part links with. */
  exports: WebAssembly.Exports | undefined;
  /** Loads modules of languages, and the second part. */
  loadLanguage: LanguageLoader | undefined;
  /** Hands a language to the core by the number it asked with; answers `false` when there is no memory for it. */
  registerLanguage: (language: number, version: number, stops: Uint8Array) => boolean = () => false;

  #memory: WebAssembly.Memory | undefined;
  #view = new Uint8Array();
  #storages = new Map<number, OpenStorage>();
  #files = new Map<number, OpenFile>();
  #next = 1;
  #releases: Promise<void>[] = [];
  #languages = new Map<number, AskedLanguage>();
  #failedLanguages = new Map<string, OmenError>();
  #later: "absent" | "loading" | "there" = "absent";
  #laterFailedAt = 0;
  #decoder = new TextDecoder();
  #encoder = new TextEncoder();

  /** The module's memory, once it is there. */
  bind(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  /** The one accessor for the module's memory: growing it detaches every older view. */
  get heap(): Uint8Array {
    const { buffer } = this.#memory!;
    if (this.#view.buffer !== buffer) this.#view = new Uint8Array(buffer);
    return this.#view;
  }

  text(at: number, length: number): string {
    return this.#decoder.decode(this.heap.subarray(at, at + length));
  }

  /** A string of the module's that ends in NUL. */
  cString(at: number): string {
    return this.text(at, this.heap.indexOf(0, at) - at);
  }

  /** Takes an opened storage in; the answer names it to the core. */
  addStorage(storage: Storage): number {
    const number = this.#next++;
    this.#storages.set(number, { storage, asked: new Map(), released: false });
    return number;
  }

  /** Drops results of reads that nobody will fetch, because no call is under way that could have asked for them. */
  forgetReads(): void {
    for (const { asked } of this.#files.values()) {
      for (const [key, { done }] of asked) if (done && key !== "sync") asked.delete(key);
    }
  }

  /** Resolves when every storage that the core has released so far has closed. Never rejects. */
  async released(): Promise<void> {
    await Promise.allSettled(this.#releases);
  }

  /** Releases what the core has not released, and resolves when every storage has closed. Never rejects. */
  async close(): Promise<void> {
    for (const number of [...this.#files.keys()]) this.#closeFile(number);
    for (const number of [...this.#storages.keys()]) this.#release(number);
    await Promise.allSettled(this.#releases);
  }

  /** The imports of module "omen_host". */
  imports(): { [name: string]: (...args: never[]) => number | void } {
    return {
      storage_list: (storage: number, into: number, cap: number) => this.#guard(() => this.#list(storage, into, cap)),
      storage_open: (storage: number, name: number, length: number, mode: number) =>
        this.#guard(() => this.#open(storage, this.text(name, length), MODES[mode]!)),
      storage_size: (file: number) => this.#guard(() => this.#file(file).file.size()),
      storage_read: (file: number, offset: number, into: number, length: number) =>
        this.#guard(() => this.#read(this.#file(file), offset, into >>> 0, length)),
      storage_write: (file: number, offset: number, bytes: number, length: number) =>
        this.#guard(() => {
          const from = bytes >>> 0;
          this.#file(file).file.writeAt(offset, this.heap.subarray(from, from + (length >>> 0)));
          return 0;
        }),
      storage_truncate: (file: number, size: number) =>
        this.#guard(() => {
          this.#file(file).file.truncate(size);
          return 0;
        }),
      storage_sync: (file: number) =>
        this.#guard(() => {
          const { file: handle, asked, name } = this.#file(file);
          return this.#ask(asked, "sync", `syncing ${name}`, () => handle.sync()) === PENDING ? PENDING : 0;
        }),
      storage_sync_dir: (storage: number) =>
        this.#guard(() => {
          const { storage: place, asked } = this.#storage(storage);
          return this.#ask(asked, "sync", "syncing the folder", () => place.syncDirectory()) === PENDING ? PENDING : 0;
        }),
      storage_close: (file: number) => this.#closeFile(file),
      storage_remove: (storage: number, name: number, length: number) =>
        this.#guard(() => {
          const { storage: place, asked } = this.#storage(storage);
          const text = this.text(name, length);
          return this.#ask(asked, `remove ${text}`, `removing ${text}`, () => place.remove(text)) === PENDING ? PENDING : 0;
        }),
      storage_release: (storage: number) => this.#release(storage),
      language_load: (language: number, code: number, again: number) => this.#loadLanguage(language, this.text(code >>> 0, 2), again !== 0),
      language_stem: (language: number, word: number, length: number, room: number) => this.#languages.get(language)!.language!.stem(this.heap, word >>> 0, length, room),
      later_load: () => this.#loadLater(),
      wall_ms: () => Date.now(),
      ticks: () => performance.now() * 1e6,
      entropy: (into: number, length: number) =>
        this.#guard(() => {
          const bytes = crypto.getRandomValues(new Uint8Array(length));
          this.heap.set(bytes, into >>> 0);
          return 0;
        }),
      log: (level: number, line: number, length: number) => {
        try {
          this.onLog?.(LEVELS[level] ?? "debug", this.text(line >>> 0, length));
        } catch {
          // A log line must not stop the core.
        }
      },
    };
  }

  /** An answer of at least 0, or minus a status. No exception may unwind through the core. */
  #guard(answer: () => number | typeof PENDING): number {
    try {
      const value = answer();
      return value === PENDING ? -STATUS.OMEN_PENDING : value;
    } catch (error) {
      this.failure = asOmenError(error);
      return -this.failure.status;
    }
  }

  /** Why the last attempt to load a language failed. */
  languageFailure(code: string): OmenError | undefined {
    return this.#failedLanguages.get(code);
  }

  #loadLanguage(number: number, code: string, again: boolean): number {
    let asked = this.#languages.get(number);
    if (asked === undefined || (again && asked.failure !== undefined)) {
      asked = { loading: true };
      this.#languages.set(number, asked);
      this.outstanding++;
      void this.#fetchLanguage(number, code, asked);
    }
    return asked.loading ? -STATUS.OMEN_PENDING : 0;
  }

  async #fetchLanguage(number: number, code: string, asked: AskedLanguage): Promise<void> {
    try {
      if (this.loadLanguage === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", `this engine was given no way to load the module of language "${code}"`);
      const language = new Language(code, await this.loadLanguage(code));
      asked.language = language;
      if (!this.registerLanguage(number, language.version, language.stops)) throw new OmenError("OMEN_ERR_MEMORY", `no memory for the stop words of language "${code}"`);
      this.#failedLanguages.delete(code);
    } catch (error) {
      asked.failure = asOmenError(error);
      this.#failedLanguages.set(code, asked.failure);
      try {
        this.onLog?.("warn", `text of language "${code}" is stored, but not searched: ${asked.failure.detail}`);
      } catch {
        // A log line must not stop the core.
      }
    }
    asked.loading = false;
    this.outstanding--;
    this.onProgress();
  }

  #loadLater(): number {
    if (this.#later === "there") return 0;
    if (this.#later === "absent") {
      if (this.laterFailure !== undefined && performance.now() - this.#laterFailedAt < RETRY_MS) return -this.laterFailure.status;
      this.#later = "loading";
      this.outstanding++;
      void this.#fetchLater();
    }
    return -STATUS.OMEN_PENDING;
  }

  async #fetchLater(): Promise<void> {
    try {
      if (this.loadLanguage === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "this engine was given no way to load it");
      const module = await this.loadLanguage(LATER);
      try {
        new WebAssembly.Instance(module, { omendb: this.exports! as WebAssembly.ModuleImports });
      } catch (error) {
        throw new OmenError("OMEN_ERR_UNSUPPORTED", `what was loaded is not the second part of this build: ${(error as Error).message}`, { cause: error });
      }
      this.#later = "there";
      this.laterFailure = undefined;
    } catch (error) {
      const { detail } = asOmenError(error);
      this.#later = "absent";
      this.#laterFailedAt = performance.now();
      this.laterFailure = new OmenError("OMEN_ERR_UNSUPPORTED", detail, { cause: error });
    }
    this.outstanding--;
    this.onProgress();
  }

  #storage(number: number): OpenStorage {
    const found = this.#storages.get(number);
    if (found === undefined) throw new OmenError("OMEN_ERR_CLOSED", "the storage is closed");
    return found;
  }

  #file(number: number): OpenFile {
    const found = this.#files.get(number);
    if (found === undefined) throw new OmenError("OMEN_ERR_CLOSED", "the file is closed");
    return found;
  }

  /** Puts a question, or fetches the answer of one that was put before. */
  #ask<T>(asked: Map<string, Asked>, key: string, doing: string, start: () => MaybePromise<T>): T | typeof PENDING {
    const before = asked.size === 0 ? undefined : asked.get(key);
    if (before !== undefined) {
      if (!before.done) return PENDING;
      asked.delete(key);
      if (before.error !== undefined) throw before.error;
      return before.value as T;
    }
    const answer = start();
    if (!isPromise(answer)) return answer;
    const question: Asked = { done: false };
    asked.set(key, question);
    this.outstanding++;
    const settle = (): void => {
      question.done = true;
      this.outstanding--;
      this.onProgress();
    };
    answer.then(
      (value) => {
        question.value = value;
        settle();
      },
      (error: unknown) => {
        question.error = asOmenError(error, doing);
        settle();
      },
    );
    return PENDING;
  }

  #list(number: number, into: number, cap: number): number | typeof PENDING {
    const open = this.#storage(number);
    if (open.names === undefined) {
      const names = this.#ask(open.asked, "list", "listing the files", () => open.storage.list());
      if (names === PENDING) return PENDING;
      open.names = this.#encoder.encode(names.map((name) => `${name}\0`).join(""));
    }
    const { names } = open;
    if (names.length <= cap >>> 0) {
      this.heap.set(names, into >>> 0);
      delete open.names;
    }
    return names.length;
  }

  #open(number: number, name: string, mode: (typeof MODES)[number]): number | typeof PENDING {
    const { storage, asked } = this.#storage(number);
    const file = this.#ask(asked, `${mode} ${name}`, `opening ${name}`, () => storage.openFile(name, mode));
    if (file === PENDING) return PENDING;
    const handle = this.#next++;
    this.#files.set(handle, { file, name, synchronous: storage.synchronous, asked: new Map() });
    return handle;
  }

  #read({ file, asked, name, synchronous }: OpenFile, offset: number, into: number, length: number): number | typeof PENDING {
    if (synchronous) return file.readAt(offset, this.heap.subarray(into, into + length)) as number;
    const read = this.#ask<Uint8Array>(asked, `${offset}+${length}`, `reading ${name}`, () => {
      const buffer = new Uint8Array(length);
      const got = file.readAt(offset, buffer);
      return isPromise(got) ? got.then((count) => buffer.subarray(0, count)) : buffer.subarray(0, got);
    });
    if (read === PENDING) return PENDING;
    this.heap.set(read, into);
    return read.length;
  }

  #closeFile(number: number): void {
    const open = this.#files.get(number);
    this.#files.delete(number);
    try {
      open?.file.close();
    } catch (error) {
      this.failure = asOmenError(error);
    }
  }

  #release(number: number): void {
    const open = this.#storages.get(number);
    if (open === undefined) return;
    this.#storages.delete(number);
    const release = async (): Promise<void> => {
      // A file that was opened for a call that has been cancelled since belongs to nobody: close it first.
      for (const [key, question] of open.asked) {
        if (key.startsWith("read ") || key.startsWith("write ") || key.startsWith("create ")) (question.value as StorageFile | undefined)?.close();
      }
      await open.storage.close();
    };
    this.#releases.push(
      release().catch((error: unknown) => {
        this.failure = asOmenError(error);
      }),
    );
  }
}
