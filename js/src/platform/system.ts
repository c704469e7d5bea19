/** What Node.js, Deno and Bun have in common: files, and node:fs to reach them. */
import { readFile } from "node:fs/promises";
import type { Engine } from "../engine/engine.js";
import { compileUrl } from "../engine/fetch.js";
import { hasRelaxedSimd, hasSimd } from "../engine/probe.js";
import { WasmEngine, type WasmEngineOptions } from "../engine/wasm.js";
import { OmenError } from "../errors.js";
import { dist } from "../here.js";
import { adapterOf, connectLocally, type Connected, type ConnectRequest, type Platform } from "../open.js";
import { FsAdapter, fs } from "../storage/fs.js";
import { memory } from "../storage/memory.js";
import type { StorageAdapter } from "../storage/storage.js";
import type { LogLevel } from "../types.js";

let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  if (!hasSimd()) throw new OmenError("OMEN_ERR_UNSUPPORTED", "this runtime has no WebAssembly SIMD; use a newer one");
  return WebAssembly.compile(await readFile(new URL(hasRelaxedSimd() ? "omendb-relaxed.wasm" : "omendb.wasm", dist)));
}

/** Packages' own files are read; what a program names may be anywhere. */
async function compileFile(url: URL): Promise<WebAssembly.Module> {
  return url.protocol === "file:" ? WebAssembly.compile(await readFile(url)) : compileUrl(url);
}

async function wasmEngine(options: WasmEngineOptions): Promise<Engine> {
  compiled ??= compile();
  try {
    return new WasmEngine(await compiled, options);
  } catch (error) {
    compiled = undefined;
    throw error;
  }
}

/** The native engine; undefined where none fits and none was asked for. */
async function nativeEngine(required: boolean, named: string | undefined, log: (level: LogLevel, line: string) => void): Promise<Engine | undefined> {
  try {
    const { loadNative } = await import("../engine/native.js");
    return await loadNative(named === "" ? undefined : named);
  } catch (error) {
    if (required) throw error;
    // That there is none for this machine is no news; that one is there and does not load is.
    if (!(error instanceof OmenError && error.code === "OMEN_ERR_UNSUPPORTED")) log("warn", `the native engine does not load (${(error as Error).message}); using WebAssembly`);
    return undefined;
  }
}

/** Opens an encrypted database: keys that are bytes go to the native engine where there is one that encrypts, all others to node:crypto here. */
async function connectEncrypted(adapter: StorageAdapter, request: ConnectRequest, mayLoad: () => boolean, named: string | undefined): Promise<Connected> {
  const { checkEncryption, encrypted, packKeys } = await import("../storage/encrypted.js");
  const options = checkEncryption(request.encryption!);
  const keys = packKeys(options);
  const isNative = request.engine === "native";
  if (isNative && (keys === undefined || !(adapter instanceof FsAdapter))) {
    throw new OmenError("OMEN_ERR_UNSUPPORTED", 'the native engine encrypts folders, with keys that are a Uint8Array and without rotate; use engine: "wasm" for the rest');
  }
  if (keys !== undefined && adapter instanceof FsAdapter && (isNative || (request.engine === "auto" && mayLoad()))) {
    const engine = await nativeEngine(isNative, named, request.log);
    if (engine !== undefined && (isNative || engine.encrypts === true)) return { engine, place: { path: adapter.folderOf(request.name) }, keys };
    await engine?.close();
  }
  keys?.fill(0);
  const { nodeSuite } = await import("../storage/encrypted-node.js");
  return connectLocally(wasmEngine, encrypted(adapter, options, nodeSuite), { ...request, encryption: undefined });
}

/**
 * The platform of a runtime with a file system.
 * @param mayLoad whether the runtime lets libraries be loaded; where it does not, the native engine is not tried unless it is asked for
 */
export function systemPlatform(name: string, environment: (variable: string) => string | undefined, mayLoad: () => boolean = () => true): Platform {
  const platform: Platform = {
    name,
    environment,
    defaultStorage: () => "fs",
    storages: { fs: () => fs(), memory: () => memory() },
    languages: {
      packaged: (code) => new URL(`lang/omendb-lang-${code}.wasm`, dist),
      later: () => new URL(hasRelaxedSimd() ? "omendb-relaxed-later.wasm" : "omendb-later.wasm", dist),
      compile: compileFile,
    },
    readText: (file) => readFile(file, "utf8"),
    async connect(request) {
      const adapter = await adapterOf(platform, request.storage);
      if (request.encryption !== undefined) return connectEncrypted(adapter, request, mayLoad, environment("OMENDB_NATIVE"));
      if ((request.engine === "native" || (request.engine === "auto" && mayLoad())) && adapter instanceof FsAdapter) {
        const engine = await nativeEngine(request.engine === "native", environment("OMENDB_NATIVE"), request.log);
        if (engine !== undefined) return { engine, place: { path: adapter.folderOf(request.name) } };
      } else if (request.engine === "native") {
        throw new OmenError("OMEN_ERR_UNSUPPORTED", `the native engine opens folders, not storage "${adapter.kind}"; use storage: "fs", or engine: "wasm"`);
      }
      return connectLocally(wasmEngine, adapter, request);
    },
  };
  return platform;
}
