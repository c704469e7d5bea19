/**
 * What the engine in WebAssembly loads when it is needed, and where that comes from: languages of text fields (omendb-lang-de.wasm, …), and the module's own
 * second part (omendb-later.wasm), which holds what a page does not need at once (wasm/later.txt). The native engine has all of it inside and asks for none.
 */
import { OmenError } from "./errors.js";
import type { WasmModule } from "./globals.js";
import type { LanguageModule } from "./types.js";

/** The name by which the second part is asked for; no language has it. */
export const LATER = "later";

/** Answers the compiled module of a language, by its code; or the second part ({@link LATER}). */
export type LanguageLoader = (code: string) => Promise<WasmModule>;

/** How a platform compiles a module that is its own, or one that lies elsewhere. */
export interface LanguageSource {
  /** Where the package has the module; `undefined` where packages' files cannot be loaded. */
  packaged: ((code: string) => URL | WasmModule) | undefined;
  /** The second part, of the same build as the first. */
  later: () => URL | WasmModule;
  /** Reads and compiles. */
  compile(url: URL): Promise<WasmModule>;
}

const invalid = (what: string): OmenError => new OmenError("OMEN_ERR_INVALID", `open: languages${what}`);

/** The module in a value of the option `languages`; bundlers hand over `{ default: … }` where a module is imported whole. */
function given(code: string, value: unknown): WasmModule | URL {
  if (value instanceof WebAssembly.Module || value instanceof URL) return value;
  if (typeof value === "string") {
    try {
      return new URL(value, (globalThis as { location?: { href: string } }).location?.href);
    } catch (error) {
      throw invalid(`.${code} is ${JSON.stringify(value)}, which is no URL`);
    }
  }
  throw invalid(`.${code} must be a WebAssembly.Module, or the URL of one`);
}

/**
 * The loader of one database. Compiled modules are kept for all of a loader's source.
 * @param languages the option of `open`
 * @throws OmenError `OMEN_ERR_INVALID` when the option is none
 */
export function languageLoader(source: LanguageSource, cache: Map<string, Promise<WasmModule>>, languages: { readonly [code: string]: LanguageModule } = {}): LanguageLoader {
  if (typeof languages !== "object" || languages === null || Array.isArray(languages)) throw invalid(" must be an object of modules by code: { de: … }");
  const own = new Map<string, WasmModule | URL>();
  for (const [code, value] of Object.entries(languages)) {
    if (!/^[a-z]{2}$/.test(code)) throw invalid(` has ${JSON.stringify(code)}; languages go by codes of two letters, such as "de"`);
    own.set(code, given(code, value));
  }
  const compile = async (code: string, from: URL | WasmModule): Promise<WasmModule> => {
    if (!(from instanceof URL)) return from;
    try {
      return await source.compile(from);
    } catch (error) {
      const { detail } = error as OmenError;
      const what = code === LATER ? "it" : `the module of language "${code}"`;
      throw new OmenError("OMEN_ERR_UNSUPPORTED", `${what} cannot be loaded from ${from.href}: ${detail ?? (error as Error).message}`, { cause: error });
    }
  };
  return (code) => {
    const from = code === LATER ? source.later() : (own.get(code) ?? source.packaged?.(code));
    if (from === undefined) return Promise.reject(new OmenError("OMEN_ERR_UNSUPPORTED", `the module of language "${code}" cannot be loaded on this platform by itself`));
    const key = from instanceof URL ? from.href : undefined;
    if (key === undefined) return compile(code, from);
    let compiling = cache.get(key);
    if (compiling === undefined) {
      compiling = compile(code, from);
      cache.set(key, compiling);
      compiling.catch(() => cache.delete(key));
    }
    return compiling;
  };
}

/** What wasm/lang/lang.c exports. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  word(): number;
  stem(length: number): number;
  stops(): number;
  stops_len(): number;
  version(): number;
  code(): number;
}

/** Longest word in bytes. */
const WORD = 64;

/** An instance of a language's module. It keeps nothing between words. */
export class Language {
  readonly version: number;
  /** Stop words, each ended by a NUL. */
  readonly stops: Uint8Array;
  #exports: Exports;
  #word: Uint8Array;

  /** @throws OmenError `OMEN_ERR_UNSUPPORTED` when the module is another one */
  constructor(code: string, module: WasmModule) {
    const wrong = (what: string, cause?: unknown): OmenError => new OmenError("OMEN_ERR_UNSUPPORTED", `the module that was given for language "${code}" ${what}`, { cause });
    try {
      this.#exports = new WebAssembly.Instance(module).exports as unknown as Exports;
      this.#exports._initialize?.();
      const { memory, stops, stops_len, version, word } = this.#exports;
      const bytes = new Uint8Array(memory.buffer);
      this.#word = bytes.subarray(word() >>> 0, (word() >>> 0) + WORD);
      this.stops = bytes.subarray(stops() >>> 0, (stops() >>> 0) + stops_len());
      this.version = version() >>> 0;
    } catch (error) {
      throw wrong(`is none of a language: ${(error as Error).message}`, error);
    }
    const at = this.#exports.code() >>> 0;
    const found = String.fromCharCode(...new Uint8Array(this.#exports.memory.buffer, at, 2));
    if (found !== code) throw wrong(`is that of "${found}"`);
  }

  /** Stems the word at `at` in place, and answers its new length. */
  stem(heap: Uint8Array, at: number, length: number, room: number): number {
    const word = this.#word;
    for (let i = 0; i < length; i++) word[i] = heap[at + i]!;
    const stemmed = this.#exports.stem(length);
    if (stemmed > room) return length;
    for (let i = 0; i < stemmed; i++) heap[at + i] = word[i]!;
    return stemmed;
  }
}
