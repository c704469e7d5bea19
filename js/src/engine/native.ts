/**
 * The native engine: the core as a Node-API addon (native/node/addon.c), one binary for Node.js, Bun and Deno. It opens folders itself; work runs
 * on the engine's own threads, never on the event loop.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { onAbort } from "../abort.js";
import { OmenError, asOmenError } from "../errors.js";
import { dist } from "../here.js";
import { encodeError } from "../wire.js";
import type { Engine } from "./engine.js";

interface Addon {
  readonly version: string;
  readonly kernels: string;
  /** Whether there is a libcrypto for it. */
  readonly encrypts: boolean;
  create(): unknown;
  /** Calls begin in the order they are made. */
  call(engine: unknown, request: Uint8Array, id: number): Promise<Uint8Array | undefined>;
  /** A call that has not begun never will; it resolves with undefined. */
  cancel(engine: unknown, id: number): void;
  destroy(engine: unknown): void;
}

const cancelled = (): Uint8Array<ArrayBuffer> => encodeError("OMEN_ERR_CANCELLED", "the call was cancelled");

/** An engine of the addon. Garbage collection closes it too, but when is anybody's guess. */
export class NativeEngine implements Engine {
  readonly kind = "native";
  readonly kernels: string;
  readonly encrypts: boolean;
  readonly threads = availableParallelism();
  #addon: Addon;
  #engine: unknown;
  #open = new Set<Promise<unknown>>();
  #nextId = 1;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#engine = addon.create();
    this.kernels = addon.kernels;
    this.encrypts = addon.encrypts;
  }

  call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#closed !== undefined) return Promise.reject(new OmenError("OMEN_ERR_CLOSED", "the database is closed; open it again"));
    if (signal?.aborted) return Promise.resolve(encodeError("OMEN_ERR_CANCELLED", "the call was cancelled before it began"));
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    let running: Promise<Uint8Array | undefined>;
    try {
      running = this.#addon.call(this.#engine, request, id);
    } catch (error) {
      return Promise.resolve(encodeError("OMEN_ERR_MEMORY", (error as Error).message));
    }
    this.#open.add(running);
    return new Promise((resolve, reject) => {
      // Answered at once; what has begun natively runs to its end, and nobody hears of it.
      const cancel = (): void => {
        this.#addon.cancel(this.#engine, id);
        resolve(cancelled());
      };
      const forget = onAbort(signal, cancel);
      const end = (): void => {
        this.#open.delete(running);
        forget();
      };
      running.then(
        (response) => {
          end();
          resolve(response ?? cancelled());
        },
        (error: unknown) => {
          end();
          reject(asOmenError(error));
        },
      );
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await Promise.allSettled(this.#open);
    this.#addon.destroy(this.#engine);
  }
}

/** `linux-x64-gnu`, `darwin-arm64`, …: on Linux a binary fits one C library. */
function machine(): string {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return name;
  try {
    if (readFileSync("/usr/bin/ldd", "latin1").includes("musl")) return `${name}-musl`;
  } catch {
    // No such program: then it is not Alpine.
  }
  return `${name}-gnu`;
}

/** Where an addon for this machine may lie: in the package, or in one of its own beside it. */
const candidates = (): string[] => [fileURLToPath(new URL(`prebuilds/${machine()}/omendb.node`, dist)), `@omendb/native-${machine()}/omendb.node`];

let loaded: Addon | undefined;

function load(named: string | undefined): Addon {
  const require = createRequire(dist);
  for (const candidate of named ? [named] : candidates()) {
    try {
      const addon = require(candidate) as Addon;
      const { version } = require("../package.json") as { version: string };
      if (addon.version === version) return addon;
      throw new OmenError("OMEN_ERR_VERSION", `${candidate} is of version ${addon.version}, the package of ${version}; install both in one version`);
    } catch (error) {
      // That there is none is no failure, unless it was named.
      if (named || (error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw asOmenError(error, `the native engine ${candidate} does not load`);
    }
  }
  throw new OmenError(
    "OMEN_ERR_UNSUPPORTED",
    `this package holds no native engine for ${machine()}; use engine: "wasm" (or "auto"), or build the addon and name it in the variable OMENDB_NATIVE`,
  );
}

/**
 * Loads the addon.
 * @param named a path, such as the variable OMENDB_NATIVE holds; only this one is tried then
 * @throws OmenError `OMEN_ERR_UNSUPPORTED` where none fits; what loading failed with where one is there
 */
export async function loadNative(named?: string): Promise<Engine> {
  loaded ??= load(named);
  return new NativeEngine(loaded);
}
