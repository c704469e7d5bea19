/**
 * The npm packages with native code, in Node.js, by the protocol of ann_peer.hpp:
 *   node ann_npm.mjs usearch|hnswlib-node FOLDER METRIC DIMENSIONS FILE THREADS [ADDON]
 * hnswlib-node loads the file that hnswlib saved: the same graph, another caller. ADDON is its compiled addon.
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const require = createRequire(import.meta.url);
const [name, folder, metric, dimensions, file, threads, addon] = process.argv.slice(2);
const dims = Number(dimensions), K = 10, TRUTH = 100, WARM = 100;
const load = (file, Type = Float32Array) => {
  const bytes = readFileSync(path.join(folder, file));
  return new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};
const query = load("query.f32"), truth = load("truth.i32", Int32Array), queries = query.length / dims;

const systems = {
  async usearch() {
    const { Index } = require("usearch");
    const at = (expansion_search) => new Index({ metric: metric === "l2" ? "l2sq" : "cos", dimensions: dims, connectivity: 16, expansion_add: 200, expansion_search });
    if (!existsSync(file)) {
      const base = load("base.f32"), index = at(64), step = 10_000;
      for (let i = 0; i < base.length / dims; i += step) {
        const part = base.subarray(i * dims, (i + step) * dims);
        index.add(BigUint64Array.from({ length: part.length / dims }, (_, j) => BigInt(i + j)), part, Number(threads));
      }
      index.save(`${file}.new`);
      renameSync(`${file}.new`, file);
    }
    // The package sets the effort when an index is made: one for each.
    let index, last;
    return {
      effort(ef) {
        if (ef !== last) (index = at(ef)), index.load(file), (last = ef);
      },
      search: (vector) => index.search(vector, K, 1).keys,
    };
  },
  async "hnswlib-node"() {
    const { HierarchicalNSW } = require(addon);
    const index = new HierarchicalNSW(metric === "l2" ? "l2" : "ip", dims);
    await index.readIndex(file);
    return { effort: (ef) => index.setEf(ef), search: (vector) => index.searchKnn(Array.from(vector), K).neighbors };
  },
};

const begun = performance.now(), built = !existsSync(file), used = process.cpuUsage();
const { effort, search } = await systems[name]();
const cpu = process.cpuUsage(used);
console.log(JSON.stringify({ name, built, buildWall: built ? (performance.now() - begun) / 1000 : 0, buildCpu: built ? (cpu.user + cpu.system) / 1e6 : 0 }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const value = Number(line), found = [], vectors = Array.from({ length: queries }, (_, q) => query.subarray(q * dims, (q + 1) * dims));
  effort(value);
  for (const vector of vectors.slice(0, WARM)) search(vector);
  const from = performance.now(), before = process.cpuUsage();
  for (const vector of vectors) found.push(search(vector));
  const seconds = (performance.now() - from) / 1000, after = process.cpuUsage(before);
  let hits = 0;
  found.forEach((keys, q) => {
    const right = new Set(truth.subarray(q * TRUTH, q * TRUTH + K));
    for (const key of keys) hits += right.has(Number(key)) ? 1 : 0;
  });
  console.log(JSON.stringify({ effort: value, recall: hits / (queries * K), seconds, cpu: (after.user + after.system) / 1e6, queries }));
}
