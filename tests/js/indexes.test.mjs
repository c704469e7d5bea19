// Types of vectors and indexes, on both engines: what comes back, what is found, what is refused.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { onAbort } from "../../js/dist/abort.js";
import { BuildProgress } from "../../js/dist/build_progress.js";
import { WasmEngine } from "../../js/dist/engine/wasm.js";
import { memory } from "../../js/dist/storage/memory.js";
import { decodeAnswer, encodeRequest } from "../../js/dist/wire.js";
import { random, vector } from "./random.mjs";

const folder = await mkdtemp(join(tmpdir(), "omendb-indexes-"));
after(() => rm(folder, { recursive: true, force: true }));
let made = 0;
const place = () => join(folder, `db-${++made}`);

const DIMENSIONS = 32;
const RECORDS = 5000;
const engines = ["wasm", "native"];

/** Columns of random records with ids 0, 1, … */
function columns(next, count = RECORDS, dimensions = DIMENSIONS) {
  const vectors = vector(next, count * dimensions);
  return { ids: Int32Array.from({ length: count }, (_, i) => i), vectors };
}

/** Share of the exact hits that a search finds; distances must be the exact ones. */
async function recallOf(collection, next, options, queries = 30) {
  let found = 0;
  for (let q = 0; q < queries; q++) {
    const query = vector(next, DIMENSIONS);
    const truth = new Map((await collection.search({ vector: query, exact: true })).map(({ id, distance }) => [id, distance]));
    assert.equal(truth.size, 10);
    const hits = await collection.search({ vector: query, ...options });
    assert.equal(hits.length, 10);
    for (const { id, distance } of hits) {
      if (!truth.has(id)) continue;
      assert.equal(distance, truth.get(id));
      found++;
    }
  }
  return found / (queries * 10);
}

for (const engine of engines) {
  for (const kind of ["hnsw", "ivf", "disk"]) {
    test(`${engine}: ${kind} finds what exact search finds, before and after opening again`, async () => {
      const name = place();
      const next = random(undefined, 7);
      let db = await open(name, { engine, storage: "fs", durability: "os" });
      let c = await db.collection("c", { vector: { dimensions: DIMENSIONS, metric: "l2", index: kind } });
      assert.deepEqual(c.schema.vectors, [{ name: "vector", dimensions: DIMENSIONS, metric: "l2", type: "f32", index: { kind } }]);
      await c.upsert(columns(next));
      const seen = [];
      await db.buildIndexes({ onProgress: (progress) => seen.push(progress) });
      for (const { collection, field, segment, progress } of seen) {
        assert.deepEqual([collection, field, typeof segment], ["c", "vector", "string"]);
        assert.ok(progress >= 0 && progress <= 1);
      }
      const told = seen.map(({ progress }) => progress);
      assert.deepEqual(told, told.toSorted((a, b) => a - b), "one index: progress rises");
      assert.deepEqual(told.filter((p) => p === 1), [1], "and ends once");
      assert.equal(told.at(-1), 1);
      const explained = await c.explain({ vector: vector(next, DIMENSIONS), topK: 5 });
      assert.equal(explained.k, 5);
      assert.equal(explained.hits, 5);
      assert.ok(explained.sources.some(({ index, rows, why }) => index === kind && rows === RECORDS && why === "asked for by name"), JSON.stringify(explained));
      const stats = await db.stats();
      assert.equal(stats.indexesDue, false);
      assert.equal(stats.indexing, null);
      for (let pass = 0; pass < 2; pass++) {
        assert.ok((await recallOf(c, next, {})) >= 0.85, "the default");
        assert.ok((await recallOf(c, next, { recall: 0.99 })) >= 0.93, "recall");
        assert.equal(await recallOf(c, next, { recall: 1 }, 5), 1);
        assert.ok((await recallOf(c, next, kind === "ivf" ? { nprobe: 65_536 } : { ef: 1000 })) >= 0.98, "effort");
        await db.close();
        db = await open(name, { engine, storage: "fs" });
        c = await db.collection("c");
      }
      // What is new is found at once.
      await c.upsert([{ id: "new", vector: new Float32Array(DIMENSIONS).fill(0.5) }]);
      assert.equal((await c.search({ vector: new Float32Array(DIMENSIONS).fill(0.5), topK: 1 }))[0].id, "new");
      await db.check();
      await db.close();
    });
  }

  test(`${engine}: vectors of every type come back as they are held`, async () => {
    const db = await open(place(), { engine, storage: "fs" });
    const c = await db.collection("all", {
      vectors: {
        f: { dimensions: 3, metric: "l2" },
        h: { dimensions: 3, metric: "l2", type: "f16" },
        i: { dimensions: 3, metric: "ip", type: "i8" },
        b: { dimensions: 16, type: "bit" },
      },
    });
    assert.deepEqual(c.schema.vectors.map(({ type, metric }) => [type, metric]), [["f32", "l2"], ["f16", "l2"], ["i8", "ip"], ["bit", "hamming"]]);
    await c.upsert([
      { id: 1, f: [1, 2, 3], h: [1, 2, 3], i: new Int8Array([1, -128, 127]), b: new Uint8Array([0x0f, 0]) },
      { id: 2, f: new Float64Array([-1, 0, 0.1]), h: [-1, 0, 0.1], i: [0, 5, 7], b: [1, 255] },
    ]);
    await c.upsert({
      ids: [3],
      vectors: { f: new Float32Array(3), h: new Float32Array(3), i: new Int8Array([1, 1, 1]), b: new Uint8Array([0, 0]) },
    });
    for (let pass = 0; pass < 2; pass++) {
      const include = ["vector"];
      const two = await c.get(2, { include });
      assert.deepEqual(two, { id: 2, f: Float32Array.of(-1, 0, 0.1), h: Float32Array.of(-1, 0, 0.0999755859375), i: Int8Array.of(0, 5, 7), b: Uint8Array.of(1, 255) });
      const pages = [];
      for await (const record of c.scroll({ include, batch: 2 })) pages.push(record);
      assert.deepEqual(pages[1], two);
      assert.deepEqual(pages[2].b, Uint8Array.of(0, 0));
      const [i] = await c.search({ vector: Int8Array.of(2, 1, -1), field: "i", topK: 1, include });
      assert.deepEqual([i.id, i.distance, i.score, i.vector], [3, -2, 2, Int8Array.of(1, 1, 1)]);
      const bits = await c.search({ vector: [0x0e, 0], field: "b", include });
      assert.deepEqual(bits.map(({ id, distance, score, vector: v }) => [id, distance, score, v]), [
        [1, 1, 1 - Math.fround(1 / 16), Uint8Array.of(0x0f, 0)],
        [3, 3, 1 - 3 / 16, Uint8Array.of(0, 0)],
        [2, 12, 1 - 12 / 16, Uint8Array.of(1, 255)],
      ]);
      const [h] = await c.search({ vector: [1, 2, 3], field: "h", topK: 1, include });
      assert.deepEqual([h.id, h.distance, h.vector], [1, 0, Float32Array.of(1, 2, 3)]);
      await c.update([{ id: 1, i: [3, 3, 3] }]);
      assert.deepEqual((await c.get(1, { include })).i, Int8Array.of(3, 3, 3));
      await c.update([{ id: 1, i: [1, -128, 127] }]);
      await db.flush();
    }
    await assert.rejects(c.update([{ id: 1, h: [1, 2, 70_000] }]), { code: "OMEN_ERR_NOT_FINITE" });
    await db.close();
  });

  test(`${engine}: an index is changed while the collection is in use`, async () => {
    const name = place();
    const next = random(undefined, 3);
    let db = await open(name, { engine, storage: "fs", durability: "os" });
    let c = await db.collection("c", { vector: { dimensions: DIMENSIONS, metric: "cosine" } });
    await c.upsert(columns(next, 1500));
    await db.buildIndexes();
    const used = async () => (await c.explain({ vector: vector(next, DIMENSIONS) })).sources.map(({ index }) => index).filter((index) => index !== "flat");
    assert.deepEqual(await used(), []);
    await c.setIndex({ kind: "hnsw", m: 12, efConstruction: 60 });
    assert.deepEqual(c.schema.vectors[0].index, { kind: "hnsw", m: 12, efConstruction: 60 });
    await db.buildIndexes();
    assert.deepEqual(await used(), ["hnsw"]);
    await c.setIndex({ kind: "ivf", lists: 16, codec: "sq8" }, "vector");
    await db.buildIndexes();
    assert.deepEqual(await used(), ["ivf"]);
    await db.close();
    db = await open(name, { engine, storage: "fs" });
    c = await db.collection("c");
    assert.deepEqual(c.schema.vectors[0].index, { kind: "ivf", codec: "sq8", lists: 16 });
    assert.deepEqual((await db.collections())[0].schema, c.schema);
    assert.deepEqual(await used(), ["ivf"]);
    await c.setIndex("flat");
    await db.buildIndexes();
    assert.deepEqual(await used(), []);
    await db.close();
  });

  test(`${engine}: indexes are built in the background, and searches have their turn meanwhile`, async () => {
    const name = place();
    const next = random(undefined, 11);
    let db = await open(name, { engine, storage: "fs", durability: "os" });
    let c = await db.collection("c", { vector: { dimensions: DIMENSIONS, metric: "l2", index: { kind: "hnsw", efConstruction: 40 } } });
    await c.upsert(columns(next, 2000));
    await db.flush();
    await c.upsert([{ id: "last", vector: vector(next, DIMENSIONS) }]); // begins maintenance
    let rounds = 0;
    const until = async () => {
      while ((await db.stats()).collections[0].segments.every(({ indexes }) => indexes.length === 0)) {
        assert.equal((await c.search({ vector: vector(next, DIMENSIONS), topK: 3 })).length, 3);
        await new Promise((resolve) => setTimeout(resolve, 2));
        assert.ok(++rounds < 100_000, "no index came up");
      }
    };
    await until();
    // What was left undone goes on when the database is opened again.
    await c.setIndex({ kind: "ivf", lists: 8 });
    await db.close();
    db = await open(name, { engine, storage: "fs" });
    c = await db.collection("c");
    const kinds = async () => (await db.stats()).collections[0].segments.flatMap(({ indexes }) => indexes.map(({ index }) => index.kind));
    while (!(await kinds()).includes("ivf")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.ok(++rounds < 200_000, "the index did not follow");
    }
    await db.close();
  });

  test(`${engine}: building is cancelled between steps, and nothing is lost`, async () => {
    const db = await open(place(), { engine, storage: "fs", durability: "os", manualMaintenance: true });
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS, metric: "l2", index: "hnsw" } });
    await c.upsert(columns(random(undefined, 5), 3000));
    const aborter = new AbortController();
    await assert.rejects(db.buildIndexes({ signal: aborter.signal, onProgress: () => aborter.abort() }), { code: "OMEN_ERR_CANCELLED" });
    await db.buildIndexes();
    assert.ok((await c.explain({ vector: vector(random(undefined, 1), DIMENSIONS) })).sources.some(({ index }) => index === "hnsw"));
    assert.equal(await c.count(), 3000);
    await db.close();
  });

  test(`${engine}: many calls share one signal without a warning`, async () => {
    const warnings = [];
    const warned = (warning) => warnings.push(warning.name);
    process.on("warning", warned);
    const db = await open(place(), { engine, storage: "fs" });
    const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 50 }, (_, id) => c.upsert([{ id, vector: [id, id] }], { signal })));
    assert.equal(await c.count({ signal }), 50);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await db.close();
    process.off("warning", warned);
    assert.deepEqual(warnings, []);
  });
}

test("progress never falls, and is 1 when searches have the index", () => {
  const told = [];
  const stats = (indexing, indexes = []) => ({ indexing, collections: [{ name: "c", segments: [{ file: "s1", indexes }, { file: "s2", indexes: [] }] }] });
  const at = (progress, segment = "s1") => ({ collection: "c", field: "v", segment, progress });
  const has = (file) => [{ field: "v", index: { file } }];
  const p = new BuildProgress(stats(null, has("old")), (progress) => told.push([progress.segment, progress.progress]));
  const says = (report, ...what) => {
    p.take(report);
    assert.deepEqual(told.splice(0), what);
  };
  says(stats(at(0.1), has("old")), ["s1", 0.1]);
  says(stats(at(0.4), has("old")), ["s1", 0.4]);
  says(stats(at(0.3), has("old")), ["s1", 0.4]);
  says(stats(at(0.999), has("old")), ["s1", 0.999]);
  says(stats(at(0.999), has("new")), ["s1", 1]); // and the database has not forgotten the build yet
  says(stats(at(0.999), has("new")));
  says(stats(at(0.2, "s2"), has("new")), ["s2", 0.2]);
  says(stats(null, has("new"))); // given up
  says(stats(at(0.1), has("new")), ["s1", 0.1]); // built once more
  says(stats(null, has("newer")), ["s1", 1]);
  says(stats(null, has("newer")));
});

test("a signal calls back who waits, once, and nobody who went", () => {
  const aborter = new AbortController();
  const called = [];
  const forgets = [1, 2, 3].map((n) => onAbort(aborter.signal, () => called.push(n)));
  forgets[1]();
  forgets[1]();
  aborter.abort();
  assert.deepEqual(called, [1, 3]);
  for (const forget of forgets) forget();
  const other = new AbortController();
  onAbort(other.signal, () => called.push("never"))();
  onAbort(other.signal, () => called.push(4));
  other.abort();
  onAbort(undefined, () => called.push("nor this"))();
  assert.deepEqual(called, [1, 3, 4]);
});

test("bad input is refused with its range", async (t) => {
  const db = await open(place(), { engine: "wasm", storage: "fs", indexBytes: "64MiB" });
  const c = await db.collection("c", { vectors: { f: { dimensions: 2, metric: "l2" }, i: { dimensions: 2, metric: "l2", type: "i8" }, b: { dimensions: 16, type: "bit" } } });
  const plain = await db.collection("plain", { vector: { dimensions: 2, metric: "l2" } });
  await plain.upsert([{ id: 1, vector: [0, 0] }]);
  const one = { f: [1, 2], i: [1, 2], b: [1, 2] };
  const refused = async (what, code, message, call) => {
    await t.test(what, () => assert.rejects(async () => call(), (error) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    }));
  };
  const v = [0, 0];
  for (const recall of [0, -0.1, 1.01, Number.NaN, "0.9"]) await refused(`recall ${recall}`, "OMEN_ERR_INVALID", /recall is .*above 0, at most 1/, () => plain.search({ vector: v, recall }));
  for (const name of ["ef", "efSearch"]) {
    for (const value of [0, -1, 1.5, 100_001, "10"]) await refused(`${name} ${value}`, "OMEN_ERR_INVALID", new RegExp(`${name} is .*integer from 1 to 100,000`), () => plain.search({ vector: v, [name]: value }));
  }
  for (const nprobe of [0, 65_537, 2.5]) await refused(`nprobe ${nprobe}`, "OMEN_ERR_INVALID", /nprobe is .*integer from 1 to 65,536/, () => plain.explain({ vector: v, nprobe }));
  await refused("two efforts", "OMEN_ERR_INVALID", /ef is 10 and efSearch 20/, () => plain.search({ vector: v, ef: 10, efSearch: 20 }));
  await refused("exact", "OMEN_ERR_INVALID", /exact is 1; it must be true or false/, () => plain.search({ vector: v, exact: 1 }));
  await refused("an unknown option of explain", "OMEN_ERR_INVALID", /explain: there is no option "k"/, () => plain.explain({ vector: v, k: 1 }));
  await refused("an explanation without a vector", "OMEN_ERR_INVALID", /vector is missing/, () => plain.explain({}));

  const index = (given, more = {}) => () => db.collection("new", { vector: { dimensions: 8, metric: "l2", index: given, ...more } });
  await refused("a kind", "OMEN_ERR_INVALID", /kind is tree; it must be one of "auto", "flat", "hnsw", "ivf", "disk"/, index("tree"));
  await refused("an index of another type", "OMEN_ERR_INVALID", /or an object/, index(5));
  for (const m of [3, 129, 8.5]) await refused(`m ${m}`, "OMEN_ERR_INVALID", /m is .* from 4 to 128/, index({ kind: "hnsw", m }));
  for (const efConstruction of [7, 2001]) await refused(`efConstruction ${efConstruction}`, "OMEN_ERR_INVALID", /from 8 to 2,000/, index({ kind: "disk", efConstruction }));
  for (const lists of [0, 65_537]) await refused(`lists ${lists}`, "OMEN_ERR_INVALID", /from 1 to 65,536/, index({ kind: "ivf", lists }));
  for (const bits of [0, 9]) await refused(`bits ${bits}`, "OMEN_ERR_INVALID", /from 1 to 8/, index({ kind: "ivf", codec: "rabitq", bits }));
  await refused("bits without their codec", "OMEN_ERR_INVALID", /"rabitq"; name it too/, index({ kind: "ivf", bits: 4 }));
  await refused("a codec", "OMEN_ERR_INVALID", /codec is zip; it must be one of/, index({ kind: "ivf", codec: "zip" }));
  await refused("a codec of a graph", "OMEN_ERR_INVALID", /codec is of kind "ivf", not of "hnsw"/, index({ kind: "hnsw", codec: "sq8" }));
  await refused("m of lists", "OMEN_ERR_INVALID", /m is of kind "hnsw" and "disk", not of "ivf"/, index({ kind: "ivf", m: 16 }));
  await refused("lists of a graph", "OMEN_ERR_INVALID", /lists is of kind "ivf"/, index({ kind: "hnsw", lists: 16 }));
  await refused("an unknown parameter", "OMEN_ERR_INVALID", /has no "M"; there are kind, codec, m,/, index({ kind: "hnsw", M: 16 }));
  await refused("setIndex of a bad kind", "OMEN_ERR_INVALID", /kind is tree/, () => plain.setIndex("tree"));
  await refused("setIndex of an unknown field", "OMEN_ERR_INVALID", /no vector field "x"/, () => plain.setIndex("hnsw", "x"));
  await refused("setIndex of several fields", "OMEN_ERR_INVALID", /no single vector field/, () => c.setIndex("hnsw"));
  await refused("onProgress", "OMEN_ERR_INVALID", /onProgress must be a function/, () => db.buildIndexes({ onProgress: 5 }));

  await refused("a type", "OMEN_ERR_INVALID", /type of vector field "vector" is f64; it must be/, index("auto", { type: "f64" }));
  await refused("hamming of floats", "OMEN_ERR_INVALID", /only bits/, index("auto", { metric: "hamming" }));
  await refused("l2 of bits", "OMEN_ERR_INVALID", /bits are compared by "hamming"/, index("auto", { type: "bit", metric: "l2" }));
  await refused("9 bits", "OMEN_ERR_INVALID", /multiple of 8/, () => db.collection("new", { vector: { dimensions: 9, type: "bit" } }));
  await refused("another type than it has", "OMEN_ERR_SCHEMA", /f32/, () => db.collection("plain", { vector: { dimensions: 2, metric: "l2", type: "i8" } }));

  const put = (more) => () => c.upsert([{ id: 1, ...one, ...more }]);
  for (const i of [[1, 128], [-129, 0], [0.5, 1], [Number.NaN, 1], ["1", 2]]) await refused(`i8 of ${i}`, "OMEN_ERR_INVALID", /"i" of record 1 is .* takes integers from -128 to 127/, put({ i }));
  for (const b of [[1, 256], [-1, 0], [1, 1.5]]) await refused(`bits of ${b}`, "OMEN_ERR_INVALID", /at byte \d; type "bit" takes integers from 0 to 255/, put({ b }));
  await refused("floats for i8", "OMEN_ERR_INVALID", /is a Float32Array; give 2 integers as an Int8Array/, put({ i: new Float32Array(2) }));
  await refused("Int8Array for bits", "OMEN_ERR_INVALID", /is a Int8Array; give 16 bits as a Uint8Array or an array of 2 bytes/, put({ b: new Int8Array(2) }));
  await refused("bytes for floats", "OMEN_ERR_INVALID", /is a Uint8Array; give 2 numbers/, put({ f: new Uint8Array(2) }));
  await refused("too many bytes", "OMEN_ERR_DIMENSION", /has 3 bytes \(24 dimensions\), collection "c" has 16/, put({ b: new Uint8Array(3) }));
  await refused("columns of another type", "OMEN_ERR_INVALID", /field "i" are a Float32Array; give a Int8Array of 1 x 2/, () => c.upsert({ ids: [1], vectors: { f: new Float32Array(2), i: new Float32Array(2), b: new Uint8Array(2) } }));
  await refused("columns of another length", "OMEN_ERR_DIMENSION", /"b" holds 16 bytes; 1 records of collection "c" have 1 x 2/, () => c.upsert({ ids: [1], vectors: { f: new Float32Array(2), i: new Int8Array(2), b: new Uint8Array(16) } }));
  await refused("a query of another type", "OMEN_ERR_INVALID", /the query's vector is a Float32Array/, () => c.search({ vector: new Float32Array(2), field: "b" }));
  await refused("a query out of range", "OMEN_ERR_INVALID", /the query's vector is 300 at dimension 0/, () => c.search({ vector: [300, 0], field: "i" }));
  await refused("a query of another length", "OMEN_ERR_DIMENSION", /./, () => c.search({ vector: [1], field: "b" }));
  await refused("indexBytes", "OMEN_ERR_INVALID", /indexBytes is "much"/, () => open(place(), { indexBytes: "much" }));
  assert.equal(await c.count(), 0);
  assert.deepEqual((await db.collections()).map(({ name }) => name), ["c", "plain"]);
  await db.close();
});

test("the core judges requests by itself, whoever makes them", async () => {
  const compiled = async (name) => WebAssembly.compile(await readFile(new URL(`../../js/dist/${name}`, import.meta.url)));
  const engine = new WasmEngine(await compiled("omendb.wasm"), { language: () => compiled("omendb-later.wasm") });
  const slot = engine.putStorage(await memory().open("raw", { create: true, readOnly: false }));
  const call = async (request, parts = []) => decodeAnswer(await engine.call(encodeRequest(request, parts)));
  const { db } = (await call({ op: "open", slot, options: { indexBytes: "8MiB" } })).json;
  const { collection, schema } = (await call({ op: "collection", db, name: "c", schema: { vectors: [{ name: "v", dimensions: 8, element: "bit", index: { kind: "ivf", lists: 4 } }] } })).json;
  assert.deepEqual(schema.vectors, [{ name: "v", dimensions: 8, metric: "hamming", element: "bit", index: { kind: "ivf", lists: 4 } }]);
  const query = [Uint8Array.of(1)];
  const bad = [
    [{ op: "index", collection }, /index must be an object/],
    [{ op: "index", collection, index: { kind: "tree" } }, /auto, flat, hnsw, ivf or disk/],
    [{ op: "index", collection, index: { kind: 3 } }, /auto, flat, hnsw, ivf or disk/],
    [{ op: "index", collection, index: { kind: "ivf", codec: "zip" } }, /sq8, rabitq or pq/],
    [{ op: "index", collection, index: { kind: "hnsw", m: 3 } }, /m must be an integer of 4 to 128/],
    [{ op: "index", collection, index: { kind: "hnsw", efConstruction: 2001 } }, /8 to 2000/],
    [{ op: "index", collection, index: { kind: "ivf", lists: "4" } }, /1 to 65536/],
    [{ op: "index", collection, index: { kind: "ivf", lists: 2 ** 32 + 4 } }, /1 to 65536/],
    [{ op: "index", collection, index: { kind: "ivf", bits: 4 } }, /rabitq/],
    [{ op: "index", collection, index: { kind: "ivf", colour: 4 } }, /no "colour"/],
    [{ op: "index", collection, field: "x", index: {} }, /no vector field "x"/],
    [{ op: "search", collection, k: 1, recall: 0 }, /above 0, at most 1/, query],
    [{ op: "search", collection, k: 1, recall: "1" }, /above 0, at most 1/, query],
    [{ op: "search", collection, k: 1, ef: 0 }, /ef must be an integer of 1 to 100000/, query],
    [{ op: "explain", collection, k: 1, nprobe: 65_537 }, /nprobe must be an integer of 1 to 65536/, query],
    [{ op: "explain", collection, k: 1, exact: 1 }, /exact must be true or false/, query],
    [{ op: "buildIndexes", db, budgetUs: -1 }, /budgetUs must be an integer/],
    [{ op: "collection", db, name: "d", schema: { vectors: [{ dimensions: 8, element: "f64" }] } }, /f32, f16, i8 or bit/],
    [{ op: "collection", db, name: "d", schema: { vectors: [{ dimensions: 8, element: 1 }] } }, /element must be a string/],
    [{ op: "collection", db, name: "d", schema: { vectors: [{ dimensions: 8, index: "hnsw" }] } }, /index must be an object/],
  ];
  for (const [request, message, parts] of bad) {
    await assert.rejects(call(request, parts), (error) => {
      assert.equal(error.code, "OMEN_ERR_INVALID", JSON.stringify(request));
      assert.match(error.message, message);
      return true;
    });
  }
  assert.deepEqual((await call({ op: "index", collection, index: { kind: "flat" } })).json.schema.vectors[0].index, { kind: "flat" });
  assert.deepEqual((await call({ op: "buildIndexes", db })).json, { until: 1, more: false });
  await call({ op: "close", db });
  await engine.close();
});
