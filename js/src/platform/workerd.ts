/**
 * OmenDB on workerd (Cloudflare Workers). Code may not be compiled from bytes there, so both builds are imported as modules, each in its two parts,
 * and one is instantiated.
 */
import plain from "../omendb.wasm";
import plainLater from "../omendb-later.wasm";
import relaxed from "../omendb-relaxed.wasm";
import relaxedLater from "../omendb-relaxed-later.wasm";
import { hasRelaxedSimd } from "../engine/probe.js";
import { WasmEngine } from "../engine/wasm.js";
import { OmenError } from "../errors.js";
import { adapterOf, connectLocally, createDestroy, createOpen, type Platform } from "../open.js";
import { createTransfers } from "../transfer.js";
import { memory } from "../storage/memory.js";

export * from "../index.js";

const platform: Platform = {
  name: "workerd",
  defaultStorage: () => "memory",
  storages: { memory: () => memory() },
  languages: {
    packaged: undefined,
    later: () => (hasRelaxedSimd() ? relaxedLater : plainLater),
    compile: async () => {
      throw new Error("modules must be imported on workerd: import de from \"omendb/lang/de.wasm\"");
    },
  },
  readText: async () => {
    throw new Error("there are no files on workerd; give the options in the code");
  },
  async connect(request) {
    if (request.engine === "native") throw new OmenError("OMEN_ERR_UNSUPPORTED", "there is no native engine on workerd");
    return connectLocally(async (options) => new WasmEngine(hasRelaxedSimd() ? relaxed : plain, options), await adapterOf(platform, request.storage), request);
  },
};

/** Opens a database: in memory, unless an adapter is given. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);

/** Backups: making a database of one, which there are, removing one. `db.backup()` makes them. */
export const { restore, backups, removeBackup } = createTransfers(platform, adapterOf);
