// Bad input: each a stable code and a message that says what to do, and nothing changed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";

const storage = memory();
const options = { engine: "wasm", storage };
let db, c, cosine;

before(async () => {
  db = await open("db", options);
  c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
  cosine = await db.collection("cosine", { vector: { dimensions: 2, metric: "cosine" } });
  await c.upsert([{ id: "kept", vector: [1, 2], text: "as it was" }]);
});
after(() => db.close());

/** The call fails with the code and a message, and the collection is as it was. */
function refused(what, code, pattern, action) {
  test(what, async () => {
    await assert.rejects(
      async () => action(),
      (error) => {
        assert.equal(error.name, "OmenError", String(error.stack));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, pattern);
        assert.ok(error.message.startsWith(`${code}: `));
        return true;
      },
    );
    assert.equal(await c.count(), 1);
    assert.equal(await cosine.count(), 0);
    assert.deepEqual(await c.get("kept", { include: ["metadata", "vector"] }), { id: "kept", vector: new Float32Array([1, 2]), text: "as it was" });
  });
}
const up = (...records) => () => c.upsert([{ id: "good", vector: [1, 1] }, ...records]);
const v = [0, 0];

refused("wrong dimension", "OMEN_ERR_DIMENSION", /record "x" has 3 dimensions, collection "c" has 2/, up({ id: "x", vector: [1, 2, 3] }));
refused("wrong dimension, columns", "OMEN_ERR_DIMENSION", /holds 3 numbers; 2 records of collection "c" have 2 x 2/, () => c.upsert({ ids: [1, 2], vectors: new Float32Array(3) }));
refused("text in a vector", "OMEN_ERR_INVALID", /has "1" at dimension 0; give numbers/, up({ id: 1, vector: ["1", 2] }));
refused("dimensions as text", "OMEN_ERR_INVALID", /is "4"; it must be an integer/, () => db.collection("new", { vector: { dimensions: "4" } }));
refused("a search for nothing", "OMEN_ERR_INVALID", /the query must be an object/, () => c.search());
refused("a search for null", "OMEN_ERR_INVALID", /the query must be an object/, () => c.search(null));
refused("exact with an effort", "OMEN_ERR_INVALID", /exact: true compares every record/, () => c.search({ vector: [1, 2], exact: true, ef: 50 }));
refused("a hole in a vector", "OMEN_ERR_INVALID", /has undefined at dimension 1; give numbers/, up({ id: 1, vector: [1, undefined] }));
refused("text in a query", "OMEN_ERR_INVALID", /query's vector has "1" at dimension 0/, () => c.search({ vector: ["1", 2] }));
refused("a number beyond f32", "OMEN_ERR_NOT_FINITE", /has 1e\+39 at dimension 0, which is too large for a 32-bit float/, up({ id: 1, vector: [1e39, 2] }));
refused("a number beyond f32, f64 array", "OMEN_ERR_NOT_FINITE", /too large for a 32-bit float/, up({ id: 1, vector: Float64Array.of(1, -1e39) }));
refused("wrong dimension, query", "OMEN_ERR_DIMENSION", /query.* 1 dimension, collection "c" has 2/, () => c.search({ vector: [1] }));
refused("NaN", "OMEN_ERR_NOT_FINITE", /"x"/, up({ id: "x", vector: [1, Number.NaN] }));
refused("infinity", "OMEN_ERR_NOT_FINITE", /"x"/, up({ id: "x", vector: [Number.POSITIVE_INFINITY, 1] }));
refused("a number that is infinite as f32", "OMEN_ERR_NOT_FINITE", /"x"/, up({ id: "x", vector: [1e39, 1] }));
refused("NaN, query", "OMEN_ERR_NOT_FINITE", /./, () => c.search({ vector: [Number.NaN, 1] }));
refused("zero vector under cosine", "OMEN_ERR_ZERO_VECTOR", /7/, () => cosine.upsert([{ id: 7, vector: [0, 0] }]));
refused("zero vector under cosine, query", "OMEN_ERR_ZERO_VECTOR", /./, () => cosine.search({ vector: [0, 0] }));
refused("a vector too small for cosine", "OMEN_ERR_ZERO_VECTOR", /./, () => cosine.upsert([{ id: 7, vector: [1e-30, 0] }]));
refused("no vector", "OMEN_ERR_INVALID", /"vector" of record "x" is missing; give 2 numbers/, up({ id: "x" }));
refused("a vector of another type", "OMEN_ERR_INVALID", /of type string/, up({ id: "x", vector: "12" }));
refused("a vector in integers of another type", "OMEN_ERR_INVALID", /is a Int8Array; give 2 numbers/, up({ id: "x", vector: new Int8Array(2) }));
for (const given of [null, 7, "full", []]) refused(`options that are ${JSON.stringify(given)}`, "OMEN_ERR_INVALID", /open: the options must be an object, such as/, () => open("other", given));
refused("unknown collection", "OMEN_ERR_NOT_FOUND", /"nowhere" does not exist; open it with a schema/, () => db.collection("nowhere"));
refused("schema mismatch: dimensions", "OMEN_ERR_SCHEMA", /./, () => db.collection("c", { vector: { dimensions: 3, metric: "l2" } }));
refused("schema mismatch: metric", "OMEN_ERR_SCHEMA", /./, () => db.collection("c", { vector: { dimensions: 2, metric: "ip" } }));
refused("schema mismatch: fields", "OMEN_ERR_SCHEMA", /./, () => db.collection("c", { vectors: { other: { dimensions: 2, metric: "l2" } } }));
refused("duplicate ids in a batch", "OMEN_ERR_DUPLICATE_ID", /"x"/, up({ id: "x", vector: v }, { id: "x", vector: v }));
refused("duplicate ids, one as number and one as bigint", "OMEN_ERR_DUPLICATE_ID", /5/, up({ id: 5, vector: v }, { id: 5n, vector: v }));
refused("no id", "OMEN_ERR_ID", /record 1 is of type undefined/, up({ vector: v }));
refused("a fraction as id", "OMEN_ERR_ID", /1\.5/, up({ id: 1.5, vector: v }));
refused("an unsafe integer as id", "OMEN_ERR_ID", /bigint/, up({ id: 2 ** 53, vector: v }));
refused("an empty id", "OMEN_ERR_ID", /./, up({ id: "", vector: v }));
refused("an over-long id", "OMEN_ERR_ID", /512/, up({ id: "x".repeat(513), vector: v }));
refused("half a surrogate pair in an id", "OMEN_ERR_ID", /surrogate/, up({ id: "\ud800", vector: v }));
refused("NUL in an id", "OMEN_ERR_ID", /./, up({ id: "a\0b", vector: v }));
refused("topK 0", "OMEN_ERR_INVALID", /topK is 0; it must be an integer from 1 to 100,000/, () => c.search({ vector: v, topK: 0 }));
refused("topK of a fraction", "OMEN_ERR_INVALID", /topK/, () => c.search({ vector: v, topK: 1.5 }));
refused("topK too large", "OMEN_ERR_INVALID", /topK/, () => c.search({ vector: v, topK: 100_001 }));
for (const [what, name] of [["empty", ""], ["over-long", "x".repeat(129)], ["with a slash", "a/b"], ["with a blank", "a b"], ["beyond ASCII", "ü"], ["reserved", "omen_x"]]) {
  refused(`a collection's name, ${what}`, "OMEN_ERR_NAME", /./, () => db.collection(name, { vector: { dimensions: 2 } }));
}
refused("a collection's name of another type", "OMEN_ERR_NAME", /of type number/, () => db.collection(5, {}));
refused("a vector field named id", "OMEN_ERR_NAME", /"id"/, () => db.collection("new", { vectors: { id: { dimensions: 2 } } }));
refused("a vector field's name", "OMEN_ERR_NAME", /./, () => db.collection("new", { vectors: { "a b": { dimensions: 2 } } }));
for (const dimensions of [0, -1, 1.5, 65_536, "2", undefined]) {
  refused(`${dimensions} dimensions`, "OMEN_ERR_INVALID", /dimensions of vector field "vector" is .*; it must be an integer from 1 to 65,535/, () => db.collection("new", { vector: { dimensions } }));
}
refused("an unknown metric", "OMEN_ERR_INVALID", /must be "l2", "ip", "cosine" or "hamming"/, () => db.collection("new", { vector: { dimensions: 2, metric: "manhattan" } }));
refused("an unknown key of a schema", "OMEN_ERR_INVALID", /there are vector, vectors, text, sparse, multi and ttl/, () => db.collection("new", { vektor: { dimensions: 2 } }));
refused("an unknown key of a vector field", "OMEN_ERR_INVALID", /no option "element"; there are dimensions, metric, type and index/, () => db.collection("new", { vector: { dimensions: 2, element: "f32" } }));
refused("malformed JSON", "OMEN_ERR_JSON", /./, () => c.upsert({ ids: [1], vectors: new Float32Array(2), documents: ['{"a": }'] }));
refused("JSON that is no object", "OMEN_ERR_JSON", /./, () => c.upsert({ ids: [1], vectors: new Float32Array(2), documents: ["[1]"] }));
refused("JSON too deep", "OMEN_ERR_JSON", /./, () => c.upsert({ ids: [1], vectors: new Float32Array(2), documents: [`{"a":${"[".repeat(70)}${"]".repeat(70)}}`] }));
refused("metadata that JSON cannot hold", "OMEN_ERR_JSON", /metadata of record "x" is no JSON/, up({ id: "x", vector: v, big: 5n }));
refused("metadata in a circle", "OMEN_ERR_JSON", /"x"/, () => {
  const circle = { id: "x", vector: v };
  circle.self = circle;
  return c.upsert([circle]);
});
refused("a document too large", "OMEN_ERR_TOO_LARGE", /./, up({ id: "x", vector: v, text: "x".repeat(16 * 2 ** 20) }));
refused("insert of what is there", "OMEN_ERR_EXISTS", /record "kept".*use upsert/, () => c.insert([{ id: "new", vector: v }, { id: "kept", vector: v }]));
refused("update of what is not there", "OMEN_ERR_NOT_FOUND", /record "new"/, () => c.update([{ id: "kept", text: "changed" }, { id: "new", text: "x" }]));
refused("update with some vectors", "OMEN_ERR_INVALID", /only 1 of 2 records give "vector"/, () => c.update([{ id: "kept", vector: v }, { id: "new" }]));
refused("records of another type", "OMEN_ERR_INVALID", /upsert takes an array of records, or columns/, () => c.upsert({ id: 1, vector: v }));
refused("a record of another type", "OMEN_ERR_INVALID", /record 1 is null/, up(null));
refused("columns of differing lengths", "OMEN_ERR_INVALID", /2 ids and 1 documents/, () => c.upsert({ ids: [1, 2], vectors: new Float32Array(4), documents: ["{}"] }));
refused("unknown columns", "OMEN_ERR_INVALID", /columns have no "vector"/, () => c.upsert({ ids: [1], vector: new Float32Array(2) }));
refused("columns of an unknown field", "OMEN_ERR_INVALID", /no vector field "title"/, () => c.upsert({ ids: [1], vectors: { title: new Float32Array(2) } }));
refused("columns without vectors", "OMEN_ERR_INVALID", /give a Float32Array of 1 x 2/, () => c.upsert({ ids: [1] }));
refused("an unknown vector field", "OMEN_ERR_INVALID", /no vector field "title"; field must be one of "vector"/, () => c.search({ vector: v, field: "title" }));
refused("an unknown option of search", "OMEN_ERR_INVALID", /there is no option "limit"; there are vector, topK/, () => c.search({ vector: v, limit: 5 }));
refused("to delete by a filter that selects everything", "OMEN_ERR_INVALID", /every record/, () => c.delete({ filter: {} }));
refused("to update by a filter that selects everything", "OMEN_ERR_INVALID", /every record/, () => c.update({ filter: {}, set: { a: 1 } }));
refused("a query that is missing", "OMEN_ERR_INVALID", /vector is missing/, () => c.search({}));
refused("an unknown include", "OMEN_ERR_INVALID", /include names "vectors"; there are "metadata" and "vector"/, () => c.get("kept", { include: ["vectors"] }));
refused("a batch size of 0", "OMEN_ERR_INVALID", /batch is 0/, () => c.scroll({ batch: 0 }).next());
refused("an unknown format of metrics", "OMEN_ERR_INVALID", /"json" or "prometheus"/, () => db.metrics({ format: "xml" }));

refused("an unknown storage", "OMEN_ERR_UNSUPPORTED", /there is no storage "cloud" on Node\.js; there are "fs", "memory", or give an adapter/, () => open("x", { storage: "cloud" }));
refused("a storage that is none", "OMEN_ERR_INVALID", /adapter/, () => open("x", { storage: {} }));
refused("an unknown engine", "OMEN_ERR_INVALID", /engine is "cuda"; it must be "auto", "wasm", "native"/, () => open("x", { engine: "cuda" }));
refused("the native engine on a storage that it cannot open", "OMEN_ERR_UNSUPPORTED", /opens folders/, () => open("x", { engine: "native", storage: "memory" }));
refused("an unknown option", "OMEN_ERR_INVALID", /there is no option "durabillity"/, () => open("x", { ...options, durabillity: "full" }));
refused("no name", "OMEN_ERR_NAME", /./, () => open("", options));
refused("a database that is not there", "OMEN_ERR_NOT_FOUND", /"absent"/, () => open("absent", { ...options, create: false }));
refused("a database that is open", "OMEN_ERR_BUSY", /close it/, () => open("db", options));
refused("a limit of memory below the block pool's", "OMEN_ERR_INVALID", /raise the one or lower the other/, () => open("small", { engine: "wasm", storage: "memory", memoryBytes: 1000 }));

test("a limit of memory is kept: a write beyond it is refused, and the rest goes on", async () => {
  const small = await open("small", { engine: "wasm", storage: "memory", poolBytes: "1MiB", memoryBytes: "4MiB" });
  const records = await small.collection("r", { vector: { dimensions: 256, metric: "l2" } });
  const batch = (n) => ({ ids: Array.from({ length: 500 }, (_, i) => n * 500 + i), vectors: new Float32Array(500 * 256) });
  let kept = 0;
  await assert.rejects(
    async () => {
      for (let n = 0; n < 100; n++) kept += await records.upsert(batch(n));
    },
    (error) => ["OMEN_ERR_MEMORY", "OMEN_ERR_LIMIT"].includes(error.code),
  );
  assert.equal(await records.count(), kept);
  assert.equal((await records.get(0))?.id, kept > 0 ? 0 : undefined);
  await small.close();
});

test("an empty batch is fine", async () => {
  assert.equal(await c.upsert([]), 0);
  assert.equal(await c.insert({ ids: [], vectors: new Float32Array(0) }), 0);
  assert.equal(await c.update([]), 0);
  assert.equal(await c.delete([]), 0);
  assert.deepEqual(await c.get([]), []);
  assert.equal(await c.count(), 1);
});

test("an empty collection is searched and scrolled", async () => {
  assert.deepEqual(await cosine.search({ vector: [1, 0] }), []);
  for await (const record of cosine.scroll()) assert.fail(`found ${record.id}`);
});

/** Opens a copy of a database whose files were changed. */
async function openChanged(change) {
  const place = memory();
  const first = await open("x", { engine: "wasm", storage: place, databaseId: "00".repeat(16) });
  const records = await first.collection("r", { vector: { dimensions: 2, metric: "l2" } });
  await records.upsert([{ id: 1, vector: [1, 2], text: "hello" }]);
  await first.flush();
  await records.upsert([{ id: 2, vector: [3, 4] }]);
  await first.close();
  const files = place.export("x");
  change(files);
  place.import("x", files);
  const db = await open("x", { engine: "wasm", storage: place });
  try {
    await db.check();
    return await (await db.collection("r")).count();
  } finally {
    await db.close();
  }
}
const manifests = (files) => [...files.keys()].filter((name) => name.startsWith("manifest"));

test("what was not changed opens", async () => {
  assert.equal(await openChanged(() => {}), 2);
});

test("a foreign file in the manifest's place is OMEN_ERR_FOREIGN", async () => {
  await assert.rejects(openChanged((files) => {
    for (const name of manifests(files)) files.set(name, new TextEncoder().encode("Dear Sir or Madam, ".repeat(500)));
  }), { code: "OMEN_ERR_FOREIGN" });
});

test("a damaged segment is OMEN_ERR_CORRUPT and names the file", async () => {
  await assert.rejects(openChanged((files) => {
    const name = [...files.keys()].find((file) => file.startsWith("seg-"));
    const bytes = files.get(name);
    bytes[Math.floor(bytes.length / 2)] ^= 1;
  }), (error) => error.code === "OMEN_ERR_CORRUPT" && /seg-/.test(error.message));
});

test("a missing segment is OMEN_ERR_CORRUPT and names the file", async () => {
  await assert.rejects(openChanged((files) => {
    for (const name of [...files.keys()]) if (name.startsWith("seg-")) files.delete(name);
  }), (error) => error.code === "OMEN_ERR_CORRUPT" && /seg-/.test(error.message));
});
