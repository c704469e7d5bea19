/**
 * The engine contract: one interface, two implementations (the WebAssembly module and the Node-API addon), and a third that
 * forwards to a worker. An engine carries calls (docs/CALLS.md): a request message goes in, a response message comes out.
 */
import type { Storage } from "../storage/storage.js";

/** Where a database is, and which of the tabs that have it open holds it. */
export interface DatabasePlace {
  /** The storage in use: `"opfs"`, `"indexeddb"`, … */
  storage: string;
  /** `"owner"`: this one holds the database; `"guest"`: another tab does; `"none"`: a new owner is being found. */
  role: "owner" | "guest" | "none";
  /** How many other tabs and workers the owner serves; 0 of a guest. */
  guests: number;
}

/** An instance of the core with its open databases and collections, which requests name by handle. */
export interface Engine {
  /** `"wasm"`, `"native"` or `"worker"`. */
  readonly kind: "wasm" | "native" | "worker";
  /** Name of the kernel set in use: `"simd128"`, `"avx2"`, … */
  readonly kernels: string;
  /**
   * Runs one call. Calls begin in the order they are made. The request may be transferred or copied: do not use it afterwards.
   * Resolves with the response whatever its status; rejects only when the engine itself is gone.
   */
  call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Hands an opened storage over and answers its slot for the `open` request. Engines that open paths themselves (native) do not
   * offer it.
   */
  putStorage?(storage: Storage): number;
  /** `true`: the engine has maintenance done by itself. */
  readonly maintains?: boolean;
  /** On how many threads it reads at the same time; on one when left out. */
  readonly threads?: number;
  /** `true`: it opens encrypted folders by itself. */
  readonly encrypts?: boolean;
  /** Where the database is and who holds it, in engines that know. */
  describe?(): Promise<DatabasePlace>;
  /** Resolves when the storages that were released so far have closed: then they can be opened again. Engines whose storages close at once do not offer it. */
  released?(): Promise<void>;
  /** Frees the instance. Open databases are closed without waiting for durability: close them first. */
  close(): Promise<void>;
}
