/** OmenDB in browsers. The database lives in a worker of its own; an adapter that is given runs in the page, which alone has it. */
import { compileFrom, compileUrl } from "../engine/fetch.js";
import { hasRelaxedSimd } from "../engine/probe.js";
import { WasmEngine } from "../engine/wasm.js";
import { WorkerEngine } from "../engine/worker.js";
import { OmenError, asOmenError } from "../errors.js";
import { adapterOf, connectLocally, createDestroy, createOpen, placeName, type Platform } from "../open.js";
import { createTransfers } from "../transfer.js";
import { autoStorage } from "../storage/auto.js";
import { memory } from "../storage/memory.js";
import { OWNER_TIMEOUT_MS } from "../tabs/protocol.js";
import { forget, knownIn, remember } from "../tabs/witness.js";
import type { LogLevel } from "../types.js";

export * from "../index.js";

let compiled: Promise<WebAssembly.Module> | undefined;

/** One compilation for all databases of the page. */
function compile(): Promise<WebAssembly.Module> {
  compiled ??= compileFrom(new URL("../omendb.wasm", import.meta.url), new URL("../omendb-relaxed.wasm", import.meta.url)).catch((error: unknown) => {
    compiled = undefined;
    throw error;
  });
  return compiled;
}

const opfs = async () => (await import("../storage/opfs.js")).opfs();
const indexeddb = async () => (await import("../storage/indexeddb.js")).indexeddb();

const platform: Platform = {
  name: "this browser",
  defaultStorage: () => "auto",
  storages: {
    auto: () => autoStorage(opfs, indexeddb),
    opfs,
    indexeddb,
    memory: () => memory(),
  },
  languages: {
    packaged: (code) => new URL(`../lang/omendb-lang-${code}.wasm`, import.meta.url),
    later: () => (hasRelaxedSimd() ? new URL("../omendb-relaxed-later.wasm", import.meta.url) : new URL("../omendb-later.wasm", import.meta.url)),
    compile: compileUrl,
  },
  readText: async (file) => {
    const response = await fetch(file);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return response.text();
  },
  async connect(request) {
    const { name, storage, create, readOnly, encryption, log, language } = request;
    if (request.engine === "native") throw new OmenError("OMEN_ERR_UNSUPPORTED", "there is no native engine in browsers");
    if (encryption !== undefined) (await import("../storage/encrypted.js")).checkEncryption(encryption); // before a worker is made
    if (typeof storage !== "string") {
      const module = await compile();
      return connectLocally(async (options) => new WasmEngine(module, options), await adapterOf(platform, storage), request);
    }
    await adapterOf(platform, storage); // refuses unknown names before a worker is made
    const worker = new Worker(new URL("../worker.js", import.meta.url), { type: "module", name: `omendb ${name}` });
    let engine: WorkerEngine | undefined;
    try {
      engine = new WorkerEngine(worker, await compile(), log, language);
      await engine.started;
      if (readOnly || request.apart === true || storage === "memory") return { engine, place: { slot: await engine.openStorage(storage, name, { create, readOnly, encryption }), path: placeName(name, storage === "auto" ? "the storage of this browser" : storage) } };
      const { settings } = request;
      const slot = await engine.join({
        storage,
        name,
        create,
        anew: settings.create === "replace",
        tabs: (settings.tabs as "share" | "exclusive" | undefined) ?? "share",
        ownerTimeoutMs: Number(settings.ownerTimeoutMs ?? OWNER_TIMEOUT_MS),
        known: settings.create === "replace" ? [] : knownIn(name),
        manualMaintenance: settings.manualMaintenance === true,
        encryption,
      });
      if (settings.persist === true || settings.persist === "ask") void persist(settings.persist, log);
      return { engine, place: { slot } };
    } catch (error) {
      if (engine === undefined) worker.terminate();
      else await engine.close();
      throw asOmenError(error, `opening "${name}" (${storage})`);
    }
  },
  opened(name, databaseId, engine) {
    if (engine instanceof WorkerEngine && engine.maintains) engine.describe().then(({ storage }) => remember(storage, name, databaseId), () => undefined);
  },
  lost(name, error, engine) {
    // That it has dropped an IndexedDB a browser tells once: noted, it stays known until somebody has decided. Of errors only code and text come out of a worker.
    if (engine instanceof WorkerEngine && error.detail.includes("IndexedDB") && knownIn(name).length === 0) remember("indexeddb", name, "");
  },
  destroyed: forget,
};

/** Asks that the origin's data stay; what came of it, `db.info()` reads from the browser. */
async function persist(how: true | "ask", log: (level: LogLevel, line: string) => void): Promise<void> {
  const granted = await navigator.storage?.persist?.().catch(() => false);
  if (how === true && granted !== true) log("warn", "the browser does not promise to keep the data of this origin when space runs out (navigator.storage.persist was refused)");
}

/** Opens a database: in OPFS where it works, else in IndexedDB, created when it is absent. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);

/** Backups: making a database of one, which there are, removing one. `db.backup()` makes them. */
export const { restore, backups, removeBackup } = createTransfers(platform, adapterOf);
