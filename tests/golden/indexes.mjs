// The workload of index_test.c through the JavaScript interface: a database with an index of every kind, over every type of vector. It imports nothing but the
// hash, so that it runs in every runtime and in pages.
import { Hash } from "./workload.mjs";

const [ROWS, WIDE, MIDDLE, SMALL, BITS, DIRECTIONS] = [2600, 160, 40, 24, 64, 20];
const { fround, trunc } = Math;

const fields = {
  wide_graph: { dimensions: WIDE, metric: "cosine", index: { kind: "hnsw", efConstruction: 48 } },
  wide_lists: { dimensions: WIDE, metric: "l2", index: "ivf" },
  products: { dimensions: MIDDLE, metric: "ip", index: { kind: "hnsw", m: 16 } },
  halves: { dimensions: SMALL, metric: "l2", type: "f16", index: "disk" },
  bytes: { dimensions: SMALL, metric: "l2", type: "i8", index: { kind: "ivf", lists: 20 } },
  bits: { dimensions: BITS, metric: "hamming", type: "bit", index: "hnsw" },
};

/** The vectors, float by float as C computes them. */
function fill() {
  let x = 4711;
  const next = () => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return (x >>> 8) / 8388608 - 1;
  };
  const directions = Array.from({ length: DIRECTIONS }, () => Float32Array.from({ length: WIDE }, next));
  const wide = new Float32Array(ROWS * WIDE);
  const tenth = fround(0.1);
  for (let row = 0; row < ROWS; row++) {
    const w = wide.subarray(row * WIDE, (row + 1) * WIDE);
    for (let i = 0; i < WIDE; i++) w[i] = tenth * next();
    for (const direction of directions) {
      const t = next();
      for (let i = 0; i < WIDE; i++) w[i] += fround(t * direction[i]);
    }
  }
  const products = Float32Array.from({ length: ROWS * MIDDLE }, (_, i) => next() * (1 + (trunc(i / MIDDLE) % 3)));
  const halves = Float32Array.from({ length: ROWS * SMALL }, next);
  const bytes = Int8Array.from({ length: ROWS * SMALL }, () => trunc(fround(next() * 100)));
  const bits = Uint8Array.from({ length: (ROWS * BITS) / 8 }, () => trunc(fround(next() * 127)) & 255);
  return { wide_graph: wide, wide_lists: wide, products, halves, bytes, bits };
}

/** Runs it. `open` answers a database at an empty place, `files` the files that are left there as [name, bytes]; the answer is the hash of answers and indexes. */
export async function runIndexes(open, files) {
  const db = await open({ databaseId: "090807".padEnd(32, "0"), manualMaintenance: true });
  const all = await db.collection("all", { vectors: fields });
  const vectors = fill();
  const ids = Array.from({ length: ROWS }, (_, i) => i);
  const hash = new Hash();
  await all.upsert({ ids, vectors });
  await db.buildIndexes();
  await all.delete(ids.slice(100, 300));
  for (const [field, { index }] of Object.entries(fields)) {
    const length = vectors[field].length / ROWS;
    for (let n = 0; n < 4; n++) {
      const row = 90 + n * 40;
      const ef = 16 << n;
      const lists = (index.kind ?? index) === "ivf";
      const vector = vectors[field].subarray(row * length, (row + 1) * length);
      for (const { id, distance } of await all.search({ vector, field, topK: 10, ...(lists ? { nprobe: ef / 8 } : { ef }) })) {
        hash.add(new Uint8Array(new BigInt64Array([BigInt(id)]).buffer)).add(new Uint8Array(new Float32Array([distance]).buffer));
      }
    }
  }
  await db.check();
  await db.close();
  const indexes = [...(await files())].filter(([name]) => name.startsWith("seg-4")).sort(([a], [b]) => (a < b ? -1 : 1));
  if (indexes.length !== Object.keys(fields).length) throw new Error(`${indexes.length} index files; there should be one for each field`);
  for (const [name, bytes] of indexes) hash.add(new TextEncoder().encode(name)).add(bytes);
  return hash.toString();
}
