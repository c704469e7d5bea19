// Builds dist/: ES modules, CommonJS for Node.js, declarations, and the WebAssembly files of the CMake builds.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
process.chdir(root);

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run("scripts/generate-errors.mjs", "--check");
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/cjs", { recursive: true });

// Without them the package would have no engine.
for (const [from, to] of [
  ["../build/wasm/omendb.wasm", "dist/omendb.wasm"],
  ["../build/wasm-relaxed/omendb.wasm", "dist/omendb-relaxed.wasm"],
]) {
  if (!existsSync(from)) {
    console.error(`${from} is not built: run ./dev build wasm wasm-relaxed`);
    process.exit(1);
  }
  cpSync(from, to);
}

// The addon of this machine, where it is built. The package works without: the engine is then WebAssembly.
const addon = ["../build/native-gcc/omendb.node", "../build/native-clang/omendb.node"].find((file) => existsSync(file));
if (addon !== undefined) cpSync(addon, `dist/prebuilds/${process.platform}-${process.arch}/omendb.node`);

run(tsc, "-p", "tsconfig.json");
run(tsc, "-p", "tsconfig.cjs.json");
cpSync("src/here.js", "dist/here.js");
cpSync("src/here.d.ts", "dist/here.d.ts");
cpSync("src/here.cjs", "dist/cjs/here.js");
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
