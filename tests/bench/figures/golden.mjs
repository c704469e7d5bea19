/**
 * One workload, one hash over its files and answers: how many different hashes come out of every build and runtime that is here.
 * Builds that are not built and runtimes that are not installed are left out, and `runs` tells how many there were.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { Missing, ROOT, run, withFolder } from "../lib.mjs";

export const figures = {
  "golden.hashes": { what: "different hashes of the golden workload over builds, kernel sets, runtimes and thread counts", unit: "hashes", bar: 1, better: "lower" },
};

const HASH = /: ([0-9a-f]{16})$|^golden ([0-9a-f]{16})$/gm;

export async function measure(_wanted, note) {
  const seen = new Map();
  let runs = 0;
  /** Every hash that a program prints counts; one that prints none is broken. */
  const take = async (name, file, args, options) => {
    const hashes = [...(await run(file, args, { cwd: ROOT, ...options })).matchAll(HASH)].map((m) => m[1] ?? m[2]);
    if (hashes.length === 0) throw new Error(`${name} printed no hash`);
    for (const hash of hashes) seen.set(hash, new Set([...(seen.get(hash) ?? []), name]));
    runs += hashes.length;
  };
  const built = (...parts) => {
    const file = path.join(ROOT, "build", ...parts);
    if (existsSync(file)) return file;
    note(`not built: ${path.relative(ROOT, file)}`);
    return undefined;
  };

  for (const preset of ["native-gcc", "native-clang", "asan"]) {
    const file = built(preset, "tests/golden/golden.workload");
    if (file) await take(preset, file, []);
  }
  const arm = built("arm64", "tests/golden/golden.workload");
  if (arm && existsSync("/usr/bin/qemu-aarch64")) await take("arm64", "/usr/bin/qemu-aarch64", ["-L", "/usr/aarch64-linux-gnu", arm]);
  const emscripten = built("emscripten", "tests/golden/golden.workload.js");
  if (emscripten) await take("emscripten", process.execPath, ["--no-experimental-fetch", emscripten]);
  const command = built("wasi-command", "omendb-command.wasm");
  for (const kernels of command ? [[], ["scalar"]] : []) await take(`wasi-command ${kernels}`.trim(), process.execPath, ["--no-warnings", path.join(ROOT, "cmake/run-wasi.mjs"), command, ...kernels]);

  if (existsSync(path.join(ROOT, "js/dist/platform/node.js"))) {
    const program = path.join(ROOT, "tests/bench/golden-run.mjs");
    const through = (name, file, args, env = {}) => withFolder((folder) => take(name, file, [...args, path.join(folder, "db")], { env }));
    await through("node wasm", process.execPath, [program, "wasm"]);
    if (existsSync(path.join(ROOT, "js/dist/prebuilds"))) {
      for (const threads of ["1", "2", "7"]) await through(`node native, ${threads} threads`, process.execPath, [program, "native"], { OMENDB_THREADS: threads });
    }
    for (const [name, file, flags] of [
      ["deno", `@deno/linux-${process.arch === "arm64" ? "arm64" : "x64"}-glibc/deno`, ["run", "-A", "--no-config"]],
      ["bun", `@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}/bin/bun`, ["run"]],
    ]) {
      const runtime = path.join(ROOT, "js/node_modules", file);
      if (!existsSync(runtime)) note(`not installed: ${name}`);
      else for (const engine of ["wasm", "native"]) await through(`${name} ${engine}`, runtime, [...flags, program, engine], { DENO_NO_UPDATE_CHECK: "1" });
    }
    for (const browser of ["chromium", "firefox"]) {
      const hash = await inBrowser(browser, note);
      if (hash === undefined) continue;
      seen.set(hash, new Set([...(seen.get(hash) ?? []), browser]));
      runs++;
    }
  } else note("not built: js/dist");
  if (runs === 0) throw new Missing("no build is here (./dev test builds all)");
  const against = { runs, builds: [...new Set([...seen.values()].flatMap((names) => [...names]))].join("; ") };
  return { "golden.hashes": { value: seen.size, against: seen.size === 1 ? { hash: [...seen.keys()][0], ...against } : { ...against, ...Object.fromEntries([...seen].map(([h, n]) => [h, [...n].join("; ")])) } } };
}

/** The hash in a page of a browser, or undefined where there is none. */
async function inBrowser(name, note) {
  const file = path.join(ROOT, "tests/browser/harness.mjs");
  if (!existsSync(file)) return note("tests/browser/harness.mjs is not there");
  const { missing, runInBrowser } = await import(file);
  const absent = missing(name);
  return absent ? note(absent) : runInBrowser(name, "/tests/bench/pages/golden.mjs", { name: "hash" });
}
