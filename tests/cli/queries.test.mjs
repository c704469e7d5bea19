// Filters, words, groups, facets and highlights from the command line.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fails, folder, json, notBuilt, ok } from "./fixtures/omendb.mjs";

const skip = notBuilt;
const records = [
  { id: "a", vector: [1, 0], title: "Green tea shop", body: "We sell résumé tea, and more tea.", lang: "en", year: 2020, tags: ["x", "y"], terms: { indices: [3, 7], values: [1, 0.5] } },
  { id: "b", vector: [0, 1], title: "Coffee house", body: "coffee and some tea", lang: "de", year: 2021, tags: ["x"] },
  { id: 7, vector: [1, 1], title: "Books", body: "about shops", lang: "en", year: 2022, price: 12.5, terms: { indices: [3], values: [2] } },
];

function filled(t) {
  const db = join(folder(t), "notes");
  ok(["create", db, "-c", "notes", "-d", "2", "-m", "l2", "--text", "title:en:2,body", "--sparse", "terms"]);
  ok(["upsert", db, ...records.map((record) => JSON.stringify(record))]);
  return db;
}

const found = (args) => json(args).hits.map(({ id }) => id);
const V = ["--vector", "[1, 0]"];

test("count, search, export, delete and update take a filter", { skip }, (t) => {
  const db = filled(t);
  for (const state of ["memory", "segment"]) {
    if (state === "segment") ok(["flush", db]);
    assert.deepEqual(json(["count", db, "--filter", "lang = 'en' AND year >= 2021"]), { count: 1 });
    assert.equal(ok(["count", db, "--filter", '{"tags": "x"}']), "2\n");
    assert.equal(ok(["count", db, "--filter", "TRUE"]), "3\n");
    assert.deepEqual(found(["search", db, ...V, "--filter", "year > 2020"]), [7, "b"]);
    assert.deepEqual(found(["search", db, "--id", "a", "--filter", '{"lang": "de"}']), ["b"]);
    const lines = ok(["export", db, "--filter", "lang = 'en'"]).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ id, year }) => [id, year]), [[7, 2022], ["a", 2020]]);
    const file = join(folder(t), "out.jsonl");
    assert.deepEqual(json(["export", db, file, "--filter", "lang = 'fr'"]), { exported: 0, file });
    assert.equal(readFileSync(file, "utf8"), "");
    assert.equal(ok(["export", db, "--filter", "lang = 'en'", "--limit", "1"]).trimEnd().split("\n").length, 1);
  }
  assert.equal(ok(["update", db, "--filter", "lang = 'en'", "--set", '{"lang": "english", "price": null}']), "changed 2 records\n");
  assert.deepEqual(json(["update", db, "--filter", "lang = 'en'", "--set", "{}"]), { count: 0 });
  assert.equal(json(["get", db, "7"]).records[0].metadata.price, undefined);
  assert.deepEqual(json(["delete", db, "--filter", "lang = 'english'"]), { deleted: 2 });
  assert.equal(ok(["delete", db, "--filter", "lang = 'english'"]), "deleted 0 records\n");
  assert.equal(ok(["count", db]), "1\n");
});

test("what is no filter is refused with its place, and nothing is done", { skip }, (t) => {
  const db = filled(t);
  const { message } = fails(10, ["search", db, ...V, "--filter", "year >="]);
  assert.match(message, /column 8/);
  assert.match(fails(10, ["count", db, "--filter", '{"year": {"$gtee": 1}}']).message, /\$gtee/);
  for (const command of [["count", db], ["search", db, ...V], ["delete", db], ["update", db, "--set", "{}"], ["export", db]]) {
    assert.match(fails(10, [...command, "--filter", " "]).message, /--filter/);
  }
  assert.match(fails(10, ["delete", db]).message, /ids or with --filter/);
  assert.match(fails(10, ["delete", db, "a", "--filter", "TRUE"]).message, /ids or with --filter/);
  assert.match(fails(10, ["update", db, "--filter", "TRUE"]).message, /--set/);
  assert.match(fails(10, ["update", db, "--set", "{}"]).message, /--filter/);
  fails(17, ["update", db, "--filter", "TRUE", "--set", "{"]);
  assert.equal(ok(["count", db]), "3\n");
});

test("words are found, and shown where they are", { skip }, (t) => {
  const db = filled(t);
  const { hits } = json(["search", db, "--text", "tea", "--highlight"]);
  assert.deepEqual(hits.map(({ id }) => id), ["a", "b"]);
  assert.equal(hits[0].distance, null);
  assert.deepEqual(hits[0].highlights.title, [{ text: "Green tea shop", marks: [[6, 9]] }]);
  const text = ok(["search", db, "--text", "tea", "--highlight", "--no-metadata"]);
  assert.match(text, /1 +- +\d+\.\d+ {2}a\n {6}title: Green \*tea\* shop\n {6}body: We sell résumé \*tea\*, and more \*tea\*\.\n/);
  assert.doesNotMatch(ok(["search", db, "--text", "tea", "--highlight-fields", "body"]), /title: Green \*/);
  assert.deepEqual(found(["search", db, "--text", "tea coffee", "--operator", "and"]), ["b"]);
  assert.deepEqual(found(["search", db, "--text", "tea", "--text-fields", "title"]), ["a"]);
  assert.deepEqual(found(["search", db, "--text", "tea", "--text-fields", "title:3,body"]), ["a", "b"]);
  assert.deepEqual(found(["search", db, "--text", "cofee", "--typos"]), ["b"]);
  assert.deepEqual(found(["search", db, "--text", "cofee", "--no-typos"]), []);
  assert.deepEqual(found(["search", db, "--text", "coff", "--prefix"]), ["b"]);
  assert.deepEqual(found(["search", db, "--text", "tea", "--filter", "lang = 'de'"]), ["b"]);
  assert.deepEqual(found(["search", db, "--text=-x tea"]), ["a", "b"]);
  assert.match(fails(10, ["search", db, "--text-fields", "title", ...V]).message, /give the words with --text/);
  assert.match(fails(10, ["search", db, "--text", "tea", "--typos", "--no-typos"]).message, /contradict/);
  assert.match(fails(10, ["search", db, "--text", "tea", "--text-fields", "title:x"]).message, /must be a number/);
  fails(10, ["search", db, "--text", "tea", "--text-fields", "lang"]);
});

test("rankings by vector, words and sparse vectors become one", { skip }, (t) => {
  const db = filled(t);
  const all = ["search", db, ...V, "--text", "tea", "--sparse", '{"indices": [3], "values": [1]}'];
  const { hits } = json(all);
  assert.equal(hits[0].id, "a");
  assert.deepEqual(Object.keys(hits[0].scores), ["vector", "text", "terms"]);
  assert.equal(hits[0].scores.terms, 1);
  assert.ok(!("text" in hits.find(({ id }) => id === 7).scores), "the words did not list it");
  assert.match(ok(all), /1 +0\.000000 +\d\.\d+ {2}a .*\n {6}vector 1, text [\d.]+, terms 1\n/);
  assert.deepEqual(found([...all, "--alpha", "1"]), found(["search", db, ...V]));
  assert.equal(json([...all, "--fusion", "rrf", "--rrf-k", "10"]).hits.length, 3);
  assert.equal(found([...all, "--weights", "terms=100,text=0,vector=0"])[0], 7);
  assert.deepEqual(found(["search", db, "--sparse", '{"field": "terms", "indices": [3], "values": [1]}']), [7, "a"]);
  fails(10, [...all, "--alpha", "2"]);
  assert.match(fails(10, [...all, "--alpha", "much"]).message, /--alpha is "much"/);
  fails(10, [...all, "--fusion", "sum"]);
  assert.match(fails(10, [...all, "--weights", "text"]).message, /NAME=NUMBER/);
  assert.match(fails(17, ["search", db, "--sparse", "{"]).message, /--sparse is no JSON/);
});

test("facets, groups, examples, limits", { skip }, (t) => {
  const db = filled(t);
  const { facets } = json(["search", db, ...V, "--facets", "lang,tags"]);
  assert.deepEqual(facets.lang.values, [{ value: "en", count: 2 }, { value: "de", count: 1 }]);
  assert.equal(facets.tags.missing, 1);
  assert.match(ok(["search", db, ...V, "--facets", "lang,tags"]), /\n\nlang {2}\(2 different\)\n +2 {2}en\n +1 {2}de\n\ntags {2}\(2 different, 1 missing\)\n +2 {2}x\n +1 {2}y\n$/);
  const numbers = ["search", db, ...V, "--facets", '{"years": {"path": "year", "histogram": {"interval": 2}, "ranges": [{"to": 2021}], "stats": true}}'];
  assert.deepEqual(json(numbers).facets.years.stats, { count: 3, min: 2020, max: 2022, sum: 6063, mean: 2021 });
  assert.match(ok(numbers), /\nyears\n +1 {2}below 2021\n +2 {2}from 2020 to below 2022\n +1 {2}from 2022 to below 2024\n +count 3 min 2020 max 2022 sum 6063 mean 2021\n$/);
  assert.match(fails(17, ["search", db, ...V, "--facets", "{"]).message, /--facets is no JSON/);

  const grouped = json(["search", db, ...V, "--group-by", "lang"]).hits;
  assert.deepEqual(grouped.map(({ id, group }) => [id, group]), [["a", "en"], ["b", "de"]]);
  assert.match(ok(["search", db, ...V, "--group-by", "lang", "--group-size", "2", "--no-metadata"]), /record\n- "en"\n +1 .* a\n +2 .* 7\n- "de"\n +3 .* b\n$/);
  assert.deepEqual(found(["search", db, ...V, "--group-by", "price", "--group-missing", "leave"]), [7]);
  assert.deepEqual(found(["search", db, ...V, "--max-distance", "1"]), ["a", 7]);
  assert.deepEqual(found(["search", db, ...V, "--min-score", "0.6"]), ["a"]);
  assert.deepEqual(found(["search", db, ...V, "--mmr", "1", "--mmr-candidates", "3"]), ["a", 7, "b"]);
  assert.deepEqual(found(["search", db, "--positive", "a"]), [7, "b"]);
  assert.deepEqual(found(["search", db, "--positive", "a", "--positive", "7", "--negative", "b"]), []);
  assert.deepEqual(found(["search", db, "--positive", "a", "--field", "vector"]), [7, "b"]);
  assert.deepEqual(found(["search", db, "--positive", "a", "--positive", "7", "--like-by", "best"]), ["b"]);
  assert.match(fails(10, ["search", db, "--positive", "a", "--like-by", "worst"]).message, /"average" or "best"/);
  assert.match(fails(10, ["search", db, ...V, "--like-by", "best"]).message, /--positive/);
  assert.deepEqual(found(["search", db, "--order-by", "year"]), ["a", "b", 7]);
  assert.deepEqual(found(["search", db, "--order-by", "year", "--descending", "--filter", "lang = 'en'", "-k", "1"]), [7]);
  assert.match(ok(["search", db, "--order-by", "price", "--descending"]), / 7 .*\n.* a .*\n.* b /s);
  assert.match(fails(10, ["search", db, ...V, "--order-by", "year"]).message, /leave one out/);
  assert.match(fails(10, ["search", db, ...V, "--descending"]).message, /--order-by/);
  assert.match(ok(["explain", db, "--order-by", "year"]), /3 hits/);
  assert.deepEqual(found(["search", db, ...V, "--plan", "scan"]), ["a", 7, "b"]);
  assert.equal(found(["search", db, ...V, "--deadline-ms", "60000"]).length, 3);
  assert.match(fails(10, ["search", db, ...V, "--group-size", "2"]).message, /--group-by/);
  assert.match(fails(10, ["search", db, ...V, "--mmr-candidates", "2"]).message, /--mmr/);
  assert.match(fails(10, ["search", db, ...V, "--like-field", "vector"]).message, /--positive/);
  fails(20, ["search", db, "--positive", "nobody"]);
  assert.match(fails(10, ["search", db, "--filter", "TRUE"]).message, /--vector.*--text/);
});

test("explanations show the filter's plan and each ranking", { skip }, (t) => {
  const db = filled(t);
  ok(["flush", db]);
  const explained = json(["explain", db, ...V, "--text", "tea", "--filter", "year > 2020"]);
  assert.equal(typeof explained.filter.estimatedMatches, "number");
  assert.deepEqual(explained.legs.map(({ leg }) => leg), ["vector", "text"]);
  const text = ok(["explain", db, ...V, "--text", "tea", "--filter", "year > 2020"]);
  assert.match(text, /^filter: about \d+ records expected; 1 blocks of columns looked through/);
  assert.match(text, /\nvector, \d+% of the score\n {4}memory: 0 rows, flat\n/);
  assert.match(text, /3 rows, 2 of them match \(2 were expected\)/);
  assert.match(text, /\n {4}body: tea in 2 records, weight [\d.]+\n/);
  assert.match(ok(["explain", db, "--sparse", '{"indices": [3], "values": [1]}']), /\n {4}terms: 3 in 2 records/);
});

test("several vector fields are searched together", { skip }, (t) => {
  const db = join(folder(t), "two");
  ok(["create", db, "-c", "c", "--vector-field", "title:2:l2", "--vector-field", "photo:1:l2:i8"]);
  ok(["upsert", db, '{"id": 1, "title": [1, 0], "photo": [9]}', '{"id": 2, "title": [0, 1], "photo": [5]}']);
  const { hits } = json(["search", db, "--vector", "title=[1, 0]", "--vector", "photo=[9]", "--include-vector"]);
  assert.deepEqual(hits.map(({ id, distance, scores, vector }) => [id, distance, scores, vector])[0], [1, 0, { title: 1, photo: 1 }, [1, 0]]);
  assert.equal(found(["search", db, "--vector", "title=[1, 0]", "--vector", "photo=[5]", "--weights", "photo=100"])[0], 2);
  assert.deepEqual(found(["search", db, "--vector", "photo=[5]"]), [2, 1]);
  assert.match(fails(10, ["search", db, "--vector", "photo=[5]", "--vector", "[1, 0]"]).message, /name the field of each/);
  assert.match(fails(10, ["search", db, "--vector", "foto=[5]"]).message, /"foto"/);
  assert.match(fails(10, ["search", db, "--vector", "photo=[5]", "--field", "photo"]).message, /--field/);
  assert.match(fails(11, ["search", db, "--vector", "title=[5]"]).message, /1 numbers for "title", which takes 2/);
});

test("records whose time is over are seen no more, and expire removes them", { skip }, (t) => {
  const db = join(folder(t), "short");
  ok(["create", db, "-c", "c", "-d", "1", "--ttl", "until"]);
  assert.equal(json(["collections", db]).collections[0].schema.ttl, "until");
  ok(["upsert", db, '{"id": 1, "vector": [1], "until": "2001-01-01T00:00:00Z"}', '{"id": 2, "vector": [2], "until": "9001-01-01T00:00:00Z"}', '{"id": 3, "vector": [3]}']);
  assert.equal(ok(["count", db]), "2\n");
  assert.deepEqual(found(["search", db, "--vector", "[1]"]), [2, 3]);
  assert.deepEqual(json(["expire", db]), { deleted: 1 });
  assert.equal(ok(["expire", db]), "deleted 0 records\n");
});

test("records of several vectors are searched, and order other hits anew", { skip }, (t) => {
  const root = folder(t), db = join(root, "tokens"), file = join(root, "query.json");
  ok(["create", db, "-c", "c", "-d", "2", "-m", "l2", "--multi", "tokens:2,page.parts:3:ip:f16"]);
  const [{ schema }] = json(["collections", db]).collections;
  assert.deepEqual(schema.multi, [{ name: "tokens", dimensions: 2, metric: "cosine", element: "f32" }, { name: "page.parts", dimensions: 3, metric: "ip", element: "f16" }]);
  ok(["upsert", db, '{"id": 1, "vector": [1, 0], "tokens": [[1, 0], [0, 2]]}', '{"id": 2, "vector": [1, 1], "tokens": [[0, 5]], "page": {"parts": [[1, 2, 3]]}}', '{"id": 3, "vector": [0, 1]}']);
  const query = '{"field": "tokens", "vectors": [[0, 3], [4, 0]]}';
  writeFileSync(file, query);
  for (const state of ["memory", "segment"]) {
    if (state === "segment") ok(["flush", db]);
    for (const given of [query, `@${file}`]) assert.deepEqual(json(["search", db, "--multi", given]).hits.map(({ id, score }) => [id, score]), [[1, 2], [2, 1]]);
    assert.deepEqual(json(["search", db, "--multi", '{"field": "page.parts", "vectors": [[1, 1, 1]]}']).hits.map(({ id, score }) => [id, score]), [[2, 6]]);
    const { hits } = json(["search", db, "--vector", "[1, 1]", "--rerank", query]);
    assert.deepEqual(hits.map(({ id, score }) => [id, score]), [[1, 2], [2, 1]]);
    assert.deepEqual(hits[1].scores, { vector: 1, tokens: 1 });
    assert.deepEqual(found(["search", db, "--vector", "[1, 1]", "-k", "1", "--rerank", query, "--rerank-candidates", "1"]), [2]);
    assert.deepEqual(json(["search", db, "--vector", "[1, 1]", "--multi", query, "--weights", "tokens=1,vector=0"]).hits[0].scores, { vector: 0.5, tokens: 2 });
  }
  assert.match(ok(["explain", db, "--multi", query]), /\n? *tokens\n {4}3 vectors of 2 records compared with 2, \d+ microseconds\n/);
  assert.match(ok(["explain", db, "--vector", "[1, 1]", "--rerank", query]), /\nthe best 3 ordered anew by tokens\n {4}3 vectors of 2 records compared with 2, /);
  assert.deepEqual(json(["export", db, "--filter", "TRUE", join(root, "out.jsonl")]), { exported: 3, file: join(root, "out.jsonl") });
  ok(["compact", db]);
  ok(["check", db]);
  assert.match(fails(11, ["upsert", db, '{"id": 4, "vector": [0, 0], "tokens": [[1]]}']).message, /multi field "tokens" of record 4: vector 0 has 1 numbers, the field has 2 dimensions/);
  assert.match(fails(10, ["upsert", db, '{"id": 4, "vector": [0, 0], "tokens": []}']).message, /has 0 vectors/);
  assert.match(fails(17, ["search", db, "--multi", "{"]).message, /--multi is no JSON/);
  assert.match(fails(10, ["search", db, "--vector", "[1, 1]", "--rerank-candidates", "9"]).message, /--rerank/);
  fails(40, ["search", db, "--multi", `@${file}.not`]);
  for (const wrong of ["tokens", "tokens:", "tokens:0", "tokens:2:cosine:f32:x", "tokens:2:near", ":2"]) fails(wrong === ":2" ? 16 : 10, ["create", join(root, "new"), "-c", "c", "--multi", wrong]);
  assert.match(fails(10, ["create", join(root, "new"), "-c", "c", "--multi", "tokens:2:l2"]).message, /cosine or ip/);
});
