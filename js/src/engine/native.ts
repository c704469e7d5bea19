/**
 * The native engine: the core as a Node-API addon (native/node/addon.c), one binary for Node.js, Bun and Deno. It opens folders itself; work runs
 * on the engine's own threads, never on the event loop.
 */
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { OmenError } from "../errors.js";
import { dist } from "../here.js";
import { encodeError } from "../wire.js";
import type { Engine } from "./engine.js";

interface Addon {
  create(): unknown;
  call(engine: unknown, request: Uint8Array): Promise<Uint8Array>;
  destroy(engine: unknown): void;
  kernels(): string;
}

class NativeEngine implements Engine {
  readonly kind = "native";
  readonly kernels: string;
  #addon: Addon;
  #engine: unknown;
  #open = new Set<Promise<unknown>>();
  #closed = false;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#engine = addon.create();
    this.kernels = addon.kernels();
  }

  /** A call that is aborted is answered at once; what it had begun natively runs to its end. */
  call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#closed) return Promise.resolve(encodeError("OMEN_ERR_CLOSED", "the engine is closed"));
    if (signal?.aborted) return Promise.resolve(encodeError("OMEN_ERR_CANCELLED", "the operation was cancelled"));
    const answer = this.#addon.call(this.#engine, request);
    this.#open.add(answer);
    const done = answer.finally(() => this.#open.delete(answer));
    if (signal === undefined) return done;
    done.catch(() => undefined);
    return new Promise((resolve, reject) => {
      const cancel = (): void => resolve(encodeError("OMEN_ERR_CANCELLED", "the operation was cancelled"));
      signal.addEventListener("abort", cancel, { once: true });
      done.then(resolve, reject).finally(() => signal.removeEventListener("abort", cancel));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#open);
    // The addon's own count falls in the same turn as the last promise settles.
    this.#addon.destroy(this.#engine);
  }
}

/** Where an addon for this machine may lie, most specific first. */
function candidates(): string[] {
  const machine = `${process.platform}-${process.arch}`;
  const named = process.env["OMENDB_NATIVE"];
  return [...(named ? [named] : []), fileURLToPath(new URL(`prebuilds/${machine}/omendb.node`, dist)), `@omendb/native-${machine}/omendb.node`];
}

let loaded: Addon | undefined;

/** Loads the addon. @throws OmenError `OMEN_ERR_UNSUPPORTED` where none fits */
export async function loadNative(): Promise<Engine> {
  const require = createRequire(dist);
  let reason = "";
  for (const candidate of loaded ? [] : candidates()) {
    try {
      loaded = require(candidate) as Addon;
      break;
    } catch (error) {
      const missing = (error as { code?: unknown }).code === "MODULE_NOT_FOUND";
      if (!missing) reason = (error as Error).message;
    }
  }
  if (loaded === undefined) {
    const why = reason === "" ? `this package holds no native engine for ${process.platform}-${process.arch}` : `the native engine does not load: ${reason}`;
    throw new OmenError("OMEN_ERR_UNSUPPORTED", `${why}; use engine: "wasm", or name an addon in OMENDB_NATIVE`);
  }
  return new NativeEngine(loaded);
}
