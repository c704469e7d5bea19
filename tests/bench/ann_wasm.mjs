/**
 * Approximate search in WebAssembly: OmenDB's package and its peers behind one shape, the same in Node.js and in a page. Nothing here knows where it
 * runs: what loads a package is given.
 *
 * A set is { base, query, truth, rows, dims }: f32 of length 1 each, cosine. A system is
 *   { rowsPerSecond, search(vector, effort) => ids (or a promise of them), queries?, parallel?, close? }
 * with `queries` how many of the set's it is asked (slow ones fewer).
 */
const K = 10, TRUTH = 100, WARM = 50;
const M = 16, CONSTRUCTION = 200;

/** Seconds of CPU this process has spent, where that can be asked. */
const spent = () => {
  const { user, system } = globalThis.process?.cpuUsage?.() ?? {};
  return user === undefined ? undefined : (user + system) / 1e6;
};

/** Rows a second of `steps`: of CPU time where that can be asked, as other work on the machine weighs less on it. */
async function timed(rows, steps) {
  const begun = performance.now(), before = spent();
  await steps();
  const seconds = (performance.now() - begun) / 1000, after = spent();
  return rows / (after === undefined ? seconds : after - before);
}

const row = (set, i) => set.base.subarray(i * set.dims, (i + 1) * set.dims);

/** OmenDB through its package: `open` is the platform's own, `options` its settings. The build is measured with the writes. */
export async function omendb(open, name, options, set) {
  const db = await open(name, { profile: "production", manualMaintenance: true, ...options });
  const things = await db.collection("ann", { vector: { dimensions: set.dims, metric: "cosine", index: { kind: "hnsw" } } });
  const rowsPerSecond = await timed(set.rows, async () => {
    for (let at = 0; at < set.rows; at += 1000) {
      const count = Math.min(1000, set.rows - at);
      await things.upsert({ ids: Int32Array.from({ length: count }, (_, i) => at + i), vectors: set.base.subarray(at * set.dims, (at + count) * set.dims) });
    }
    await db.compact();
    await db.buildIndexes();
  });
  const search = async (vector, recall) => (await things.search({ vector, topK: K, recall, include: [] })).map((hit) => hit.id);
  return { rowsPerSecond, search, close: () => db.close(), kernels: db.engine.kernels };
}

/** hnswlib-wasm: `module` is its loaded library. */
export async function hnswlibWasm(module, set) {
  const index = new module.HierarchicalNSW("cosine", set.dims, "");
  index.initIndex(set.rows, M, CONSTRUCTION, 100);
  const rowsPerSecond = await timed(set.rows, () => {
    for (let i = 0; i < set.rows; i++) index.addPoint(row(set, i), i, false);
  });
  let last;
  return {
    rowsPerSecond,
    search(vector, ef) {
      if (ef !== last) index.setEfSearch((last = ef));
      return index.searchKnn(vector, K, undefined).neighbors;
    },
  };
}

/**
 * edgevec: its module, already initialised. Its effort is fixed when an index is made. Its cosine (0.9.0) answers the farthest first; L2 over rows of
 * length 1 has the order of cosine.
 */
export async function edgevec(module, set, ef) {
  const config = new module.EdgeVecConfig(set.dims);
  config.metric = "l2";
  config.m = M;
  config.ef_construction = CONSTRUCTION;
  config.ef_search = ef;
  const index = new module.EdgeVec(config), rows = new Map();
  const rowsPerSecond = await timed(set.rows, () => {
    for (let i = 0; i < set.rows; i++) rows.set(index.insert(row(set, i)), i);
  });
  return { rowsPerSecond, queries: 300, search: (vector) => index.search(vector, K).map((hit) => rows.get(hit.id)) };
}

/** voy-search: its module. A k-d tree: exact, without an effort. */
export async function voy(module, set) {
  const embeddings = Array.from({ length: set.rows }, (_, i) => ({ id: String(i), title: "", url: "", embeddings: Array.from(row(set, i)) }));
  let index;
  const rowsPerSecond = await timed(set.rows, () => {
    index = new module.Voy({ embeddings });
  });
  return { rowsPerSecond, queries: 50, search: (vector) => index.search(vector, K).neighbors.map((hit) => Number(hit.id)) };
}

/** One pass of a set's queries: { recall, seconds, cpu?, queries }. `together`: so many are under way at a time. */
export async function pass(system, set, effort, together = 1) {
  const queries = Math.min(system.queries ?? 1000, set.query.length / set.dims);
  const vectors = Array.from({ length: queries }, (_, q) => set.query.slice(q * set.dims, (q + 1) * set.dims)), found = new Array(queries);
  for (let q = 0; q < Math.min(WARM, queries); q++) await system.search(vectors[q], effort);
  const begun = performance.now(), before = spent();
  if (together > 1) {
    let next = 0;
    const lane = async () => {
      while (next < queries) {
        const q = next++;
        found[q] = await system.search(vectors[q], effort);
      }
    };
    await Promise.all(Array.from({ length: together }, lane));
  } else {
    for (let q = 0; q < queries; q++) {
      const ids = system.search(vectors[q], effort);
      found[q] = typeof ids.then === "function" ? await ids : ids;
    }
  }
  const seconds = (performance.now() - begun) / 1000, after = spent();
  let hits = 0;
  found.forEach((ids, q) => {
    const right = new Set(set.truth.subarray(q * TRUTH, q * TRUTH + K));
    for (const id of ids) hits += right.has(id) ? 1 : 0;
  });
  return { recall: hits / (queries * K), seconds, ...(after === undefined ? {} : { cpu: after - before }), queries };
}
