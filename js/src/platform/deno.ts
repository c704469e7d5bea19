/** OmenDB on Deno. Needs --allow-read and --allow-write for the folder; --allow-env for OMENDB_* variables; --allow-ffi for the native engine. */
import { adapterOf, createDestroy, createOpen } from "../open.js";
import { createTransfers } from "../transfer.js";
import { systemPlatform } from "./system.js";

export * from "../index.js";

/** As much of Deno as is used here. */
declare const Deno: {
  env: { get(name: string): string | undefined };
  permissions: { querySync(permission: { name: "env"; variable: string } | { name: "ffi" }): { state: string } };
};

/** Without the permission a variable counts as not set: nobody should be asked for each. */
const platform = systemPlatform(
  "Deno",
  (variable) => (Deno.permissions.querySync({ name: "env", variable }).state === "granted" ? Deno.env.get(variable) : undefined),
  () => Deno.permissions.querySync({ name: "ffi" }).state === "granted",
);

/** Opens a database: by default the folder of this name, created when it is absent. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);

/** Backups: making a database of one, which there are, removing one. `db.backup()` makes them. */
export const { restore, backups, removeBackup } = createTransfers(platform, adapterOf);
