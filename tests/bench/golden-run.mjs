/** The golden workload through the package, as a program: golden-run.mjs ENGINE [FOLDER]. Prints "KERNELS HASH". Runs in Node.js, Deno and Bun. */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { report, runWorkload } from "../golden/workload.mjs";

const [engine, folder] = process.argv.slice(2);
const platform = process.versions.bun ? "bun" : process.versions.deno ? "deno" : "node";
const { open } = await import(`../../js/dist/platform/${platform}.js`);
const answers = await runWorkload((options) => open(folder, { engine, storage: "fs", ...options }));
const text = report(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))]), answers);
console.log(text.trimEnd().split("\n").at(-1));
