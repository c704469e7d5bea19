/** OmenDB where nothing is known of the runtime but the web's own interfaces: in memory, or on an adapter that is given. */
import { compileFrom, compileUrl } from "../engine/fetch.js";
import { hasRelaxedSimd } from "../engine/probe.js";
import { WasmEngine } from "../engine/wasm.js";
import { OmenError } from "../errors.js";
import { adapterOf, connectLocally, createDestroy, createOpen, type Platform } from "../open.js";
import { createTransfers } from "../transfer.js";
import { memory } from "../storage/memory.js";

export * from "../index.js";

let compiled: Promise<WebAssembly.Module> | undefined;

const platform: Platform = {
  name: "this platform",
  defaultStorage: () => "memory",
  storages: { memory: () => memory() },
  languages: {
    packaged: (code) => new URL(`../lang/omendb-lang-${code}.wasm`, import.meta.url),
    later: () => (hasRelaxedSimd() ? new URL("../omendb-relaxed-later.wasm", import.meta.url) : new URL("../omendb-later.wasm", import.meta.url)),
    compile: compileUrl,
  },
  readText: async (file) => (await fetch(file)).text(),
  async connect(request) {
    if (request.engine === "native") throw new OmenError("OMEN_ERR_UNSUPPORTED", "there is no native engine on this platform");
    const adapter = await adapterOf(platform, request.storage);
    compiled ??= compileFrom(new URL("../omendb.wasm", import.meta.url), new URL("../omendb-relaxed.wasm", import.meta.url));
    compiled.catch(() => (compiled = undefined));
    const module = await compiled;
    return connectLocally(async (options) => new WasmEngine(module, options), adapter, request);
  },
};

/** Opens a database: in memory, unless an adapter is given. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);

/** Backups: making a database of one, which there are, removing one. `db.backup()` makes them. */
export const { restore, backups, removeBackup } = createTransfers(platform, adapterOf);
