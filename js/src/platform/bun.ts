/** OmenDB on Bun. */
import process from "node:process";
import { adapterOf, createDestroy, createOpen } from "../open.js";
import { createTransfers } from "../transfer.js";
import { systemPlatform } from "./system.js";

export * from "../index.js";

const platform = systemPlatform("Bun", (variable) => process.env[variable]);

/** Opens a database: by default the folder of this name, created when it is absent. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);

/** Backups: making a database of one, which there are, removing one. `db.backup()` makes them. */
export const { restore, backups, removeBackup } = createTransfers(platform, adapterOf);
