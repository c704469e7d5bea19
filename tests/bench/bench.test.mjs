// The bench's own arithmetic and its command line; no figure's value is judged here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT, interleaved, line, median, round, table } from "./lib.mjs";

const bench = (...args) => spawnSync(process.execPath, [path.join(ROOT, "tests/bench/run.mjs"), ...args], { encoding: "utf8" });

test("medians", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([10, 1, 2, 3]), 2.5);
  assert.equal(median([7]), 7);
});

test("runs are interleaved, each round the other way round", async () => {
  const order = [];
  const answers = await interleaved(3, { a: () => order.push("a"), b: async () => order.push("b") });
  assert.deepEqual(order, ["a", "b", "b", "a", "a", "b"]);
  assert.deepEqual(answers, { a: [1, 4, 5], b: [2, 3, 6] });
});

test("a line is met on the right side of its bar", () => {
  const up = { unit: "x/s", bar: 10, better: "higher" }, down = { unit: "ms", bar: 10, better: "lower" };
  assert.deepEqual(line("f", up, { value: 10, against: { peer: 1 / 3 } }), { figure: "f", value: 10, unit: "x/s", bar: 10, met: true, against: { peer: 0.333 } });
  assert.equal(line("f", up, { value: 9.999 }).met, false);
  assert.equal(line("f", down, { value: 10 }).met, true);
  assert.equal(line("f", down, { value: 10.001 }).met, false);
  // What was not measured is never met.
  assert.deepEqual(line("f", down, { missing: "no disk" }), { figure: "f", value: null, unit: "ms", bar: 10, met: false, against: {}, missing: "no disk" });
  assert.equal(line("f", down, { value: NaN }).met, false);
  assert.equal(round(123456.7), 123457);
  assert.equal(round(0.12345), 0.123);
  const text = table([line("f", up, { value: 9 }), line("g", down, { missing: "no disk" })], { f: up, g: down });
  assert.match(text, /^f +9 +x\/s +≥ 10 +MISSED$/m);
  assert.match(text, /^g +- +ms +≤ 10 +not measured +no disk$/m);
});

test("every figure is listed; unknown names and options are refused", () => {
  const { status, stdout } = bench("--list");
  assert.equal(status, 0);
  const names = stdout.trim().split("\n").map((row) => row.split(":")[0]);
  assert.deepEqual(names, [...new Set(names)]);
  for (const name of [
    "write.native", "write.raw_share", "write.single", "write.wasm", "write.opfs", "write.indexeddb", "exact.bandwidth", "exact.vs_faiss",
    "exact.wasm_over_native", "open.native_ms", "open.opfs_ms", "wasm.brotli_kb", "wasm.gzip_kb", "metrics.cost", "metrics.kb", "golden.hashes",
  ]) assert.ok(names.includes(name), name);
  const unknown = bench("speed");
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no figure "speed"; there are .*write\.native/);
  assert.equal(bench("--fast").status, 2);
});

test("JSON: one line a figure", { skip: !existsSync(path.join(ROOT, "js/dist/omendb.wasm")) && "js/dist is not built" }, () => {
  const { status, stdout } = bench("--json", "wasm.gzip_kb", "wasm.brotli_kb");
  assert.equal(status, 0);
  const lines = stdout.trim().split("\n").map((text) => JSON.parse(text));
  assert.deepEqual(lines.map((l) => l.figure).sort(), ["wasm.brotli_kb", "wasm.gzip_kb"]);
  for (const { value, unit, bar, met, against } of lines) {
    assert.equal(unit, "KB");
    assert.equal(met, value <= bar);
    assert.ok(value > 10 && typeof against === "object");
  }
});
