/** OmenDB on Bun. */
import process from "node:process";
import { createDestroy, createOpen } from "../open.js";
import { systemPlatform } from "./system.js";

export * from "../index.js";

const platform = systemPlatform("Bun", (variable) => process.env[variable]);

/** Opens a database: by default the folder of this name, created when it is absent. */
export const open = createOpen(platform);

/** Removes a closed database whole. */
export const destroy = createDestroy(platform);
