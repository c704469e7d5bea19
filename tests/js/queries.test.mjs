// Queries of every kind, on both engines, in memory and in segments: what docs/QUERIES.md says, through JavaScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NativeEngine, loadNative } from "../../js/dist/engine/native.js";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random, vector } from "./random.mjs";

const native = await loadNative(process.env.OMENDB_NATIVE || undefined).catch((error) => error);
const noNative = native instanceof NativeEngine ? false : `no native engine: ${native.message}`;
if (!noNative) await native.close();

const invalid = (message) => ({ code: "OMEN_ERR_INVALID", message });
const ids = (hits) => hits.map(({ id }) => id);
const collect = async (iterator) => {
  const all = [];
  for await (const item of iterator) all.push(item);
  return all;
};

const schema = {
  vectors: { vector: { dimensions: 2, metric: "l2" }, photo: { dimensions: 3, metric: "cosine" } },
  text: [{ name: "title", weight: 2 }, "body"],
  sparse: ["terms"],
};
const books = [
  { id: "a", vector: [1, 0], photo: [1, 0, 0], title: "Green tea shop", body: "We sell résumé tea, and more tea.", lang: "en", year: 2020, at: "2024-01-01T00:00:00Z", tags: ["x", "y"], author: { name: "Ann" }, terms: { indices: [3, 7], values: [1, 0.5] } },
  { id: "b", vector: [0, 1], photo: [0, 1, 0], title: "Coffee house", body: "coffee and some tea", lang: "de", year: 2021, at: "2024-06-01T00:00:00Z", tags: ["x"], author: { name: "Bob" } },
  { id: 7, vector: [1, 1], photo: [1, 1, 0], title: "Books", body: "about shops 𝄞 of tea", lang: "en", year: 2022, price: 12.5, place: [13.4, 52.5], terms: { indices: [3], values: [2] } },
  { id: 9007199254740993n, vector: [5, 5], photo: [0, 0, 1], title: "Nothing", lang: "fr", year: null, big: 9007199254740993n },
];

/** Each test with each engine, with the records in memory and in a segment. */
function both(name, body) {
  for (const [label, engine, skip] of [["wasm", "wasm", false], ["native", "native", noNative]]) {
    for (const where of ["memory", "segment"]) {
      test(`${label}, in ${where}: ${name}`, { skip }, async (t) => {
        // The addon has a storage of its own, so it is given a folder that is none: "memory" is one of WebAssembly.
        const db = await open(engine === "wasm" ? "db" : await folder(t), engine === "wasm" ? { engine, storage: memory() } : { engine });
        try {
          const c = await db.collection("books", schema);
          await c.upsert({ ids: books.map(({ id }) => id), vectors: columns(), documents: books.map(document) });
          if (where === "segment") await db.flush();
          await body(c, db, t);
        } finally {
          await db.close();
        }
      });
    }
  }
}

async function folder(t) {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const root = await mkdtemp(join(tmpdir(), "omen-queries-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  return join(root, "db");
}

const columns = () => ({ vector: Float32Array.from(books.flatMap((b) => b.vector)), photo: Float32Array.from(books.flatMap((b) => b.photo)) });
/** The metadata as text, so that an integer beyond 2^53 is one. */
const document = ({ id: _, vector: _v, photo: _p, big, ...rest }) => {
  const text = JSON.stringify(rest);
  return big === undefined ? text : `${text.slice(0, -1)},"big":${big}}`;
};

both("filters select what is counted, scrolled and searched, as objects and as strings", async (c) => {
  const same = [
    [{ lang: "en" }, "lang = 'en'", ["a", 7]],
    [{ year: { $gte: 2020, $lt: 2022 } }, "year >= 2020 AND year < 2022", ["a", "b"]],
    [{ lang: { $in: ["de", "fr"] } }, "lang IN ('de', 'fr')", ["b", 9007199254740993n]],
    [{ "author.name": { $prefix: "A" } }, "author.name LIKE 'A%'", ["a"]],
    [{ tags: { $all: ["x", "y"] } }, "tags CONTAINS ALL ('x', 'y')", ["a"]],
    [{ tags: { $size: 1 } }, "SIZE(tags) = 1", ["b"]],
    [{ price: { $exists: false } }, "NOT EXISTS(price)", ["a", "b", 9007199254740993n]],
    [{ year: null }, "year IS NULL", [9007199254740993n]],
    [{ at: { $gt: new Date("2024-03-01") } }, "at > DATE '2024-03-01'", ["b"]],
    [{ at: { $gt: { $date: "2024-03-01" } } }, "at > DATE '2024-03-01T00:00:00Z'", ["b"]],
    [{ place: { $geoWithin: { $center: [[13.4, 52.52], 5000] } } }, "WITHIN(place, 13.4, 52.52, 5000)", [7]],
    [{ $or: [{ lang: "fr" }, { $not: { tags: { $exists: true } } }] }, "lang = 'fr' OR NOT EXISTS(tags)", [7, 9007199254740993n]],
    [{ big: 9007199254740993n }, "big = 9007199254740993", [9007199254740993n]],
    [{ big: { $in: [1n, 9007199254740992n] } }, "big IN (1, 9007199254740992)", []],
  ];
  for (const [object, text, expected] of same) {
    for (const filter of [object, text]) {
      const what = JSON.stringify(filter, (_, v) => (typeof v === "bigint" ? `${v}n` : v));
      assert.equal(await c.count({ filter }), expected.length, what);
      const found = ids(await c.search({ vector: [0, 0], field: "vector", filter }));
      assert.deepEqual(new Set(found), new Set(expected), what);
      const integers = expected.filter((id) => typeof id !== "string");
      const strings = expected.filter((id) => typeof id === "string");
      assert.deepEqual(ids(await collect(c.scroll({ filter, batch: 1 }))), [...integers, ...strings], `${what}, in the order of ids`);
    }
  }
  assert.equal(await c.count(), 4);
  assert.equal(await c.count({}), 4);
  assert.equal(await c.count({ filter: undefined }), 4);
});

both("what is no filter is refused, and says where", async (c) => {
  const refused = [
    [{ year: undefined }, /filter\.year is undefined/],
    [{ year: { $gte: NaN } }, /filter\.year\.\$gte is NaN/],
    [{ year: new Map() }, /filter\.year is a Map/],
    [{ year: () => 5 }, /filter\.year is a function/],
    [{ at: new Date(NaN) }, /filter\.at is an invalid Date/],
    ["", /filter is empty/],
    [" \n", /filter is empty/],
    [null, /filter is null/],
    [["lang"], /filter is an array/],
    [5, /filter is of type number/],
    [{ year: { $gtee: 5 } }, /\$gtee/],
    ["year >=", /column 8/],
  ];
  for (const [filter, message] of refused) {
    const error = invalid(message);
    await assert.rejects(c.count({ filter }), error);
    await assert.rejects(c.search({ vector: [0, 0], filter }), error);
    await assert.rejects(c.delete({ filter }), error);
    await assert.rejects(c.update({ filter, set: {} }), error);
    await assert.rejects(collect(c.scroll({ filter })), error);
  }
  const deep = {};
  deep.$and = [deep];
  await assert.rejects(c.count({ filter: deep }), invalid(/nested too deep/));
  await assert.rejects(c.delete({}), invalid(/filter is of type undefined/));
  await assert.rejects(c.update({ set: { a: 1 } }), invalid(/filter is of type undefined/));
  assert.equal(await c.count(), 4, "nothing was deleted");
});

both("records are deleted and changed by filter, all at once", async (c, db) => {
  assert.equal(await c.update({ filter: "lang = 'en'", set: { lang: "english", price: null, seen: { by: "me" } } }), 2);
  assert.equal((await c.get("a")).lang, "english");
  const seven = await c.get(7, { include: ["metadata", "vector"] });
  assert.deepEqual(seven.seen, { by: "me" });
  assert.ok(!("price" in seven));
  assert.deepEqual(seven.vector, new Float32Array([1, 1]));
  assert.equal(await c.update({ filter: { lang: "klingon" }, set: { a: 1 } }), 0);
  assert.equal(await c.delete({ filter: { lang: "english" } }), 2);
  assert.equal(await c.delete({ filter: { lang: "english" } }), 0);
  assert.deepEqual(ids(await collect(c.scroll())), [9007199254740993n, "b"]);
  await assert.rejects(c.update({ filter: "lang = 'de'", set: { id: 5 } }), invalid(/set holds "id"/));
  await assert.rejects(c.update({ filter: "lang = 'de'", set: { photo: [1, 2, 3] } }), invalid(/set holds "photo"/));
  await assert.rejects(c.update({ filter: "lang = 'de'", set: [1] }), invalid(/set must be an object/));
  await assert.rejects(c.update({ filter: "lang = 'de'" }), invalid(/set must be an object/));
  await assert.rejects(c.update({ filter: "lang = 'de'", sett: {}, set: {} }), invalid(/no option "sett"/));
  await assert.rejects(c.delete({ filter: "lang = 'de'", limit: 5 }), invalid(/no option "limit"/));
  const aborted = AbortSignal.abort();
  await assert.rejects(c.delete({ filter: "lang = 'de'", signal: aborted }), { code: "OMEN_ERR_CANCELLED" });
  await assert.rejects(c.delete({ filter: "lang = 'de'" }, { signal: aborted }), { code: "OMEN_ERR_CANCELLED" });
  await db.check();
});

both("words are found in the fields, weighted, with typos and as beginnings, and shown", async (c) => {
  const hits = await c.search({ text: "tea", highlight: true });
  assert.equal(hits[0].id, "a", "in the title, which counts twice");
  assert.deepEqual(new Set(ids(hits)), new Set(["a", "b", 7]));
  for (const hit of hits) {
    assert.ok(hit.score > 0);
    assert.ok(Number.isNaN(hit.distance));
    assert.ok(!("scores" in hit) && !("group" in hit) && !("vector" in hit));
  }
  const marked = (fragment) => fragment.marks.map(([from, to]) => fragment.text.slice(from, to));
  assert.deepEqual(hits[0].highlights.title.map(marked), [["tea"]]);
  assert.deepEqual(hits[0].highlights.body.map(marked), [["tea", "tea"]], "behind letters of several bytes");
  const seven = hits.find(({ id }) => id === 7);
  assert.deepEqual(seven.highlights.body.map(marked), [["tea"]], "behind a character of two units");

  assert.deepEqual(ids(await c.search({ text: { query: "tea coffee", operator: "and" } })), ["b"]);
  assert.deepEqual(ids(await c.search({ text: { query: "tea", fields: ["title"] } })), ["a"]);
  assert.equal((await c.search({ text: { query: "tea", fields: { title: 0, body: 3 } } })).length, 3);
  assert.deepEqual(ids(await c.search({ text: "cofee" })), []);
  assert.deepEqual(ids(await c.search({ text: { query: "cofee", typos: true } })), ["b"]);
  assert.deepEqual(ids(await c.search({ text: { query: "coff", prefix: true, typos: false } })), ["b"]);
  assert.deepEqual(ids(await c.search({ text: '"green tea"' })), ["a"]);
  assert.deepEqual(new Set(ids(await c.search({ text: "tea -coffee" }))), new Set(["a", 7]));
  assert.deepEqual(ids(await c.search({ text: "tea", filter: { lang: "de" } })), ["b"]);
  assert.deepEqual(ids(await c.search({ text: "résumé" })), ids(await c.search({ text: "resume" })));
  assert.deepEqual(await c.search({ text: "nowhere", highlight: true }), []);
  const short = await c.search({ text: "tea", highlight: { fields: ["body"], length: 12, fragments: 1, pre: "<b>", post: "</b>" } });
  const { title, body } = short[0].highlights;
  assert.equal(title, undefined);
  assert.equal(body.length, 1);
  assert.match(body[0].text, /<b>tea<\/b>/);

  await assert.rejects(c.search({ text: 5 }), invalid(/text/));
  await assert.rejects(c.search({ text: { query: "tea", typo: false } }), invalid(/typo/));
  await assert.rejects(c.search({ text: { query: "tea", fields: ["lang"] } }), { code: "OMEN_ERR_INVALID" });
});

both("several legs make one ranking, and each hit says what each gave it", async (c) => {
  const query = { vector: [1, 0.2], field: "vector", text: "tea", sparse: { indices: new Uint32Array([3]), values: new Float32Array([1]) } };
  const hits = await c.search(query);
  assert.equal(hits[0].id, "a");
  assert.ok(hits[0].scores.text > 0);
  assert.ok(Math.abs(hits[0].scores.vector - 1 / (1 + hits[0].distance)) < 1e-6);
  assert.equal(hits[0].scores.terms, 1);
  const last = hits.find(({ id }) => id === 9007199254740993n);
  assert.deepEqual(Object.keys(last.scores), ["vector"], "without the legs that did not list it");
  const rrf = await c.search({ ...query, fusion: "rrf", rrfK: 10 });
  const rank = (hit, leg) => 1 + rrf.filter(({ scores }) => scores[leg] > hit.scores[leg]).length;
  for (const hit of rrf) {
    let sum = 0;
    for (const leg of Object.keys(hit.scores)) sum += 1 / (10 + rank(hit, leg));
    assert.ok(Math.abs(hit.score - sum) < 1e-6, `reciprocal ranks of ${hit.id}: ${hit.score}, ${sum}`);
  }
  const vectors = await c.search({ ...query, alpha: 1 });
  assert.deepEqual(ids(vectors).slice(0, 3), ids(await c.search({ vector: [1, 0.2], field: "vector", topK: 3 })), "alpha 1 is the vector alone");
  const two = await c.search({ vectors: { vector: [1, 0], photo: [0, 0, 1] }, weights: { photo: 100 } });
  assert.equal(two[0].id, 9007199254740993n);
  assert.deepEqual(Object.keys(two[0].scores), ["vector", "photo"]);
  assert.deepEqual(ids(await c.search({ sparse: { field: "terms", indices: [3, 7], values: [1, 10] } })), ["a", 7]);
  await assert.rejects(c.search({ ...query, alpha: 2 }), invalid(/alpha/));
  await assert.rejects(c.search({ ...query, fusion: "sum" }), invalid(/fusion/));
  await assert.rejects(c.search({ ...query, weights: { titel: 1 } }), invalid(/titel/));
  await assert.rejects(c.search({ vectors: {} }), invalid(/names no field/));
  await assert.rejects(c.search({ vectors: { foto: [1] } }), invalid(/"foto"/));
  await assert.rejects(c.search({ vectors: { photo: [1] } }), { code: "OMEN_ERR_DIMENSION" });
  await assert.rejects(c.search({ vector: [1, 0], vectors: { photo: [0, 0, 1] } }), invalid(/either/));
  await assert.rejects(c.search({ sparse: { indices: [1], values: [] } }), invalid(/sparse/));
  await assert.rejects(c.search({ topK: 3 }), invalid(/vector is missing/));
});

both("facets count what the filter and the words select", async (c) => {
  const hits = await c.search({ vector: [0, 0], field: "vector", topK: 1, facets: ["lang", "tags", "year"] });
  assert.equal(hits.length, 1);
  assert.deepEqual(hits.facets.lang, { values: [{ value: "en", count: 2 }, { value: "de", count: 1 }, { value: "fr", count: 1 }], missing: 0, distinct: 3 });
  assert.deepEqual(hits.facets.tags, { values: [{ value: "x", count: 2 }, { value: "y", count: 1 }], missing: 2, distinct: 2 });
  assert.equal(hits.facets.year.missing, 1);
  const filtered = await c.search({ vector: [0, 0], field: "vector", filter: { year: { $gte: 2021 } }, facets: { lang: {}, years: { path: "year", histogram: { interval: 2 }, stats: true, ranges: [{ to: 2022 }, { from: 2022 }] } } });
  assert.deepEqual(filtered.facets.lang.values, [{ value: "de", count: 1 }, { value: "en", count: 1 }]);
  assert.deepEqual(filtered.facets.years.histogram, [{ from: 2020, to: 2022, count: 1 }, { from: 2022, to: 2024, count: 1 }]);
  assert.deepEqual(filtered.facets.years.ranges.map(({ count }) => count), [1, 1]);
  assert.deepEqual(filtered.facets.years.stats, { count: 2, min: 2021, max: 2022, sum: 4043, mean: 2021.5 });
  const words = await c.search({ text: "coffee", topK: 1, facets: ["lang"] });
  assert.deepEqual(words.facets.lang.values, [{ value: "de", count: 1 }]);
  assert.equal((await c.search({ text: "tea" })).facets, undefined);
  await assert.rejects(c.search({ text: "tea", facets: { lang: { limits: 5 } } }), invalid(/limits/));
});

both("hits are grouped, kept apart, and cut off", async (c) => {
  const groups = await c.search({ vector: [1, 0], field: "vector", groupBy: "lang" });
  assert.deepEqual(groups.map(({ id, group }) => [id, group]), [["a", "en"], ["b", "de"], [9007199254740993n, "fr"]]);
  const two = await c.search({ vector: [1, 0], field: "vector", topK: 1, groupBy: { path: "lang", size: 2 } });
  assert.deepEqual(two.map(({ id, group }) => [id, group]), [["a", "en"], [7, "en"]]);
  const left = await c.search({ vector: [1, 0], field: "vector", groupBy: { path: "year", missing: "leave" } });
  assert.deepEqual(ids(left), ["a", 7, "b"]);
  const own = await c.search({ vector: [1, 0], field: "vector", groupBy: "year" });
  assert.equal(own.at(-1).group, null);
  assert.deepEqual(ids(await c.search({ vector: [1, 0], field: "vector", maxDistance: 1.2 })), ["a", 7]);
  assert.deepEqual(ids(await c.search({ vector: [1, 0], field: "vector", minScore: 0.6 })), ["a"]);
  const diverse = await c.search({ vector: [1, 0], field: "vector", topK: 2, mmr: { lambda: 0.5, candidates: 4 } });
  assert.equal(diverse.length, 2);
  assert.deepEqual(ids(await c.search({ vector: [1, 0], field: "vector", mmr: { lambda: 1 } })), ids(await c.search({ vector: [1, 0], field: "vector" })));
  await assert.rejects(c.search({ text: "tea", mmr: {} }), invalid(/mmr/));
  await assert.rejects(c.search({ vector: [1, 0], mmr: { lamda: 1 } }), invalid(/lamda/));
  await assert.rejects(c.search({ vector: [1, 0], groupBy: 5 }), invalid(/groupBy/));
});

both("records are examples of what to find", async (c) => {
  const like = await c.search({ recommend: { positive: ["a"] }, field: "vector" });
  assert.deepEqual(ids(like), [7, "b", 9007199254740993n], "the examples are left out");
  const unlike = await c.search({ recommend: { positive: [7], negative: [9007199254740993n] }, field: "vector" });
  assert.deepEqual(new Set(ids(unlike)), new Set(["a", "b"]));
  const photo = await c.search({ recommend: { positive: ["b"] }, field: "photo", topK: 1, include: ["vector"] });
  assert.deepEqual(photo[0].vector.length, 3);
  await assert.rejects(c.search({ recommend: { positive: ["nobody"] } }), { code: "OMEN_ERR_NOT_FOUND" });
  await assert.rejects(c.search({ recommend: { positive: [{}] } }), { code: "OMEN_ERR_ID" });
  await assert.rejects(c.search({ recommend: { positive: "a" } }), invalid(/array of ids/));
  await assert.rejects(c.search({ recommend: ["a"] }), invalid(/recommend must be/));
});

both("a function orders the best anew", async (c) => {
  const seen = [];
  const years = (hits) => {
    seen.push(hits.length);
    return hits.map(({ metadata }) => metadata.year ?? 0);
  };
  const hits = await c.search({ vector: [1, 0], field: "vector", topK: 2, rerank: years, facets: ["lang"] });
  assert.deepEqual(hits.map(({ id, score }) => [id, score]), [[7, 2022], ["b", 2021]]);
  assert.equal(hits.facets.lang.distinct, 3);
  await c.search({ vector: [1, 0], field: "vector", topK: 2, rerank: { by: years, candidates: 3 } });
  assert.deepEqual(seen, [4, 3]);
  const later = await c.search({ text: "tea", rerank: async (all) => Float32Array.from(all, (_, i) => i) });
  assert.deepEqual(ids(later), ids(await c.search({ text: "tea" })).reverse());
  const same = await c.search({ text: "tea", rerank: (all) => all.map(() => 1) });
  assert.deepEqual(ids(same), ids(await c.search({ text: "tea" })), "equal numbers keep the order");
  assert.deepEqual(await c.search({ text: "nowhere", rerank: () => assert.fail("of nothing") }), []);
  await assert.rejects(c.search({ text: "tea", rerank: () => [1] }), invalid(/1 numbers for 3 hits/));
  await assert.rejects(c.search({ text: "tea", rerank: () => {} }), invalid(/no array for 3 hits/));
  await assert.rejects(c.search({ text: "tea", rerank: (all) => all.map(() => NaN) }), invalid(/NaN for hit 0/));
  await assert.rejects(c.search({ text: "tea", rerank: { by: years, candidates: 5 } }), invalid(/from topK \(10\)/));
  await assert.rejects(c.search({ text: "tea", rerank: { candidates: 50 } }), invalid(/by of rerank/));
  await assert.rejects(c.search({ text: "tea", rerank: 5 }), invalid(/rerank must be/));
  await assert.rejects(c.search({ text: "tea", rerank: years, groupBy: "lang" }), invalid(/groupBy/));
  const failure = new Error("mine");
  await assert.rejects(c.search({ text: "tea", rerank: () => { throw failure; } }), failure);
});

both("many queries at once are answered in their order", async (c) => {
  const answers = await c.searchMany([{ vector: [1, 0], field: "vector", topK: 1 }, { text: "coffee" }, { vector: [0, 1], field: "vector", topK: 1, filter: "lang = 'de'" }]);
  assert.deepEqual(answers.map(ids), [["a"], ["b"], ["b"]]);
  assert.deepEqual(await c.searchMany([]), []);
  await assert.rejects(c.searchMany([{ text: "tea" }, { text: "tea", filter: "(" }]), { code: "OMEN_ERR_INVALID" });
  await assert.rejects(c.searchMany({ text: "tea" }), invalid(/array of queries/));
});

both("explanations tell of the filter and of each leg", async (c) => {
  const one = await c.explain({ vector: [1, 0], field: "vector", filter: "year >= 2021" });
  assert.equal(typeof one.filter.estimatedMatches, "number");
  assert.equal(one.hits, 2);
  const several = await c.explain({ vector: [1, 0], field: "vector", text: "tea", sparse: { indices: [3], values: [1] } });
  assert.deepEqual(several.legs.map(({ leg }) => leg), ["vector", "text", "terms"]);
  assert.ok(several.legs[1].terms.some(({ term }) => term === "tea"));
  const plans = await Promise.all(["auto", "index", "matches", "scan"].map((plan) => c.search({ vector: [1, 0], field: "vector", filter: "year >= 2021", plan })));
  for (const hits of plans) assert.deepEqual(hits, plans[0]);
  await assert.rejects(c.search({ vector: [1, 0], field: "vector", plan: "luck" }), invalid(/plan/));
  await assert.rejects(c.explain({ topK: 3 }), invalid(/vector is missing/));
});

both("a deadline and a signal end a search", async (c) => {
  assert.equal((await c.search({ vector: [1, 0], field: "vector", deadlineMs: 60_000 })).length, 4);
  await assert.rejects(c.search({ vector: [1, 0], field: "vector", deadlineMs: -1 }), invalid(/deadlineMs/));
  await assert.rejects(c.search({ text: "tea", signal: AbortSignal.abort() }), { code: "OMEN_ERR_CANCELLED" });
  await assert.rejects(c.search({ vector: [1, 0], texts: "tea" }), invalid(/no option "texts"/));
  await assert.rejects(c.search(undefined), invalid(/must be an object/));
});

for (const [engine, skip] of [["wasm", false], ["native", noNative]]) {
  test(`${engine}: records whose time is over are seen no more, and expire removes them`, { skip }, async (t) => {
    const db = await open(engine === "wasm" ? "db" : await folder(t), engine === "wasm" ? { engine, storage: memory() } : { engine });
    try {
      const c = await db.collection("c", { vector: { dimensions: 1 }, ttl: "until" });
      assert.equal(c.schema.ttl, "until");
      await c.upsert([{ id: 1, vector: [1], until: "2001-01-01T00:00:00Z" }, { id: 2, vector: [2], until: "9001-01-01T00:00:00Z" }, { id: 3, vector: [3] }]);
      assert.equal(await c.count(), 2);
      assert.deepEqual(ids(await collect(c.scroll())), [2, 3]);
      assert.equal(await c.get(1), undefined);
      assert.equal(await c.expire(), 1);
      assert.equal(await c.expire(), 0);
      await assert.rejects(db.collection("d", { vector: { dimensions: 1 }, ttl: 5 }), invalid(/ttl/));
    } finally {
      await db.close();
    }
  });
}

test("filtered search finds what a filtered scan by definition finds", async (t) => {
  const next = random(t);
  const db = await open("db", { engine: "wasm", storage: memory() });
  const c = await db.collection("c", { vector: { dimensions: 8, metric: "l2" } });
  const records = Array.from({ length: 600 }, (_, id) => ({ id, vector: vector(next, 8), n: next(20), s: `w${next(5)}`, ...(next(3) === 0 ? {} : { opt: next(4) }) }));
  await c.upsert(records.slice(0, 400));
  await db.flush();
  await c.upsert(records.slice(400));
  for (const [filter, test] of [
    [{ n: { $lt: 7 } }, ({ n }) => n < 7],
    [{ s: { $in: ["w1", "w4"] }, opt: { $ne: 2 } }, ({ s, opt }) => (s === "w1" || s === "w4") && opt !== 2],
    ["n BETWEEN 3 AND 5 OR opt IS NULL", ({ n, opt }) => (n >= 3 && n <= 5) || opt === undefined],
    [{ n: 99 }, () => false],
  ]) {
    const query = vector(next, 8);
    const expected = records.filter(test).map(({ id, vector: v }) => ({ id, d: Math.sqrt(v.reduce((sum, x, i) => sum + (x - query[i]) ** 2, 0)) })).sort((a, b) => a.d - b.d);
    assert.deepEqual(ids(await c.search({ vector: query, filter, topK: 20 })), expected.slice(0, 20).map(({ id }) => id));
    assert.equal(await c.count({ filter }), expected.length);
  }
  await db.close();
});
