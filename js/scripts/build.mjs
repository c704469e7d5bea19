// Builds dist/: ES modules, CommonJS for Node.js, declarations, and the WebAssembly files of the CMake builds. It is made beside
// and moved into place last, so that who uses the old one is not disturbed and a build that fails leaves it alone.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
process.chdir(root);

const fresh = `dist.new-${process.pid}`;

function stop(status) {
  rmSync(fresh, { recursive: true, force: true });
  process.exit(status);
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) stop(status ?? 1);
}

run("scripts/generate-errors.mjs", "--check");
mkdirSync(`${fresh}/cjs`, { recursive: true });

// Without them the package would have no engine.
for (const [from, to] of [
  ["../build/wasm/omendb.wasm", "omendb.wasm"],
  ["../build/wasm/omendb-later.wasm", "omendb-later.wasm"],
  ["../build/wasm-relaxed/omendb.wasm", "omendb-relaxed.wasm"],
  ["../build/wasm-relaxed/omendb-later.wasm", "omendb-relaxed-later.wasm"],
  ["../build/wasm/lang", "lang"],
  ["../build/wasm/THIRD-PARTY-NOTICES", "THIRD-PARTY-NOTICES"],
]) {
  if (!existsSync(from) || (to === "lang" && !existsSync(`${from}/omendb-lang-de.wasm`))) {
    console.error(`${from} is not built: run ./dev build wasm wasm-relaxed`);
    stop(1);
  }
  cpSync(from, `${fresh}/${to}`, { recursive: true });
}

// The addon of this machine, where it is built; without it the package takes WebAssembly.
if (existsSync("../build/native-gcc/omendb.node")) {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const libc = process.platform === "linux" ? (glibcVersionRuntime === undefined ? "-musl" : "-gnu") : "";
  cpSync("../build/native-gcc/omendb.node", `${fresh}/prebuilds/${process.platform}-${process.arch}${libc}/omendb.node`);
}

run(tsc, "-p", "tsconfig.json", "--outDir", fresh);
run(tsc, "-p", "tsconfig.cjs.json", "--outDir", `${fresh}/cjs`);
cpSync("src/here.js", `${fresh}/here.js`);
cpSync("src/here.d.ts", `${fresh}/here.d.ts`);
cpSync("src/here.cjs", `${fresh}/cjs/here.js`);
writeFileSync(`${fresh}/cjs/package.json`, '{ "type": "commonjs" }\n');

const old = `dist.old-${process.pid}`;
if (existsSync("dist")) renameSync("dist", old);
renameSync(fresh, "dist");
rmSync(old, { recursive: true, force: true });
