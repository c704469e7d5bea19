// Every command, as text and as JSON.
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fails, folder, json, notBuilt, ok, omendb } from "./fixtures/omendb.mjs";

const skip = notBuilt;
const records = [
  { id: "a", vector: [1, 0], title: "east", tags: ["x", "y"] },
  { id: "b", vector: [0, 1], title: "north" },
  { id: 7, vector: [1, 1], n: 12345678901234567890n },
];
const line = (record) => JSON.stringify(record, (_, v) => (typeof v === "bigint" ? JSON.rawJSON?.(String(v)) ?? Number(v) : v));

/** A database with three records. */
function filled(t) {
  const db = join(folder(t), "notes");
  ok(["create", db, "--dimensions", "2", "--collection", "notes"]);
  ok(["upsert", db, ...records.map(line)]);
  return db;
}

test("version and help", { skip }, () => {
  assert.match(ok(["version"]), /^omendb \d+\.\d+\.\d+ \(file format 1, kernels \w+\)\n$/);
  assert.equal(ok(["--version"]), ok(["version"]));
  const { version, format, kernels } = json(["version"]);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.equal(format, 1);
  assert.equal(typeof kernels, "string");
  const overview = ok(["help"]);
  assert.equal(ok(["--help"]), overview);
  const commands = [...overview.matchAll(/^  (\w+) {2,}\w/gm)].map(([, name]) => name);
  for (const name of ["create", "import", "upsert", "search", "explain", "index", "get", "delete", "count", "stats", "metrics", "check", "repair", "compact", "export", "flush", "drop", "collections"]) {
    assert.ok(commands.includes(name), name);
    const text = ok(["help", name]);
    assert.match(text, new RegExp(`^usage: omendb ${name} DATABASE`));
    assert.equal(ok([name, "--help"]), text);
    assert.match(text, /--json/);
  }
  assert.match(ok(["help", "errors"]), /30 {2}OMEN_ERR_BUSY/);
  assert.match(ok(["help", "version"]), /usage/);
});

test("the example of the help works as it stands", { skip }, (t) => {
  const cwd = folder(t);
  const example = /begin with\n((?: {2}omendb .*\n)+)/.exec(ok(["help"]))[1].trim().split("\n");
  assert.equal(example.length, 3);
  let out = "";
  for (const command of example) {
    const args = [...command.trim().matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
    out = ok(args.slice(1), { cwd });
  }
  assert.match(out, /1 .* a {2}\{"title": "east"\}\n +2 .* b\n/);
});

test("create: a database, a collection, more of them", { skip }, (t) => {
  const db = join(folder(t), "x");
  assert.deepEqual(json(["create", db]), { database: db, created: true });
  assert.ok(existsSync(join(db, "manifest-1")));
  fails(21, ["create", db]);
  assert.deepEqual(json(["create", db, "-c", "a", "-d", "3", "-m", "l2"]), { database: db, created: false, collection: "a" });
  ok(["create", db, "-c", "a", "-d", "3", "-m", "l2"]); // the same again changes nothing
  fails(22, ["create", db, "-c", "a", "-d", "4", "-m", "l2"]);
  ok(["create", db, "-c", "b", "--vector-field", "title:4", "--vector-field", "photo:5:ip", "--text", "head,body"]);
  assert.deepEqual(json(["collections", db]).collections, [
    { name: "a", schema: { vectors: [{ name: "vector", dimensions: 3, metric: "l2", element: "f32", index: { kind: "auto" } }], text: [] } },
    { name: "b", schema: { vectors: [{ name: "title", dimensions: 4, metric: "cosine", element: "f32", index: { kind: "auto" } }, { name: "photo", dimensions: 5, metric: "ip", element: "f32", index: { kind: "auto" } }], text: ["head", "body"] } },
  ]);
  assert.match(ok(["collections", db]), /^a +vector: 3 dimensions, l2, f32, index auto\nb +title: 4 dimensions, cosine, f32, index auto +photo: 5 dimensions, ip, f32, index auto\n$/);
  assert.match(fails(10, ["count", db]).message, /"a", "b".*--collection/);
  ok(["create", db, "-c", "c", "-d", "2", "--text", "title:en:2.5,deep.body:german,tags", "--sparse", "terms,more.terms"]);
  const { schema } = json(["collections", db]).collections[2];
  assert.deepEqual(schema.text, [
    { name: "title", language: "en", weight: 2.5, stopWords: "drop", accents: "fold" },
    { name: "deep.body", language: "de", weight: 1, stopWords: "drop", accents: "fold" },
    "tags",
  ]);
  assert.deepEqual(schema.sparse, ["terms", "more.terms"]);
  assert.match(fails(10, ["create", db, "-c", "d", "-d", "2", "--text", "title:en:x"]).message, /title:en:x.*NAME:LANGUAGE:WEIGHT/);
  assert.match(fails(10, ["create", db, "-c", "d", "-d", "2", "--text", "title:klingon"]).message, /"klingon"/);
});

test("create: a given id makes the same files", { skip }, (t) => {
  const at = folder(t);
  for (const name of ["x", "y"]) ok(["create", join(at, name), "--database-id", "000102030405060708090a0b0c0d0e0f"]);
  assert.equal(json(["stats", join(at, "x")]).databaseId, "000102030405060708090a0b0c0d0e0f");
});

test("upsert, get, count", { skip }, (t) => {
  const db = filled(t);
  assert.equal(ok(["count", db]), "3\n");
  assert.deepEqual(json(["count", db]), { count: 3 });
  assert.equal(ok(["get", db, "a"]), `a  {"title":"east","tags":["x","y"]}\n`);
  assert.deepEqual(json(["get", db, "b", "--include-vector"]), { records: [{ id: "b", found: true, metadata: { title: "north" }, vectors: { vector: [0, 1] } }] });
  assert.deepEqual(json(["get", db, "b", "--no-metadata"]), { records: [{ id: "b", found: true }] });
  assert.deepEqual(json(["upsert", db, '{"id": "b", "vector": [0, 2]}']), { count: 1 });
  assert.deepEqual(json(["get", db, "b"]), { records: [{ id: "b", found: true, metadata: {} }] });
  assert.equal(ok(["upsert", db], { input: '{"id":"c","vector":[3,3]}\n\n{"id":"d","vector":[4,4]}' }), "wrote 2 records\n");
  assert.equal(ok(["count", db]), "5\n");
});

test("7 and '\"7\"' are two ids", { skip }, (t) => {
  const db = filled(t);
  const { code, out } = omendb(["get", db, "7", '"7"', "--json", "--no-metadata"]);
  assert.equal(code, 20);
  assert.deepEqual(JSON.parse(out), { records: [{ id: 7, found: true }, { id: "7", found: false }] });
  ok(["upsert", db, '{"id": "7", "vector": [5, 5]}', '{"id": -7, "vector": [5, 5]}']);
  assert.deepEqual(json(["get", db, "7", '"7"', "-7", "--no-metadata"]).records.map((r) => r.id), [7, "7", -7]);
});

test("documents come back as they were written", { skip }, (t) => {
  const db = filled(t);
  const text = `{ "id" : "t" , "vector" : [ 1 , 2 ], "big": 12345678901234567890123, "f": 1.50, "s": "\\u00e9\\"}],{" , "o": { "a": [ ] } }`;
  ok(["upsert", db, text]);
  assert.equal(ok(["get", db, "t"]), `t  {"big": 12345678901234567890123,"f": 1.50,"s": "\\u00e9\\"}],{","o": { "a": [ ] }}\n`);
});

test("upsert --mode insert and update", { skip }, (t) => {
  const db = filled(t);
  fails(21, ["upsert", db, '{"id": "a", "vector": [1, 2]}', "--mode", "insert"]);
  ok(["upsert", db, '{"id": "n", "vector": [1, 2]}', "--mode", "insert"]);
  fails(20, ["upsert", db, '{"id": "z", "title": "?"}', "--mode", "update"]);
  ok(["upsert", db, '{"id": "a", "title": "sunrise", "tags": null}', "--mode=update"]);
  assert.deepEqual(json(["get", db, "a", "--include-vector"]).records[0], { id: "a", found: true, metadata: { title: "sunrise" }, vectors: { vector: [1, 0] } });
});

test("search by a vector, by a record, by a file", { skip }, (t) => {
  const db = filled(t);
  const { hits } = json(["search", db, "--vector", "[0.9, 0.1]", "-k", "2"]);
  assert.deepEqual(hits.map((h) => h.id), ["a", 7]);
  assert.deepEqual(Object.keys(hits[0]), ["id", "score", "distance", "metadata"]);
  assert.ok(Math.abs(hits[0].score - 0.993884) < 1e-5 && Math.abs(hits[0].score + hits[0].distance - 1) < 1e-6);
  assert.deepEqual(hits[0].metadata, { title: "east", tags: ["x", "y"] });
  assert.match(ok(["search", db, "--vector", "[0.9, 0.1]", "-k1"]), /^ +# .*\n +1 +0\.00\d+ +0\.99\d+ {2}a {2}\{"title":"east"/);
  assert.deepEqual(json(["search", db, "--id", "a"]).hits.map((h) => h.id), [7, "b"]);
  assert.deepEqual(json(["search", db, "--id", "a", "-k", "1"]).hits.map((h) => h.id), [7]);
  assert.deepEqual(json(["search", db, "-v", "[0,1]", "-k", "1", "--include-vector", "--no-metadata"]).hits, [{ id: "b", score: 1, distance: 0, vector: [0, 1] }]);
  const file = join(folder(t), "q.jsonl");
  writeFileSync(file, '{"vector":[5,0]}\n{"vector":[0,5]}\n');
  assert.equal(json(["search", db, "--vector-file", file]).hits[0].id, "a");
  assert.equal(json(["search", db, "--vector-file", file, "--row", "1"]).hits[0].id, "b");
  assert.match(fails(10, ["search", db, "--vector-file", file, "--row", "2"]).message, /has 2 rows/);
  assert.equal(json(["search", db, "-v", "[1,1]", "-k", "100000"]).hits.length, 3);
});

test("search and get with several vector fields", { skip }, (t) => {
  const db = join(folder(t), "x");
  ok(["create", db, "-c", "c", "--vector-field", "p:2:l2", "--vector-field", "q:1:l2"]);
  ok(["upsert", db, '{"id":1,"p":[0,0],"q":[9]}', '{"id":2,"p":[5,5],"q":[1]}']);
  assert.equal(json(["search", db, "--vector", "[1]", "--field", "q"]).hits[0].id, 2);
  assert.equal(json(["search", db, "--vector", "[1,1]", "--field", "p"]).hits[0].id, 1);
  assert.match(fails(10, ["search", db, "--vector", "[1]"]).message, /"p", "q".*--field/);
  fails(10, ["search", db, "--vector", "[1]", "--field", "r"]);
  assert.deepEqual(json(["get", db, "2", "--include-vector"]).records[0].vectors, { p: [5, 5], q: [1] });
  assert.match(fails(10, ["upsert", db, '{"id":3,"p":[0,0]}']).message, /"q"/);
});

test("delete", { skip }, (t) => {
  const db = filled(t);
  assert.deepEqual(json(["delete", db, "a", "nobody", "7"]), { deleted: 2 });
  assert.equal(ok(["delete", db, "a"]), "deleted 0 records\n");
  assert.equal(ok(["count", db]), "1\n");
});

test("flush, compact, check, stats", { skip }, (t) => {
  const db = filled(t);
  assert.equal(ok(["flush", db]), "flushed\n");
  assert.equal(json(["stats", db]).collections[0].segments.length, 1);
  ok(["delete", db, "a"]);
  ok(["upsert", db, '{"id": "b", "vector": [0, 3]}']);
  assert.deepEqual(json(["flush", db]), { ok: true });
  assert.equal(json(["stats", db]).collections[0].segments.length, 2);
  assert.deepEqual(json(["compact", db]), { ok: true });
  const [segment, ...more] = json(["stats", db]).collections[0].segments;
  assert.deepEqual([segment.rows, segment.deletedRows, more.length], [2, 0, 0]);
  assert.equal(ok(["check", db]), "everything is in order\n");
  const { ok: fine, damage, lost } = json(["check", db]);
  assert.deepEqual({ fine, damage, records: lost.records }, { fine: true, damage: [], records: 0 });
  const text = ok(["stats", db]);
  assert.match(text, /collection "notes"\n {2}vector +vector, 2 dimensions, cosine, f32, index auto\n {2}records +2\n/);
  assert.deepEqual(json(["get", db, "b", "--include-vector"]).records[0].vectors, { vector: [0, 3] });
});

test("metrics as JSON and as Prometheus text", { skip }, (t) => {
  const db = filled(t);
  assert.equal(typeof JSON.parse(ok(["metrics", db])), "object");
  assert.deepEqual(Object.keys(json(["metrics", db])).length > 0, true);
  const text = ok(["metrics", db, "--prometheus", "--label", "host=a b", "--label", "zone=1"]);
  assert.match(text, /^# HELP omendb_\w+ .*\n# TYPE omendb_\w+ (counter|gauge|histogram)\n/);
  assert.match(text, /omendb_engine_queries_total\{[^}]*host="a b"[^}]*\} 0\n/);
  fails(10, ["metrics", db, "--label", "nothing"]);
});

test("drop asks to be sure", { skip }, (t) => {
  const db = filled(t);
  assert.match(fails(10, ["drop", db, "notes"]).message, /--force/);
  fails(20, ["drop", db, "other", "--force"]);
  assert.deepEqual(json(["drop", db, "notes", "--force"]), { dropped: "notes" });
  assert.deepEqual(json(["collections", db]), { collections: [] });
  assert.match(fails(20, ["count", db]).message, /omendb create/);
});

test("options come from the environment where none is given", { skip }, (t) => {
  const db = filled(t);
  assert.match(fails(10, ["count", db], { env: { OMENDB_PROFILE: "huge" } }).message, /OMENDB_PROFILE.*developer/);
  assert.equal(ok(["count", db, "--profile", "edge"], { env: { OMENDB_PROFILE: "huge" } }), "3\n");
  for (const durability of ["memory", "os", "group", "full"]) ok(["upsert", db, '{"id":"d","vector":[1,2]}', "--durability", durability]);
  fails(31, ["upsert", db, '{"id":"d","vector":[1,2]}'], { env: { OMENDB_READ_ONLY: "true" } });
  fails(31, ["upsert", db, '{"id":"d","vector":[1,2]}', "--read-only"]);
  fails(10, ["count", db], { env: { OMENDB_READ_ONLY: "perhaps" } });
  fails(10, ["count", db, "--pool-bytes", "much"]);
  assert.equal(ok(["count", db, "--pool-bytes", "1MiB", "--memtable-bytes=64KiB"]), "4\n");
});

test("reading leaves the files alone", { skip }, (t) => {
  const db = filled(t);
  ok(["flush", db]);
  ok(["upsert", db, '{"id": "w", "vector": [1, 2]}']);
  const before = readdirSync(db).sort();
  for (const args of [["count", db], ["get", db, "a"], ["search", db, "-v", "[1,2]"], ["stats", db], ["check", db], ["export", db], ["metrics", db], ["collections", db]]) ok(args);
  assert.deepEqual(readdirSync(db).sort(), before);
  assert.ok(!before.includes("lock"));
});
