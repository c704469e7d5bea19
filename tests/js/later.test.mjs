// The second part of the module in WebAssembly (wasm/later.txt): loaded when it is first needed, once, and by nothing that a page of vectors does at once. Without it
// searches and writes go on, and what needs it says so.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hasRelaxedSimd } from "../../js/dist/engine/probe.js";
import { WasmEngine } from "../../js/dist/engine/wasm.js";
import { adapterOf, connectLocally, createOpen } from "../../js/dist/open.js";
import { memory } from "../../js/dist/storage/memory.js";

const bytes = (name) => readFileSync(new URL(`../../js/dist/${name}`, import.meta.url));
const compiled = (name) => new WebAssembly.Module(bytes(name));
const noRelaxed = hasRelaxedSimd() ? false : "this runtime has no relaxed SIMD";
const builds = [["plain", compiled("omendb.wasm"), compiled("omendb-later.wasm"), false]];
builds.push(noRelaxed ? ["relaxed", undefined, undefined, noRelaxed] : ["relaxed", compiled("omendb-relaxed.wasm"), compiled("omendb-relaxed-later.wasm"), false]);

/** `open` over one build whose second part comes from `later`, a function; `asked` counts. */
function platformOf(first, later) {
  const storage = memory();
  const platform = {
    name: "this test",
    asked: 0,
    served: "later.wasm",
    defaultStorage: () => "memory",
    storages: { memory: () => storage },
    readText: async () => "{}",
    languages: {
      packaged: undefined,
      later: () => {
        platform.asked++;
        return new URL(platform.served, "https://example.org/");
      },
      compile: async () => platform.source(),
    },
    source: later,
    connect: async (request) => connectLocally(async (options) => new WasmEngine(first, options), await adapterOf(platform, request.storage), request),
  };
  platform.open = createOpen(platform);
  return platform;
}

const vector = (i) => [Math.cos(i), Math.sin(i), Math.cos(2 * i), Math.sin(2 * i)];
const records = (from, to) => Array.from({ length: to - from }, (_, i) => ({ id: from + i, vector: vector(from + i), year: 2000 + ((from + i) % 10), title: `Record ${from + i}` }));
const schema = { vector: { dimensions: 4, metric: "l2" } };
const nearest = async (c, i) => (await c.search({ vector: vector(i), topK: 1 }))[0].id;

for (const [name, first, later, skip] of builds) {
  test(`${name}: opening, writing, reading and searching need the first part alone; flushing loads the second, once`, { skip }, async () => {
    const p = platformOf(first, async () => later);
    let db = await p.open("db");
    let c = await db.collection("c", schema);
    await c.upsert(records(0, 500));
    await c.upsert([{ id: "a", vector: vector(1000), year: 1999 }]);
    await c.delete(["a", 7]);
    assert.equal(await nearest(c, 8), 8);
    assert.equal((await c.search({ vector: vector(8), topK: 5, filter: { year: { $gte: 2005 } } })).length, 5);
    assert.equal((await c.search({ vector: vector(8), topK: 5, filter: "year < 2003" })).length, 5);
    assert.equal(await c.count({ filter: { year: 2003 } }), 50);
    assert.equal((await c.get(3)).title, "Record 3");
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0)); // maintenance has looked
    await db.close();
    db = await p.open("db", { create: false });
    c = await db.collection("c");
    assert.equal(await c.count(), 499);
    assert.equal(await nearest(c, 9), 9);
    assert.equal(p.asked, 0);
    await Promise.all([db.flush(), c.search({ vector: vector(3), topK: 3, facets: ["year"] }), db.stats()]);
    await db.check();
    assert.equal(p.asked, 1);
    assert.equal((await db.stats()).collections[0].segments.length, 1);
    assert.equal(await nearest(c, 9), 9);
    await db.close();

    // What a segment holds is read without it.
    const reopened = await p.open("db", { create: false });
    const again = await reopened.collection("c");
    assert.equal(await nearest(again, 9), 9);
    assert.equal((await again.get(3)).title, "Record 3");
    assert.equal((await again.search({ vector: vector(8), topK: 5, filter: { year: { $gte: 2005 } } })).length, 5);
    assert.equal(p.asked, 1);
    await reopened.close();
  });

  test(`${name}: whatever a collection of vectors is first asked for is answered or refused, and the engine goes on`, { skip }, async () => {
    const near = { vector: vector(3), topK: 3 };
    const multi = { field: "tokens", vectors: [vector(1)] };
    const queries = [
      { text: "horses" }, { ...near, text: "horses" }, { text: { query: "horses", fields: ["title"] } }, { sparse: { field: "terms", indices: [3], values: [1] } }, { multi }, { ...near, rerank: multi },
      { recommend: { positive: [1] } }, { ...near, highlight: true }, { ...near, facets: ["year"] }, { ...near, groupBy: "year" }, { ...near, mmr: { lambda: 0.5 } }, { orderBy: "year" },
      { ...near, fusion: "rrf" }, { ...near, maxDistance: 0.1 }, { ...near, minScore: 0.9 }, { ...near, plan: "scan" }, { ...near, deadlineMs: 1000 }, { ...near, exact: true }, { ...near, ef: 10 },
      { vectors: [{ field: "vector", vector: vector(3) }, { field: "other", vector: vector(3) }] }, {},
    ];
    const asks = queries.flatMap((query) => [(c) => c.search(query), (c) => c.searchMany([near, query]), (c) => c.explain(query)]);
    asks.push((c) => c.expire(), (c) => c.update({ filter: "year > 2003", set: { a: 1 } }), (c) => c.delete({ filter: "year > 2003" }), (c) => c.setIndex({ kind: "ivf" }), (c) => c.purge([1]));
    for (const ask of asks) {
      const p = platformOf(first, async () => later);
      const db = await p.open("db");
      const c = await db.collection("c", schema);
      await c.upsert(records(0, 20));
      await ask(c).catch((error) => assert.notEqual(error.code, "OMEN_ERR_INTERNAL", `${ask} ${JSON.stringify(queries[Math.floor(asks.indexOf(ask) / 3)])}: ${error.message}`));
      assert.equal(await nearest(c, 2), 2);
      await db.close();
    }
  });

  test(`${name}: without the second part, what needs it says so, and all else goes on; nothing is lost`, { skip }, async () => {
    const p = platformOf(first, async () => {
      throw new Error("the server answered 404");
    });
    const db = await p.open("db", { memtableBytes: 65536 });
    const c = await db.collection("c", schema);
    const refused = { code: "OMEN_ERR_UNSUPPORTED", message: /the second part of the module is not loaded: it cannot be loaded from https:\/\/example\.org\/later\.wasm: the server answered 404; see to it that omendb-later\.wasm lies beside omendb\.wasm/ };
    await c.upsert(records(0, 100));
    await assert.rejects(db.flush(), refused);
    await assert.rejects(db.stats(), refused);
    await assert.rejects(db.check(), refused);
    await assert.rejects(c.search({ vector: vector(3), topK: 3, facets: ["year"] }), refused);
    await assert.rejects(db.collection("words", { text: ["title"] }), refused);
    assert.equal(await nearest(c, 8), 8);

    // Tables are frozen and wait; when no more may wait, writes are refused whole.
    let written = 100;
    await assert.rejects(async () => {
      for (; written < 100_000; written += 100) await c.upsert(records(written, written + 100));
    }, refused);
    assert.ok(written > 500, String(written));
    assert.equal(await c.count(), written);
    assert.equal(await nearest(c, written - 1), written - 1);

    // It can be had now: asked for again, everything catches up.
    p.source = async () => later;
    for (;;) {
      try {
        await db.flush();
        break;
      } catch (error) {
        assert.match(error.message, refused.message);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    await c.upsert(records(written, written + 100));
    assert.equal(await c.count(), written + 100);
    const words = await db.collection("words", { text: ["title"] });
    await words.upsert([{ id: 1, title: "running horses" }]);
    assert.equal((await words.search({ text: "horse" }))[0].id, 1);
    await db.check();
    await db.close();
  });

  test(`${name}: a collection with text that the log holds is opened with the second part, or not at all`, { skip }, async () => {
    const p = platformOf(first, async () => later);
    const db = await p.open("db");
    const words = await db.collection("words", { text: ["title"] });
    await words.upsert([{ id: 1, title: "running horses" }, { id: 2, title: "houses by the river" }]);
    await db.close();
    const asked = p.asked;
    const again = await p.open("db");
    assert.equal(p.asked, asked + 1);
    assert.equal((await (await again.collection("words")).search({ text: "horses" }))[0].id, 1);
    await again.close();
    p.served = "nowhere.wasm"; // what was compiled once is kept
    p.source = async () => {
      throw new Error("gone");
    };
    await assert.rejects(p.open("db"), { code: "OMEN_ERR_UNSUPPORTED", message: /the second part of the module is not loaded: .*gone/ });
  });
}

test("a second part of another build is refused", async () => {
  // The same, but for one digit of the build's hash in the name by which the memory is imported.
  const other = bytes("omendb-later.wasm");
  const at = other.indexOf("memory ") + "memory ".length;
  other[at] = other[at] === 0x30 ? 0x31 : 0x30;
  const p = platformOf(builds[0][1], async () => new WebAssembly.Module(other));
  const db = await p.open("db");
  await assert.rejects(db.flush(), { code: "OMEN_ERR_UNSUPPORTED", message: /what was loaded is not the second part of this build/ });
  await db.close();
});

test("the first part asks JavaScript alone, the second the first alone", () => {
  for (const [, first, later, absent] of builds) {
    if (absent) continue;
    assert.deepEqual([...new Set(WebAssembly.Module.imports(first).map(({ module }) => module))], ["omen_host"]);
    assert.deepEqual([...new Set(WebAssembly.Module.imports(later).map(({ module }) => module))], ["omendb"]);
    assert.deepEqual(WebAssembly.Module.exports(later), []);
  }
});
