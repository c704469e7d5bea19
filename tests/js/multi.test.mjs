// Records of several vectors, on both engines, in memory and in segments: answers agree with a plain computation.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { NativeEngine, loadNative } from "../../js/dist/engine/native.js";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random, vector } from "./random.mjs";

const native = await loadNative(process.env.OMENDB_NATIVE || undefined).catch((error) => error);
const noNative = native instanceof NativeEngine ? false : `no native engine: ${native.message}`;
if (!noNative) await native.close();

const DIMENSIONS = 4;
const schema = {
  vector: { dimensions: 2, metric: "l2" },
  text: ["title"],
  multi: { tokens: { dimensions: DIMENSIONS }, "page.parts": { dimensions: 2, metric: "ip", type: "f16" } },
};

const next = random(undefined, 11);
const vectors = (count, dimensions) => Array.from({ length: count }, () => [...vector(next, dimensions)]);
const records = Array.from({ length: 60 }, (_, id) => ({
  id,
  vector: [id % 10, Math.floor(id / 10)],
  title: id % 3 === 0 ? "tea" : "coffee",
  year: 2000 + (id % 7),
  ...(id % 5 === 4 ? {} : { tokens: vectors(1 + (id % 6), DIMENSIONS) }),
  ...(id % 4 === 0 ? { page: { parts: vectors(2, 2).map((v) => v.map((x) => Math.round(x * 8) / 8)) } } : {}),
}));

const unit = (v) => v.map((x) => x / Math.hypot(...v));
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const maxsim = (query, own, scale) => query.reduce((sum, q) => sum + Math.max(...own.map((v) => dot(scale(q), scale(v)))), 0);
const plain = (query, filter = () => true) =>
  records
    .filter((record) => record.tokens !== undefined && filter(record))
    .map(({ id, tokens }) => ({ id, score: maxsim(query, tokens, unit) }))
    .sort((a, b) => b.score - a.score);

function agree(hits, want) {
  assert.deepEqual(hits.map(({ id }) => id), want.slice(0, hits.length).map(({ id }) => id));
  hits.forEach(({ score }, i) => assert.ok(Math.abs(score - want[i].score) < 1e-5, `${score} is not ${want[i].score}`));
}

/** With each engine, the records in memory and in a segment. */
function both(name, body) {
  for (const [engine, skip] of [["wasm", false], ["native", noNative]]) {
    for (const where of ["memory", "segment"]) {
      test(`${engine}, in ${where}: ${name}`, { skip }, async (t) => {
        const root = await mkdtemp(join(tmpdir(), "omen-multi-"));
        t.after(() => rm(root, { recursive: true, force: true }));
        const db = await open(engine === "wasm" ? "db" : join(root, "db"), engine === "wasm" ? { engine, storage: memory() } : { engine });
        try {
          const c = await db.collection("notes", schema);
          // Typed arrays and plain ones alike.
          await c.upsert(records.map((record) => (record.id % 2 === 0 && record.tokens !== undefined ? { ...record, tokens: record.tokens.map((v) => Float32Array.from(v)) } : record)));
          if (where === "segment") await db.flush();
          await body(c, db);
        } finally {
          await db.close();
        }
      });
    }
  }
}

both("several vectors find records, with filters and beside other legs", async (c) => {
  const query = vectors(3, DIMENSIONS);
  const hits = await c.search({ multi: { field: "tokens", vectors: query }, topK: 60 });
  assert.equal(hits.length, 48);
  agree(hits, plain(query));
  assert.ok(Number.isNaN(hits[0].distance) && hits[0].scores === undefined);
  assert.deepEqual(hits[0].metadata.tokens, records[hits[0].id].tokens, "they come back as they were given");
  agree(await c.search({ multi: { field: "tokens", vectors: query.map((v) => Float32Array.from(v)) }, filter: { year: 2003 } }), plain(query, ({ year }) => year === 2003));
  const parts = await c.search({ multi: { field: "page.parts", vectors: [[1, 0.5]] }, topK: 3 });
  const want = records.filter(({ page }) => page).map(({ id, page }) => ({ id, score: maxsim([[1, 0.5]], page.parts, (v) => v) })).sort((a, b) => b.score - a.score || a.id - b.id);
  assert.deepEqual(parts.map(({ id, score }) => ({ id, score })), want.slice(0, 3), "halves hold eighths exactly");
  const fused = await c.search({ vector: [0, 0], text: "tea", multi: { field: "tokens", vectors: query, weight: 2 }, weights: { text: 0 }, topK: 20 });
  const scores = new Map(plain(query).map(({ id, score }) => [id, score]));
  for (const hit of fused) assert.ok(!("tokens" in hit.scores) || Math.abs(hit.scores.tokens - scores.get(hit.id)) < 1e-5);
  assert.ok(fused.some((hit) => "tokens" in hit.scores && "vector" in hit.scores));
});

both("several vectors order the hits of other legs anew", async (c) => {
  const query = vectors(2, DIMENSIONS);
  const near = (await c.search({ vector: [3, 3], topK: 20 })).map(({ id }) => id);
  const hits = await c.search({ vector: [3, 3], topK: 5, rerank: { multi: { field: "tokens", vectors: query }, candidates: 20 } });
  agree(hits, plain(query, ({ id }) => near.includes(id)));
  assert.equal(hits.length, 5);
  for (const { score, scores, distance } of hits) {
    assert.equal(scores.tokens, score);
    assert.ok(Math.abs(scores.vector - 1 / (1 + distance)) < 1e-6);
  }
  const texts = await c.search({ text: "tea", topK: 5, rerank: { multi: { field: "tokens", vectors: query } }, groupBy: "year" });
  assert.equal(new Set(texts.map(({ metadata }) => metadata.year)).size, texts.length);
  const explained = await c.explain({ vector: [3, 3], topK: 5, rerank: { multi: { field: "tokens", vectors: query }, candidates: 20 } });
  assert.equal(explained.rerank.field, "tokens");
  assert.equal(explained.rerank.candidates, 20);
  assert.equal((await c.explain({ multi: { field: "tokens", vectors: query } })).legs[0].records, 48);
  const [[first], [second]] = await c.searchMany([{ multi: { field: "tokens", vectors: query }, topK: 1 }, { vector: [0, 0], topK: 1 }]);
  assert.equal(first.id, plain(query)[0].id);
  assert.equal(second.id, 0);
});

both("records come in order of a value", async (c) => {
  const order = (records, of) => [...records].sort((a, b) => of(a) - of(b) || a.id - b.id).map(({ id }) => id);
  const found = async (query) => (await c.search({ topK: 60, ...query })).map(({ id }) => id);
  assert.deepEqual(await found({ orderBy: "year" }), order(records, ({ year }) => year));
  assert.deepEqual(await found({ orderBy: { path: "year", direction: "desc" }, filter: { title: "tea" }, topK: 7 }), order(records.filter(({ title }) => title === "tea"), ({ year }) => -year).slice(0, 7));
  assert.deepEqual(await found({ orderBy: "nothing.there", topK: 3 }), [0, 1, 2]);
  const hits = await c.search({ orderBy: "year", facets: ["title"], topK: 1 });
  assert.deepEqual(hits.facets.title.values, [{ value: "coffee", count: 40 }, { value: "tea", count: 20 }]);
  assert.equal(hits[0].score, 0);
  assert.ok(Number.isNaN(hits[0].distance));
  assert.equal((await c.explain({ orderBy: "year" })).orderBy.path, "year");
  await assert.rejects(c.search({ orderBy: "year", vector: [0, 0] }), { code: "OMEN_ERR_INVALID", message: /leave one out/ });
  await assert.rejects(c.search({ orderBy: { path: "year", way: "up" } }), { code: "OMEN_ERR_INVALID", message: /path and direction/ });
});

both("schemas, updates and what is refused", async (c, db) => {
  assert.deepEqual(c.schema.multi, [
    { name: "tokens", dimensions: 4, metric: "cosine", type: "f32" },
    { name: "page.parts", dimensions: 2, metric: "ip", type: "f16" },
  ]);
  await c.update([{ id: 1, tokens: null }, { id: 2, tokens: [[0, 0, 0, 1]] }]);
  const [best] = await c.search({ multi: { field: "tokens", vectors: [[0, 0, 0, 9]] }, topK: 60 });
  assert.equal(best.score, 1);
  assert.ok(!(await c.search({ multi: { field: "tokens", vectors: [[0, 0, 0, 9]] }, topK: 60 })).some(({ id }) => id === 1));
  const refused = (call, code, message) => assert.rejects(call, { code, message });
  await refused(c.upsert([{ id: 99, vector: [0, 0], tokens: [[1, 2, 3]] }]), "OMEN_ERR_DIMENSION", /multi field "tokens" of record 99: vector 0 has 3 numbers/);
  await refused(c.upsert([{ id: 99, vector: [0, 0], tokens: [[0, 0, 0, 0]] }]), "OMEN_ERR_ZERO_VECTOR", /vector 0 has no direction/);
  await refused(c.upsert([{ id: 99, vector: [0, 0], tokens: [Float32Array.of(1, NaN, 0, 0)] }]), "OMEN_ERR_INVALID", /no number at dimension 1/);
  await refused(c.upsert({ ids: [99], vectors: Float32Array.of(0, 0), documents: [{ page: { parts: [new Float32Array(3)] } }] }), "OMEN_ERR_DIMENSION", /page\.parts/);
  await refused(c.search({ multi: { field: "tokens", vectors: [[1, 2]] } }), "OMEN_ERR_DIMENSION", /vector 0 has 2 numbers/);
  await refused(c.search({ multi: { field: "tokens", vectors: [[1, Infinity, 0, 0]] } }), "OMEN_ERR_NOT_FINITE", /vector 0 has Infinity at dimension 1/);
  await refused(c.search({ multi: { vectors: [[1, 0, 0, 0]] } }), "OMEN_ERR_INVALID", /no multi field/);
  await refused(c.search({ multi: { field: "tokens", vectors: [[1, 0, 0, 0]], k: 3 } }), "OMEN_ERR_INVALID", /no option "k"/);
  await refused(c.search({ multi: { field: "tokens", vectors: [1, 0, 0, 0] } }), "OMEN_ERR_INVALID", /vector 0 is no array/);
  await refused(c.search({ vector: [0, 0], topK: 9, rerank: { multi: { field: "tokens", vectors: [[1, 0, 0, 0]] }, candidates: 3 } }), "OMEN_ERR_INVALID", /candidates/);
  await refused(c.search({ vector: [0, 0], rerank: { multi: { field: "tokens", vectors: [[1, 0, 0, 0]] }, by: () => [] } }), "OMEN_ERR_INVALID", /no option "by"/);
  await refused(c.search({ vector: [0, 0], rerank: { multi: { field: "tokens", vectors: [[1, 0, 0, 0]], weight: 2 } } }), "OMEN_ERR_INVALID", /no option "weight"/);
  await refused(db.collection("x", { multi: [{ name: "tokens" }] }), "OMEN_ERR_INVALID", /multi must be an object/);
  await refused(db.collection("x", { multi: { tokens: { dimensions: 0 } } }), "OMEN_ERR_INVALID", /dimensions of multi field "tokens" is 0/);
  await refused(db.collection("x", { multi: { tokens: { dimensions: 2, metric: "l2" } } }), "OMEN_ERR_INVALID", /"cosine" or "ip"/);
  await refused(db.collection("x", { multi: { tokens: { dimensions: 2, type: "i8" } } }), "OMEN_ERR_INVALID", /"f32" or "f16"/);
  await refused(db.collection("x", { multi: { tokens: { dimensions: 2, lists: 3 } } }), "OMEN_ERR_INVALID", /no option "lists"/);
  await refused(db.collection("notes", { ...schema, multi: {} }), "OMEN_ERR_SCHEMA", /other multi fields/);
  await db.compact();
  await db.check();
});
