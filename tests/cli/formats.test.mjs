// Import and export: every format, there and back; what is refused, and where to go on.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fails, folder, json, notBuilt, ok, omendb } from "./fixtures/omendb.mjs";

const skip = notBuilt;

function fvecs(rows) {
  return Buffer.concat(rows.map((row) => Buffer.concat([Buffer.from(Int32Array.of(row.length).buffer), Buffer.from(Float32Array.from(row).buffer)])));
}

/** An npy file of version 1, 2 or 3. */
function npy(header, data, version = 1) {
  const text = Buffer.from(`${header}\n`, "latin1");
  const length = version === 1 ? Buffer.alloc(2) : Buffer.alloc(4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from("\x93NUMPY", "latin1"), Buffer.from([version, 0]), length, text, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
const shape = (descr, ...axes) => `{'descr': '${descr}', 'fortran_order': False, 'shape': (${axes.join(", ")}${axes.length === 1 ? "," : ""}), }`;

/** Writes a file of the test's and answers its path. */
function file(t, name, content) {
  const path = join(folder(t), name);
  writeFileSync(path, content);
  return path;
}
const database = (t) => join(folder(t), "db");
const vectors = (db, ...ids) => json(["get", db, ...ids.map(String), "--include-vector", "--no-metadata"]).records.map((r) => r.vectors.vector);

test("fvecs: ids are row numbers; skip, limit and first-id", { skip }, (t) => {
  const from = file(t, "a.fvecs", fvecs([[1, 2], [3, 4], [5.5, -6], [7, 8]]));
  const db = database(t);
  assert.deepEqual(json(["import", db, from, "--metric", "l2"]), { imported: 4, skipped: 0, collection: "default", created: true });
  assert.deepEqual(vectors(db, 0, 2), [[1, 2], [5.5, -6]]);
  assert.equal(json(["collections", db]).collections[0].schema.vectors[0].metric, "l2");
  assert.deepEqual(json(["import", db, from, "-c", "part", "--skip", "1", "--limit", "2", "--first-id", "100"]).imported, 2);
  assert.deepEqual(vectors(db, 101, 102, "-c", "part"), [[3, 4], [5.5, -6]]);
  assert.equal(ok(["count", db, "-c", "part"]), "2\n");
});

test("npy: every type of number, versions 1 to 3", { skip }, (t) => {
  const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x8000);
  const cases = [
    ["<f4", Float32Array.of(1, -2, 0.1, 3e38, 5, 6)],
    ["<f8", Float64Array.of(1, -2, 0.1, 3e38, 5, 6)],
    ["<i1", Int8Array.of(1, -2, 127, -128, 5, 6)],
    ["|u1", Uint8Array.of(1, 2, 255, 128, 5, 6)],
    ["<i2", Int16Array.of(1, -2, 32767, -32768, 5, 6)],
    ["<u2", Uint16Array.of(1, 2, 65535, 32768, 5, 6)],
    ["<i4", Int32Array.of(1, -2, 2147483647, -2147483648, 5, 6)],
    ["<u4", Uint32Array.of(1, 2, 4294967295, 2147483648, 5, 6)],
    ["<i8", BigInt64Array.of(1n, -2n, 9223372036854775807n, -9223372036854775808n, 5n, 6n)],
    ["<u8", BigUint64Array.of(1n, 2n, 18446744073709551615n, 4n, 5n, 6n)],
  ];
  for (const [version, [descr, data]] of cases.map((one, i) => [1 + (i % 3), one])) {
    const db = database(t);
    ok(["import", db, file(t, "a.npy", npy(shape(descr, 3, 2), data, version)), "--metric", "ip"]);
    assert.deepEqual(vectors(db, 0, 1, 2).flat().map(Math.fround), Array.from(data, (x) => Math.fround(Number(x))), descr);
  }
  const db = database(t);
  ok(["import", db, file(t, "a.npy", npy(shape("<f2", 3, 2), half)), "--metric", "ip"]);
  assert.deepEqual(vectors(db, 0, 1, 2).flat().map(Math.fround), [1, -2, 2 ** -24, 65504, Math.fround(0x555 * 2 ** -12), -0].map(Math.fround));
});

test("npy: an array in Fortran order of one row, and no rows at all", { skip }, (t) => {
  const db = database(t);
  ok(["import", db, file(t, "a.npy", npy(`{"shape":(1,3),"descr":"<f4","fortran_order":True}`, Float32Array.of(1, 2, 3)))]);
  assert.deepEqual(vectors(db, 0), [[1, 2, 3]]);
  assert.equal(json(["import", db, file(t, "b.npy", npy(shape("<f4", 0, 3), new Float32Array(0)))]).imported, 0);
});

test("JSON lines: ids, metadata, blank lines; numbered where there is no id", { skip }, (t) => {
  const db = database(t);
  const text = '{"id":"x","vector":[1,2],"a":{"b":[1]}}\r\n\n  \n{"vector":[3,4]}\n{"id":9007199254740993,"vector":[5,6],"t":"é"}';
  assert.equal(json(["import", db, file(t, "a.jsonl", text)]).imported, 3);
  assert.deepEqual(json(["get", db, "x"]).records[0].metadata, { a: { b: [1] } });
  assert.deepEqual(vectors(db, 1), [[3, 4]]);
  assert.equal(ok(["get", db, "9007199254740993"]), '9007199254740993  {"t":"é"}\n');
  assert.match(omendb(["import", db, file(t, "b.jsonl", '{"key":"k","vector":[1,2]}')]).err, /^1 record had no id .*--id-field/);
  assert.equal(omendb(["import", db, file(t, "c.jsonl", '{"id":"k","vector":[1,2]}')]).err, "");
  assert.match(fails(20, ["count", db, "-c", "nope"]).message, /no collection "nope"; `omendb collections /);
  const other = database(t);
  ok(["import", other, "-", "--format", "jsonl", "--id-field", "key", "--field", "emb"], { input: '{"key":"k","emb":[1,2],"id":"stays"}' });
  assert.deepEqual(json(["get", other, "k"]).records[0].metadata, { id: "stays" });
});

test("CSV: quotes, types, vectors in a cell or in columns", { skip }, (t) => {
  const db = database(t);
  const text = '\ufeffid,vector,title,n,flag,zip\r\na,"[1, 2]","say ""hi"", you\nthere",1.5e3,true,007\r\n7,"[3,4]",,,,\r\n"""7""","[5,6]",x,-0,false,12 \r\n';
  assert.equal(json(["import", db, file(t, "a.csv", text)]).imported, 3);
  assert.deepEqual(json(["get", db, "a", "7", '"7"']).records.map((r) => r.metadata), [
    { title: 'say "hi", you\nthere', n: 1500, flag: true, zip: "007" },
    {},
    { title: "x", n: -0, flag: false, zip: "12 " },
  ]);
  assert.deepEqual(vectors(db, "a", 7), [[1, 2], [3, 4]]);
  // What looks like a number and is beyond all doubles is text.
  ok(["import", db, file(t, "large.csv", 'id,vector,hash,n\nl,"[1,2]",1e999,-12e4567\n')]);
  assert.deepEqual(json(["get", db, "l"]).records[0].metadata, { hash: "1e999", n: "-12e4567" });
  const columns = database(t);
  assert.equal(json(["import", columns, file(t, "b.csv", "v1,v0,name\n2,1,a\n4,3,7\n"), "--id-field", "name"]).imported, 2);
  assert.deepEqual(vectors(columns, "a", 7), [[1, 2], [3, 4]]);
  // Columns whose names only look like numbered ones, up to the largest number there is.
  for (const name of ["v9223372036854775807", "v00", "v-1"]) {
    const like = database(t);
    ok(["import", like, file(t, "like.csv", `id,vector,v0,${name}\n1,"[1,2]",5,6\n`)]);
    assert.deepEqual(json(["get", like, "1"]).records[0].metadata, { v0: 5, [name]: 6 });
    assert.match(fails(10, ["import", database(t), file(t, "only.csv", `id,v0,${name},v2\n1,5,6,7\n`), "--vector-columns", "v"]).message, /the columns v0, v1, \.\.\. are not all there/);
  }
  const prefixed = database(t);
  ok(["import", prefixed, file(t, "c.csv", "x0,x1,v2\n1,2,3\n"), "--vector-columns", "x", "--strings"]);
  assert.deepEqual(json(["get", prefixed, "0"]).records[0].metadata, { v2: "3" });
});

test("there and back: JSON lines and CSV keep every record", { skip }, (t) => {
  const from = database(t), at = folder(t);
  const records = [];
  for (let i = 0; i < 2500; i++) {
    const id = i % 3 === 0 ? i : i % 3 === 1 ? `${i}` : `id "${i}", é\n\\`;
    records.push({ id, vector: [Math.sin(i), 1e-20 * i, i].map(Math.fround), ...(i % 5 ? { text: `t"${i}"\n,`, n: i / 7, deep: { a: [null, i] } } : {}) });
  }
  ok(["import", from, "-", "-f", "jsonl", "-m", "l2"], { input: records.map((r) => JSON.stringify(r)).join("\n") });
  assert.equal(json(["export", from, join(at, "a.jsonl")]).exported, 2500);
  const first = readFileSync(join(at, "a.jsonl"), "utf8");
  const byId = (list) => new Map(list.map((r) => [JSON.stringify(r.id), JSON.stringify(r)]).sort());
  const read = first.trim().split("\n").map((one) => JSON.parse(one));
  // The numbers of a vector are the shortest that are the same f32.
  assert.deepEqual(byId(read.map((r) => ({ ...r, vector: r.vector.map(Math.fround) }))), byId(records));
  for (const format of ["jsonl", "csv"]) {
    const to = database(t);
    ok(["export", from, join(at, `b.${format}`)]);
    assert.equal(json(["import", to, join(at, `b.${format}`), "-m", "l2"]).imported, 2500);
    assert.equal(ok(["export", to]), first, format);
  }
  // Zero keeps its sign, however it is written.
  const zeros = database(t);
  ok(["import", zeros, file(t, "zeros.jsonl", '{"id":1,"vector":[-0,0]}\n{"id":2,"vector":[-0.0,-0e0]}\n'), "-m", "l2"]);
  assert.equal(ok(["export", zeros]), '{"id":1,"vector":[-0,0]}\n{"id":2,"vector":[-0,-0]}\n');
});

test("there and back: fvecs and npy keep every vector, and the ids beside them", { skip }, (t) => {
  const from = database(t), at = folder(t);
  const rows = Array.from({ length: 1200 }, (_, i) => [Math.fround(Math.cos(i)), i, -i]);
  ok(["import", from, "-", "-f", "jsonl", "-m", "l2"], { input: rows.map((vector, i) => JSON.stringify({ id: i % 2 ? `s${i}` : i, vector })).join("\n") });
  const want = ok(["export", from]);
  for (const format of ["fvecs", "npy"]) {
    const to = database(t), path = join(at, `a.${format}`);
    ok(["export", from, path, "--ids", `${path}.ids`]);
    ok(["import", to, path, "--ids", `${path}.ids`, "-m", "l2"]);
    assert.equal(ok(["export", to]), want, format);
  }
  const head = readFileSync(join(at, "a.npy"));
  assert.equal((10 + head.readUInt16LE(8)) % 64, 0);
  assert.match(head.subarray(10, 128).toString("latin1"), /'shape': \(1200, 3\)/);
  assert.equal(readFileSync(join(at, "a.fvecs")).length, 1200 * 16);
  assert.match(fails(15, ["import", database(t), join(at, "a.npy"), "--ids", file(t, "ids", "1\n2\n")]).message, /fewer lines/);
});

test("export: nothing is overwritten, and nothing half is left", { skip }, (t) => {
  const db = database(t), at = folder(t);
  ok(["import", db, "-", "-f", "jsonl"], { input: '{"vector":[1,2]}\n{"vector":[3,4]}' });
  ok(["export", db, join(at, "a.jsonl")]);
  assert.match(fails(21, ["export", db, join(at, "a.jsonl")]).message, /--force/);
  ok(["export", db, join(at, "a.jsonl"), "--force", "--limit", "1"]);
  assert.equal(readFileSync(join(at, "a.jsonl"), "utf8"), '{"id":0,"vector":[1,2]}\n');
  fails(10, ["export", db, join(at, "a.txt")]);
  fails(10, ["export", db, join(at, "a.jsonl"), "--format", "xml"]);
  fails(20, ["export", db, join(at, "no", "where.jsonl")]);
  assert.deepEqual(readdirSync(at), ["a.jsonl"]);
});

test("a bad record stops the import at whole batches, and the message says where to go on", { skip }, (t) => {
  const db = database(t);
  const lines = Array.from({ length: 25 }, (_, i) => JSON.stringify({ id: i, vector: [i, 1] }));
  lines[17] = '{"id":17,"vector":[1]}';
  const path = file(t, "a.jsonl", lines.join("\n"));
  const { message } = fails(11, ["import", db, path, "--batch", "5"]);
  assert.match(message, /a\.jsonl, line 18: .*1 dimension, the collection has 2.*15 records before are written; go on with --skip 15/);
  assert.equal(ok(["count", db]), "15\n");
  lines[17] = '{"id":17,"vector":[17,1]}';
  writeFileSync(path, lines.join("\n"));
  assert.deepEqual(json(["import", db, path, "--batch", "5", "--skip", "15"]), { imported: 10, skipped: 15, collection: "default", created: false });
  assert.equal(ok(["count", db]), "25\n");
});

test("a bad record can be left out, whatever is wrong with it", { skip }, (t) => {
  const record = (i) => JSON.stringify({ id: i, vector: [i, 1] });
  for (const bad of ['{"id":1,"vector":[1]}', "rubbish", '{"id":1}', '{"id":{},"vector":[1,1]}', "\u0000", '{"id":1,"vector":"x"}']) {
    const path = file(t, "a.jsonl", ["", record(0), bad, "", record(2), record(3)].join("\n"));
    const db = database(t);
    assert.match(JSON.parse(omendb(["import", db, path, "--json"]).err).message, /line 3: .*Nothing was written; to leave this record out, import the 1 before it \(--skip 0 --limit 1\), then the rest \(--skip 2\); the database is there/, bad);
    ok(["import", db, path, "--limit", "1"]);
    assert.equal(json(["import", db, path, "--skip", "2"]).imported, 2);
    assert.deepEqual(json(["count", db]).count, 3);
    // The first of a new database: the dimensions are those of the first record that is taken.
    const first = file(t, "b.jsonl", [bad, record(2), record(3)].join("\n"));
    assert.deepEqual(json(["import", database(t), first, "--skip", "1"]), { imported: 2, skipped: 1, collection: "default", created: true });
  }
  for (const bad of ['1,[1]', "rubbish", '1,"[1,1]"x', '1,[1,1]', 'a"b,"[1,1]"', "\u0000,1", "1,2,3", '1,"[1]"']) {
    const path = file(t, "a.csv", ["id,vector", '0,"[0,1]"', bad, '2,"[2,1]"', '3,"[3,1]"', ""].join("\n"));
    const db = database(t);
    assert.match(JSON.parse(omendb(["import", db, path, "--batch", "1", "--json"]).err).message, /a\.csv, line 3: .*1 record before is written; go on with --skip 1; --skip 2 leaves this record out/, bad);
    assert.equal(json(["import", db, path, "--skip", "2"]).imported, 2, bad);
    assert.deepEqual(json(["count", db]).count, 3);
    const first = file(t, "b.csv", ["id,vector", bad, '2,"[2,1]"', ""].join("\n"));
    assert.deepEqual(json(["import", database(t), first, "--skip", "1"]), { imported: 1, skipped: 1, collection: "default", created: true });
  }
  assert.equal(json(["import", database(t), file(t, "c.jsonl", `${record(1)}\n${record(2)}`), "--skip", "7", "--dimensions", "2"]).skipped, 2);
  // Rows of binary files, and the ids beside them.
  const vectors = [[1, 2], [3, 4], [5, 6]];
  for (const [name, content] of [["a.fvecs", fvecs(vectors)], ["a.npy", npy(shape("<f4", 3, 2), Float32Array.of(1, 2, 3, 4, 5, 6))]]) {
    const db = database(t);
    ok(["import", db, file(t, name, content), "--ids", file(t, "ids", "a\n\nc\n"), "--skip", "2"]);
    assert.deepEqual(json(["get", db, "c", "--include-vector"]).records[0].vectors, { vector: [5, 6] });
    assert.equal(json(["count", db]).count, 1);
  }
});

test("an import that writes nothing leaves no collection behind", { skip }, (t) => {
  const db = database(t);
  const { message } = fails(13, ["import", db, file(t, "a.jsonl", '{"id":1,"vector":[0,0]}')]);
  assert.match(message, /Nothing was written; the database is there, without the collection "default"/);
  assert.deepEqual(json(["collections", db]).collections, []);
  assert.equal(json(["import", db, file(t, "a.jsonl", '{"id":1,"vector":[1,0,1]}')]).created, true);
});

test("files that are not what they say, or cut off, are refused before anything is made", { skip }, (t) => {
  const big = Buffer.alloc(4);
  big.writeInt32LE(0x7fffffff);
  const header = npy(shape("<f4", 2, 2), Float32Array.of(1, 2, 3, 4));
  const cases = [
    [10, "a.fvecs", big],
    [10, "a.fvecs", Buffer.from([0, 0, 0, 0])],
    [10, "a.fvecs", Buffer.from([1, 0])],
    [10, "a.fvecs", fvecs([[1, 2], [3, 4]]).subarray(0, 20)],
    [10, "a.npy", Buffer.from("not npy at all")],
    [10, "a.npy", Buffer.alloc(0)],
    [10, "a.npy", header.subarray(0, 9)],
    [10, "a.npy", header.subarray(0, 40)],
    [10, "a.npy", header.subarray(0, header.length - 1)],
    [10, "a.npy", npy(shape("<f4", 2, 2), Float32Array.of(1, 2, 3, 4), 4)],
    [10, "a.npy", npy(shape("<f4", "18446744073709551615", 2), Float32Array.of(1, 2))],
    [10, "a.npy", npy(shape("<f4", "99999999999999999999999", 2), Float32Array.of(1, 2))],
    [10, "a.npy", npy(shape("<f4", 4), Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy(shape("<f4", 2, 1, 2), Float32Array.of(1, 2, 3, 4))],
    [11, "a.npy", npy(shape("<f4", 2, 0), new Float32Array(0))],
    [11, "a.npy", npy(shape("<f4", 1, 70000), new Float32Array(70000))],
    [10, "a.npy", npy(shape(">f4", 2, 2), Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy(shape("<c8", 2, 2), Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy(shape("|O", 2, 2), Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy("{'descr': '<f4', 'shape': (2, 2)}", Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)", Float32Array.of(1, 2, 3, 4))],
    [10, "a.npy", npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 2)}", Float32Array.of(1, 2, 3, 4))],
    [10, "a.csv", ""],
    [10, "a.csv", "a,a\n1,2\n"],
    [10, "a.csv", Buffer.from([0xff, 0xfe, 0x2c, 0x41, 0x0a])],
    [10, "a.csv", 'id,vector\n1,"[1'],
    [10, "a.txt", "what"],
  ];
  for (const [status, name, content] of cases) {
    const db = database(t);
    const { message } = fails(status, ["import", db, file(t, name, content)]);
    assert.ok(message.length > 20, message);
    assert.equal(existsSync(db), false, `${name}: ${message}`);
  }
  fails(20, ["import", database(t), "/nowhere/x.npy"]);
  fails(10, ["import", database(t), folder(t), "--format", "npy"]);
  fails(10, ["import", database(t), "x.npy", "--format", "parquet"]);
});

test("bad records are refused with their line", { skip }, (t) => {
  const good = '{"id":1,"vector":[1,2]}\n';
  const cases = [
    [17, "a.jsonl", `${good}{"id":2,"vector":[1,2]`, /line 2: malformed JSON at byte/],
    [17, "a.jsonl", `${good}[1,2]\n`, /line 2: a record must be a JSON object/],
    [10, "a.jsonl", `${good}{"id":2}\n`, /line 2: the record has no vector "vector"/],
    [10, "a.jsonl", `${good}{"id":2,"vector":"[1,2]"}\n`, /line 2: "vector" is no array of numbers/],
    [10, "a.jsonl", `${good}{"id":2,"vector":[1,"2"]}\n`, /line 2/],
    [11, "a.jsonl", `${good}\n{"id":2,"vector":[1,2,3]}\n`, /line 3: "vector" has 3 dimensions, the collection has 2/],
    [15, "a.jsonl", `${good}{"id":1.5,"vector":[1,2]}\n`, /line 2: the id/],
    [15, "a.jsonl", `${good}{"id":"","vector":[1,2]}\n`, /line 2: the id/],
    [15, "a.jsonl", `${good}{"id":18446744073709551615,"vector":[1,2]}\n`, /line 2: the id/],
    [15, "a.jsonl", `${good}{"id":"${"x".repeat(513)}","vector":[1,2]}\n`, /line 2: the id/],
    [14, "a.jsonl", good + good, /1/],
    [12, "a.jsonl", `${good}{"id":2,"vector":[1e39,2]}\n`, /2/],
    [13, "a.jsonl", `${good}{"id":2,"vector":[0,0]}\n`, /2/],
    [12, "a.npy", npy(shape("<f4", 2, 2), Float32Array.of(1, 2, Number.NaN, 4)), /1/],
    [11, "a.fvecs", Buffer.concat([fvecs([[1, 2]]), Buffer.from(Int32Array.of(5).buffer), Buffer.alloc(8)]), /row 1: .*5 dimensions/],
    [10, "a.csv", "id,vector\n1,\"[1,2]\"\n2\n", /line 3: the row has 1 cells/],
    [10, "a.csv", 'id,vector\n1,"[1,2]"\n2,[1"2]\n', /line 3: .*quote/],
    [10, "a.csv", 'id,vector\n1,"[1,2]"\n2,"[1,2]"x\n', /line 3: .*quote/],
    [10, "a.csv", 'id,vector\n1,"[1,2]"\n2,"[1,2]\n', /line 3: .*closing quote/],
    [17, "a.csv", 'id,vector\n1,"[1,2]"\n2,"[1,x]"\n', /line 3: .*JSON array/],
    [11, "a.csv", 'id,vector\n1,"[1,2]"\n2,"[1]"\n', /line 3: .*1 dimension,/],
    [10, "a.csv", "id,v0,v1\n1,1,2\n2,1,two\n", /line 3: column "v1" holds "two"/],
    [17, "a.csv", 'id,vector,document\n1,"[1,2]",\n2,"[1,2]","[1]"\n', /line 3: .*document/],
    [10, "a.csv", Buffer.concat([Buffer.from('id,vector,t\n1,"[1,2]",a\n2,"[1,2]",'), Buffer.from([0xff])]), /line 3: .*UTF-8/],
  ];
  for (const [status, name, content, message] of cases) {
    const db = database(t);
    assert.match(fails(status, ["import", db, file(t, name, content)]).message, message);
    assert.deepEqual(json(["collections", db]).collections, []);
  }
});

test("what the options say must be what is there", { skip }, (t) => {
  const db = database(t);
  const path = file(t, "a.fvecs", fvecs([[1, 2]]));
  fails(11, ["import", db, path, "--dimensions", "3"]);
  ok(["import", db, path, "--dimensions", "2"]);
  fails(22, ["import", db, path, "--dimensions", "3"]);
  fails(22, ["import", db, path, "--metric", "l2"]);
  fails(11, ["import", db, file(t, "b.fvecs", fvecs([[1, 2, 3]]))]);
  fails(11, ["import", database(t), "-", "-f", "jsonl"], { input: '{"id":1,"text":"no vector"}' });
  for (const [option, value] of [["--limit", "0"], ["--batch", "x"], ["--batch", "0"], ["--skip", "-1"], ["--first-id", "1e3"], ["--mode", "replace"], ["--metric", "hamming"], ["--dimensions", "70000"]])
    fails(10, ["import", database(t), path, `${option}=${value}`]);
});

test("the progress bar goes to standard error, and only when it is wanted", { skip }, (t) => {
  const path = file(t, "a.fvecs", fvecs([[1, 2], [3, 4]]));
  const shown = omendb(["import", database(t), path, "--progress"]);
  assert.match(shown.err, /importing \[#+\] 100% {2}2 records/);
  assert.equal(shown.out, 'imported 2 records into "default"\n');
  assert.equal(omendb(["import", database(t), path]).err, "");
});
