/**
 * Text indexes and filters, native and as WASI commands under Node.js: 60,000 descriptions of Debian packages (../text_data.sh fetches them by apt), and the columns of 1,000,000
 * documents. Build: analysis, postings and their file, one thread. Searches: top 10 by BM25 of any of two to four words, warm.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { Missing, ROOT, median, medianOf, program, run } from "../lib.mjs";

export const figures = {
  "text.build_native": { what: "text index build, native", unit: "documents/s", bar: 80_000, better: "higher" },
  "text.build_wasm": { what: "text index build, WebAssembly", unit: "documents/s", bar: 30_000, better: "higher" },
  "text.p50": { what: "top 10 of any of two to four words, native, p50", unit: "ms", bar: 0.2, better: "lower" },
  "text.p99": { what: "the same, p99", unit: "ms", bar: 1.5, better: "lower" },
  "text.p50_wasm": { what: "the same in WebAssembly, p50", unit: "ms", bar: 0.5, better: "lower" },
  "text.p99_wasm": { what: "the same, p99", unit: "ms", bar: 4, better: "lower" },
  "filter.eval_native": { what: "one numeric range over 1,000,000 rows, native", unit: "ms", bar: 1, better: "lower" },
  "filter.eval_wasm": { what: "the same in WebAssembly", unit: "ms", bar: 3, better: "lower" },
};

const WASI = path.join(ROOT, "build/wasi-command");
const DATA = path.join(ROOT, "build/bench/data/debian");
const ROUNDS = 3;

/** Runs a program of this name natively or as a WASI command; its lines of JSON. */
async function lines(name, wasm, args) {
  let out;
  if (wasm) {
    const file = path.join(WASI, "tests/bench", `bench.${name}.wasm`);
    if (!existsSync(file)) throw new Missing(`${path.relative(ROOT, file)} is not built (./dev build wasi-command)`);
    out = await run(process.execPath, ["--no-warnings", path.join(ROOT, "cmake/run-wasi.mjs"), file, ...args], { cwd: ROOT });
  } else {
    out = await run(program(name), args);
  }
  return out.trim().split("\n").map((line) => JSON.parse(line));
}

async function text(results, wasm, note) {
  const file = path.join(DATA, "descriptions.txt");
  const builds = [], searches = [];
  for (let i = 0; i < ROUNDS; i++) {
    const [build, search] = await lines("text", wasm, ["speed", file, "200"]);
    builds.push(build);
    searches.push(search);
  }
  const one = wasm ? "_wasm" : "";
  results[wasm ? "text.build_wasm" : "text.build_native"] = { value: medianOf(builds, "documents_per_s"), against: { documents: builds[0].documents, terms: builds[0].terms, indexBytes: builds[0].index_bytes } };
  results[`text.p50${one}`] = { value: medianOf(searches, "p50_ms"), against: { maxMs: medianOf(searches, "max_ms") } };
  results[`text.p99${one}`] = { value: medianOf(searches, "p99_ms") };
  note(`${wasm ? "wasm" : "native"}: ${Math.round(medianOf(builds, "documents_per_s"))} documents/s, p50 ${medianOf(searches, "p50_ms")} ms`);
}

export async function measure(wanted, note) {
  const results = {}, some = (names) => names.some((name) => wanted.has(name));
  if ([...wanted].some((name) => name.startsWith("text."))) execFileSync("sh", [path.join(ROOT, "tests/bench/text_data.sh"), DATA], { stdio: ["ignore", "ignore", "inherit"] });
  if (some(["text.build_native", "text.p50", "text.p99"])) await text(results, false, note);
  if (some(["text.build_wasm", "text.p50_wasm", "text.p99_wasm"])) await text(results, true, note);
  for (const wasm of [false, true]) {
    const figure = wasm ? "filter.eval_wasm" : "filter.eval_native";
    if (!wanted.has(figure)) continue;
    const evals = (await lines("columns", wasm, ["1000000"])).filter(({ bench, filter }) => bench === "columns.eval" && /^(year|views|price) /.test(filter) && !/NULL|IN|colour/.test(filter));
    results[figure] = { value: median(evals.map(({ ms }) => ms)), against: Object.fromEntries(evals.map(({ filter, ms }) => [filter, ms])) };
  }
  return results;
}
