/**
 * What metrics cost. Instructions of an exact search over 10,000 x 128, counted by callgrind in two builds: as it is, and with
 * counting compiled out. Instructions, not time: the same on every run. Each reading of the clock is added by hand, because
 * callgrind does not see inside it.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Missing, ROOT, json, program, run, withFolder } from "../lib.mjs";

export const figures = {
  "metrics.cost": { what: "share of an exact search's instructions that metrics take", unit: "%", bar: 0.2, better: "lower" },
  "metrics.kb": { what: "memory of all metrics of a database, tables and a scrape included", unit: "KB", bar: 50, better: "lower" },
};

/** Generous: reading the monotonic clock through the kernel's page takes about 60 instructions. */
const CLOCK_INSTRUCTIONS = 200;
const QUERIES = 20;

export async function measure(wanted, note) {
  const results = {};
  if (wanted.has("metrics.kb")) {
    const size = await json(program("metrics"), ["size"]);
    results["metrics.kb"] = { value: (size.structs + size.tables + size.scrape) / 1000, against: size };
  }
  if (!wanted.has("metrics.cost")) return results;
  if (!existsSync("/usr/bin/valgrind")) throw new Missing("valgrind is not installed (Debian package valgrind)");
  const [counting, silent] = [await variant("metrics-on", "", note), await variant("metrics-off", "-DOMEN_NO_METRICS", note)];
  const [on, off] = [await instructions(counting), await instructions(silent)];
  const clocks = on.clockReads * CLOCK_INSTRUCTIONS;
  results["metrics.cost"] = {
    value: (100 * (on.count - off.count + clocks)) / off.count,
    against: { kernels: on.kernels, with: on.count / QUERIES, without: off.count / QUERIES, clock: clocks / QUERIES },
  };
  return results;
}

async function variant(name, flags, note) {
  const build = path.join(ROOT, "build/bench", name);
  note(`building ${path.relative(ROOT, build)}`);
  await run("cmake", ["-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_BUILD_TYPE=None", `-DCMAKE_C_FLAGS=${flags}`]);
  await run("cmake", ["--build", build, "--target", "bench.metrics", "-j", "2"]);
  return program("metrics", build);
}

async function instructions(file) {
  return withFolder(async (folder) => {
    const log = path.join(folder, "log"), out = path.join(folder, "callgrind");
    const text = await run("valgrind", ["--tool=callgrind", `--log-file=${log}`, `--callgrind-out-file=${out}`, "--toggle-collect=measured_search", file, "search", folder, 10000, 128, QUERIES]);
    const count = Number(/Collected : (\d+)/.exec(readFileSync(log, "utf8"))?.[1]);
    if (!(count > 0)) throw new Error("callgrind counted nothing");
    return { ...JSON.parse(text), count };
  });
}
