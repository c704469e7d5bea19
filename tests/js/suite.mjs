// What every engine and storage must do, as tests: run by api.test.mjs for each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { random, vector } from "./random.mjs";

const collect = async (iterator) => {
  const all = [];
  for await (const item of iterator) all.push(item);
  return all;
};

/** Exact search as it is defined, in doubles. */
function nearest(records, query, metric) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const distance = (v) => {
    if (metric === "l2") return Math.sqrt(v.reduce((sum, x, i) => sum + (x - query[i]) ** 2, 0));
    if (metric === "ip") return -dot(v, query);
    return 1 - dot(v, query) / Math.sqrt(dot(v, v) * dot(query, query));
  };
  return [...records].map(([id, v]) => ({ id, distance: distance(v) })).sort((a, b) => a.distance - b.distance);
}

/** @param options answers the options of `open` for a test: { storage, … }, the same place each time it is called for one test */
export function suite(label, makeOptions) {
  const it = (name, body) =>
    test(`${label}: ${name}`, async (t) => {
      const options = await makeOptions(t);
      const opened = [];
      const start = async (more = {}) => {
        const db = await open(options.name, { ...options.options, ...more });
        opened.push(db);
        return db;
      };
      try {
        await body(start, t);
      } finally {
        for (const db of opened) await db.close();
      }
    });

  it("records go in, are found, changed, deleted, and are there again after closing", async (start) => {
    let db = await start();
    assert.match(db.id, /^[0-9a-f]{32}$/);
    let notes = await db.collection("notes", { vector: { dimensions: 3, metric: "l2" }, text: ["title"] });
    assert.equal(await notes.upsert([
      { id: "a", vector: [1, 0, 0], title: "Ä title", year: 2024, tags: ["x", "ÿ"] },
      { id: "b", vector: new Float32Array([0, 1, 0]) },
      { id: 7, vector: new Float64Array([0, 0, 1]), nested: { deep: [1, { x: null }] } },
    ]), 3);
    assert.equal(await notes.count(), 3);
    const [hit] = await notes.search({ vector: [1, 0, 0], topK: 1 });
    assert.deepEqual(hit, { id: "a", distance: 0, score: 1, metadata: { title: "Ä title", year: 2024, tags: ["x", "ÿ"] } });
    assert.deepEqual(await notes.get(7, { include: ["metadata", "vector"] }), { id: 7, nested: { deep: [1, { x: null }] }, vector: new Float32Array([0, 0, 1]) });
    assert.deepEqual(await notes.get(["b", "nobody", 7n]), [{ id: "b" }, undefined, { id: 7, nested: { deep: [1, { x: null }] } }]);
    await notes.upsert([{ id: "b", vector: [0, 2, 0], changed: true }]);
    await notes.update([{ id: "a", year: null, pages: 12 }]);
    await notes.update([{ id: 7, vector: [0, 0, 5] }]);
    assert.equal(await notes.delete(["nobody", "b"]), 1);
    assert.equal(await notes.delete("b"), 0);
    const check = async () => {
      assert.equal(await notes.count(), 2);
      assert.deepEqual(await notes.get(["a", "b"], { include: ["metadata", "vector"] }), [
        { id: "a", title: "Ä title", tags: ["x", "ÿ"], pages: 12, vector: new Float32Array([1, 0, 0]) },
        undefined,
      ]);
      assert.deepEqual((await notes.get(7, { include: ["vector"] })), { id: 7, vector: new Float32Array([0, 0, 5]) });
    };
    await check();
    await db.close();
    await db.close();
    db = await start({ create: false });
    assert.deepEqual(await db.collections(), [{ name: "notes", schema: { vectors: [{ name: "vector", dimensions: 3, metric: "l2", type: "f32", index: { kind: "auto" } }], text: ["title"] } }]);
    notes = await db.collection("notes");
    await check();
    await db.flush();
    await check();
    await db.compact();
    await check();
    await db.check();
  });

  for (const metric of ["l2", "ip", "cosine"]) {
    it(`search by ${metric} finds what exact search by definition finds, in memory and in segments`, async (start, t) => {
      const next = random(t);
      const db = await start();
      const c = await db.collection("c", { vector: { dimensions: 20, metric } });
      const truth = new Map();
      for (let batch = 0; batch < 4; batch++) {
        const records = Array.from({ length: 100 }, () => ({ id: next(300), vector: vector(next, 20), batch }));
        const unique = [...new Map(records.map((r) => [r.id, r])).values()];
        await c.upsert(unique);
        for (const { id, vector: v } of unique) truth.set(id, v);
        const gone = [next(300), next(300)];
        await c.delete(gone);
        for (const id of gone) truth.delete(id);
        if (batch === 1) await db.flush();
        if (batch === 2) await db.compact();
      }
      for (let q = 0; q < 5; q++) {
        const query = vector(next, 20);
        const hits = await c.search({ vector: query, topK: 12, include: ["vector"] });
        const expected = nearest(truth, query, metric).slice(0, 12);
        assert.equal(hits.length, 12);
        hits.forEach((hit, i) => {
          assert.ok(Math.abs(hit.distance - expected[i].distance) < 1e-4, `rank ${i}`);
          assert.deepEqual(hit.vector, truth.get(hit.id));
          assert.deepEqual(hit.metadata, {});
          const score = metric === "l2" ? 1 / (1 + hit.distance) : metric === "ip" ? -hit.distance : 1 - hit.distance;
          assert.ok(Math.abs(hit.score - score) < 1e-5);
          assert.ok(i === 0 || hits[i - 1].distance <= hit.distance);
        });
      }
      assert.equal((await c.search({ vector: vector(next, 20), topK: 100_000 })).length, truth.size, "k beyond the count is fine");
      assert.equal(await c.count(), truth.size);
      await db.check();
    });
  }

  it("ties are broken by id: integers by value, then strings by bytes", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
    const ids = [-5, 2, 10, 2n ** 60n, "B", "a", "é"];
    await c.upsert(ids.toReversed?.().map((id) => ({ id, vector: [1, 1] })) ?? [...ids].reverse().map((id) => ({ id, vector: [1, 1] })));
    assert.deepEqual((await c.search({ vector: [0, 0] })).map(({ id }) => id), ids);
    assert.deepEqual((await collect(c.scroll())).map(({ id }) => id), ids);
    assert.deepEqual((await c.get(["7", 2])).map((r) => r?.id), [undefined, 2], '7 and "7" are two ids');
  });

  it("columns go in as records do", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 2, metric: "ip" } });
    assert.equal(await c.upsert({ ids: [1, "x"], vectors: new Float32Array([1, 2, 3, 4]), documents: ['{"a": 1}', undefined] }), 2);
    assert.equal(await c.insert({ ids: new BigInt64Array([5n]), vectors: { vector: new Float32Array([5, 6]) }, documents: [{ b: "ß" }] }), 1);
    await c.update({ ids: ["x"], documents: [{ later: true }] });
    assert.deepEqual(await c.get([1, "x", 5], { include: ["metadata", "vector"] }), [
      { id: 1, a: 1, vector: new Float32Array([1, 2]) },
      { id: "x", later: true, vector: new Float32Array([3, 4]) },
      { id: 5, b: "ß", vector: new Float32Array([5, 6]) },
    ]);
  });

  it("several vector fields, and none", async (start) => {
    const db = await start();
    const c = await db.collection("two", { vectors: { title: { dimensions: 2, metric: "l2" }, body: { dimensions: 3, metric: "cosine" } } });
    await c.upsert([{ id: 1, title: [0, 0], body: [1, 0, 0], note: "n" }, { id: 2, title: [9, 9], body: [0, 1, 0] }]);
    assert.deepEqual((await c.search({ field: "title", vector: [8, 8] })).map((hit) => hit.id), [2, 1]);
    assert.deepEqual((await c.search({ field: "body", vector: [1, 0, 0] })).map((hit) => hit.id), [1, 2]);
    await assert.rejects(c.search({ vector: [0, 0] }), { code: "OMEN_ERR_INVALID", message: /field must be one of "title", "body"/ });
    await c.update([{ id: 1, body: [0, 0, 1] }]);
    assert.deepEqual(await c.get(1, { include: ["vector", "metadata"] }), { id: 1, note: "n", title: new Float32Array([0, 0]), body: new Float32Array([0, 0, 1]) });
    const plain = await db.collection("plain", { text: ["body"] });
    await plain.upsert([{ id: 1, body: "only text" }]);
    assert.deepEqual(await plain.get(1), { id: 1, body: "only text" });
    await assert.rejects(plain.search({ vector: [1] }), { code: "OMEN_ERR_INVALID" });
  });

  it("scrolling meets every record that is there throughout exactly once, whatever is written meanwhile", async (start, t) => {
    const next = random(t);
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
    await c.upsert(Array.from({ length: 500 }, (_, i) => ({ id: i * 2, vector: [i, 1], steady: true })));
    const seen = [];
    let round = 0;
    for await (const record of c.scroll({ batch: 37 })) {
      seen.push(record.id);
      if (seen.length % 50 === 0) {
        await c.upsert([{ id: next(500) * 2 + 1, vector: [0, 0] }]);
        if (++round === 3) await db.flush();
        if (round === 6) await db.compact();
      }
    }
    assert.deepEqual(seen.filter((id) => id % 2 === 0), Array.from({ length: 500 }, (_, i) => i * 2));
    assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
    assert.equal(new Set(seen).size, seen.length);
    assert.deepEqual((await collect(c.scroll({ after: 990, include: [] }))).filter(({ id }) => id % 2 === 0), [{ id: 992 }, { id: 994 }, { id: 996 }, { id: 998 }]);
    // One page is one snapshot: its records were read together.
    await c.delete(Array.from({ length: 500 }, (_, i) => i * 2));
    assert.deepEqual((await collect(c.scroll())).filter((r) => r.steady), []);
  });

  it("writes in flight together happen in their order", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 1, metric: "l2" } });
    const writes = [];
    for (let i = 0; i < 40; i++) {
      writes.push(c.upsert([{ id: "same", vector: [i], i }]));
      if (i % 5 === 4) writes.push(c.update([{ id: "same", seen: i }]));
      if (i % 10 === 9) writes.push(c.delete(["same"]));
    }
    writes.push(c.insert([{ id: "same", vector: [100], last: true }]));
    await Promise.all(writes);
    assert.deepEqual(await c.get("same"), { id: "same", last: true });
    assert.equal(await c.count(), 1);
  });

  it("more than a memtable holds is flushed and merged by itself", async (start, t) => {
    const next = random(t);
    const db = await start({ memtableBytes: "256KiB" });
    const c = await db.collection("c", { vector: { dimensions: 32, metric: "l2" } });
    const rows = vector(next, 32 * 500);
    for (let batch = 0; batch < 20; batch++) {
      await c.upsert({ ids: Array.from({ length: 500 }, (_, i) => batch * 250 + i), vectors: rows, documents: Array.from({ length: 500 }, (_, i) => ({ batch, i })) });
    }
    assert.equal(await c.count(), 19 * 250 + 500);
    assert.deepEqual(await c.get(19 * 250 + 3), { id: 19 * 250 + 3, batch: 19, i: 3 });
    assert.deepEqual(await c.get(2), { id: 2, batch: 0, i: 2 });
    assert.equal((await collect(c.scroll({ include: [] }))).length, 19 * 250 + 500);
    await db.check();
    await db.flush();
    const { ok, damage, lost, checked } = await db.checkReport();
    assert.deepEqual({ ok, damage, records: lost.records }, { ok: true, damage: [], records: 0 });
    assert.ok(checked.segments > 0 && checked.rows >= 19 * 250 + 500);
  });

  it("many searches at once answer what each answers alone", async (start, t) => {
    const next = random(t);
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 8, metric: "cosine" }, text: ["title"] });
    const words = ["red", "green", "blue", "old"];
    const records = Array.from({ length: 300 }, (_, i) => ({ id: i % 3 === 0 ? `id ${i}` : i, vector: vector(next, 8), title: `${words[i % 4]} ${words[(i * 7) % 3]}`, n: i }));
    await c.upsert(records);
    await db.flush();
    await c.upsert(records.slice(0, 50).map((record) => ({ ...record, vector: vector(next, 8) })));
    const kinds = [
      () => ({ vector: vector(next, 8), topK: 5 }),
      () => ({ vector: vector(next, 8), topK: 3, include: ["metadata", "vector"], exact: true }),
      () => ({ vector: vector(next, 8), filter: { n: { $lt: 40 } }, topK: 4 }),
      () => ({ text: "red blue", topK: 6, highlight: true }),
      () => ({ vector: vector(next, 8), text: "green", facets: { n: { limit: 2 } }, topK: 4 }),
      () => ({ vector: vector(next, 8), topK: 2, rerank: (hits) => hits.map((hit) => hit.metadata.n) }),
      () => ({ vector: vector(next, 8), topK: 2, signal: AbortSignal.timeout(600000) }),
    ];
    for (const count of [0, 1, 7, 150]) {
      const queries = Array.from({ length: count }, (_, i) => kinds[i % kinds.length]());
      const many = await c.searchMany(queries);
      assert.equal(many.length, count);
      for (const [i, hits] of many.entries()) {
        const alone = await c.search(queries[i]);
        assert.deepEqual(hits, alone, `query ${i} of ${count}`);
        assert.deepEqual(hits.facets, alone.facets);
      }
    }
  });

  it("of many searches the first that fails is told, with its number", async (start, t) => {
    const next = random(t);
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 8, metric: "cosine" } });
    await c.upsert([{ id: 1, vector: vector(next, 8) }]);
    const good = () => ({ vector: vector(next, 8), topK: 1 });
    const many = (bad) => Array.from({ length: 150 }, (_, i) => bad[i] ?? good());
    const zero = { vector: new Float32Array(8) };
    const fails = (queries, code, message) => assert.rejects(c.searchMany(queries), (error) => error.code === code && message.test(error.message) || assert.fail(String(error)));
    await fails(many({ 20: { vector: [1, 2], topK: 1 }, 90: { topK: 0, vector: vector(next, 8) } }), "OMEN_ERR_DIMENSION", /query 20: /);
    await fails(many({ 3: { ...good(), rows: 1 } }), "OMEN_ERR_INVALID", /query 3: .*"rows"/);
    for (const at of [0, 70, 149]) await fails(many({ [at]: { ...good(), filter: "n >" } }), "OMEN_ERR_INVALID", new RegExp(`query ${at}: `));
    await fails(many({ 100: { ...good(), filter: "n >" }, 40: zero, 140: zero }), "OMEN_ERR_ZERO_VECTOR", /query 40: /);
    await fails(many({ 130: { ...good(), rerank: () => [] } }), "OMEN_ERR_INVALID", /query 130: rerank/);
    const own = new RangeError("slow");
    const slow = () => new Promise((_, refuse) => setTimeout(() => refuse(own), 20));
    await assert.rejects(c.searchMany(many({ 120: { ...good(), rerank: slow }, 130: { ...good(), rerank: () => [] } })), (error) => error === own);
    await fails(many({ 110: { ...good(), signal: AbortSignal.abort() } }), "OMEN_ERR_CANCELLED", /./);
    await fails("text", "OMEN_ERR_INVALID", /array/);
    assert.equal((await c.searchMany(many({}))).length, 150);
  });

  it("reports: metrics, Prometheus text, stats", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
    await c.upsert([{ id: 1, vector: [1, 2] }]);
    await c.search({ vector: [1, 2] });
    const json = await db.metrics();
    assert.match(JSON.stringify(json), /omendb_engine_queries_total/);
    const text = await db.metrics({ format: "prometheus", labels: { region: "eu" } });
    assert.match(text, /^# TYPE omendb_engine_queries_total counter$/m);
    assert.match(text, /^omendb_engine_queries_total\{(?=[^}]*region="eu")(?=[^}]*kind="search")[^}]*\} 1$/m);
    await db.resetMetrics();
    assert.match(await db.metrics({ format: "prometheus" }), /^omendb_engine_queries_total\{[^}]*kind="search"[^}]*\} 0$/m);
    assert.match(JSON.stringify(await db.stats()), /"c"/);
    assert.equal(await db.maintain(), false);
    await db.sync();
  });

  it("a second writer is refused, a reader is not; a reader cannot write", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 1, metric: "l2" } });
    await c.upsert([{ id: 1, vector: [1] }]);
    await db.sync();
    await assert.rejects(start(), { code: "OMEN_ERR_BUSY" });
    await db.close();
    const reader = await start({ readOnly: true });
    const same = await reader.collection("c");
    assert.equal(await same.count(), 1);
    await assert.rejects(same.upsert([{ id: 2, vector: [1] }]), { code: "OMEN_ERR_READ_ONLY" });
    await assert.rejects(reader.collection("new", {}), { code: "OMEN_ERR_READ_ONLY" });
    await reader.close();
  });

  it("dropped collections are gone, closed databases answer so", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 1, metric: "l2" } });
    await c.upsert([{ id: 1, vector: [1] }]);
    await db.drop("c");
    await assert.rejects(db.drop("c"), { code: "OMEN_ERR_NOT_FOUND" });
    await assert.rejects(db.collection("c"), { code: "OMEN_ERR_NOT_FOUND" });
    await assert.rejects(c.upsert([{ id: 2, vector: [1] }]), { code: "OMEN_ERR_CLOSED" });
    const again = await db.collection("c", { vector: { dimensions: 2, metric: "ip" } });
    assert.equal(await again.count(), 0);
    await again.close();
    await assert.rejects(again.count(), { code: "OMEN_ERR_CLOSED" });
    await db.close();
    await assert.rejects(db.flush(), { code: "OMEN_ERR_CLOSED" });
    await assert.rejects(again.upsert([{ id: 1, vector: [1, 1] }]), { code: "OMEN_ERR_CLOSED" });
  });

  it("a signal cancels, before and during a call", async (start) => {
    const db = await start();
    const c = await db.collection("c", { vector: { dimensions: 1, metric: "l2" } });
    await assert.rejects(c.count({ signal: AbortSignal.abort() }), { code: "OMEN_ERR_CANCELLED" });
    const aborter = new AbortController();
    const writes = Array.from({ length: 20 }, (_, i) => c.upsert([{ id: i, vector: [i] }], { signal: aborter.signal }));
    const kept = c.upsert([{ id: "kept", vector: [1] }]);
    aborter.abort();
    for (const { status, reason } of await Promise.allSettled(writes)) assert.ok(status === "fulfilled" || reason.code === "OMEN_ERR_CANCELLED", String(reason));
    await kept;
    assert.deepEqual(await c.get("kept"), { id: "kept" });
    await c.upsert([{ id: "after", vector: [1] }]);
    await db.close();
  });
}
