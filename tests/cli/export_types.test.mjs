// Export and import of 8-bit integers, bits and halves: what stands in the files, and that it comes back as it was.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fails, folder, json, notBuilt, ok } from "./fixtures/omendb.mjs";

const skip = notBuilt;
const ROWS = 1500;

/** The descr, the shape and the bytes of numbers of an npy file. */
function readNpy(path) {
  const all = readFileSync(path);
  const start = 10 + all.readUInt16LE(8);
  assert.equal(start % 64, 0);
  const [, descr, rows, width] = /^\{'descr': '([^']+)', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(all.subarray(10, start).toString("latin1"));
  return { descr, rows: Number(rows), width: Number(width), data: all.subarray(start) };
}

function npy(descr, rows, width, data) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${rows}, ${width}), }\n`;
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), Buffer.from([text.length, 0]), Buffer.from(text), Buffer.from(data)]);
}

function fvecs(rows) {
  return Buffer.concat(rows.map((row) => Buffer.concat([Buffer.from(Int32Array.of(row.length).buffer), Buffer.from(Float32Array.from(row).buffer)])));
}

const cases = {
  i8: { width: 3, dimensions: 3, metric: "l2", descr: "|i1", value: (i, d) => ((i * 7 + d * 101) % 256) - 128 },
  bit: { width: 4, dimensions: 32, metric: "hamming", descr: "|u1", value: (i, d) => (i * 11 + d * 67) % 256 },
  f16: { width: 5, dimensions: 5, metric: "ip", descr: "<f4", value: (i, d) => (i - 700) / 64 + d },
};

for (const [type, { width, dimensions, metric, descr, value }] of Object.entries(cases)) {
  const rows = Array.from({ length: ROWS }, (_, i) => Array.from({ length: width }, (_, d) => value(i, d)));

  /** A database of the rows in two fields, one of them of the type. */
  const filled = (cwd) => {
    const db = join(cwd, "from");
    ok(["create", db, "--collection", "c", "--vector-field", "other:2:l2", "--vector-field", `v:${dimensions}:${metric}:${type}`]);
    ok(["import", db, "-", "-f", "jsonl", "--field", "v"], { input: rows.map((v, id) => JSON.stringify({ id: id % 2 ? `s${id}` : id, other: [id, 1], v })).join("\n") });
    return db;
  };

  test(`npy of type ${type}: numbers of its own type, there and back`, { skip }, (t) => {
    const cwd = folder(t), db = filled(cwd);
    const path = join(cwd, "v.npy"), ids = join(cwd, "ids"), to = join(cwd, "to");
    assert.equal(json(["export", db, path, "--field", "v", "--ids", ids]).exported, ROWS);
    const file = readNpy(path);
    assert.deepEqual([file.descr, file.rows, file.width], [descr, ROWS, width]);
    assert.equal(file.data.length, ROWS * width * (descr === "<f4" ? 4 : 1));
    const read = { "|i1": (at) => file.data.readInt8(at), "|u1": (at) => file.data.readUInt8(at), "<f4": (at) => file.data.readFloatLE(4 * at) }[descr];
    const order = readFileSync(ids, "utf8").trim().split("\n").map((id) => Number(id.replace("s", "")));
    assert.deepEqual(order.map((_, i) => Array.from({ length: width }, (_, d) => read(i * width + d))), order.map((id) => rows[id]));

    assert.equal(json(["import", to, path, "--type", type, "--metric", metric, "--ids", ids]).imported, ROWS);
    const [field] = json(["collections", to]).collections[0].schema.vectors;
    assert.deepEqual([field.dimensions, field.metric, field.element], [dimensions, metric, type]);
    const again = join(cwd, "again.npy");
    ok(["export", to, again, "--ids", join(cwd, "ids2")]);
    assert.ok(readFileSync(again).equals(readFileSync(path)));
    assert.equal(readFileSync(join(cwd, "ids2"), "utf8"), readFileSync(ids, "utf8"));
    assert.equal(ok(["check", to]), ok(["check", db]).replace("from", "to"));
  });

  test(`fvecs of type ${type}: the same numbers as floats, there and back`, { skip }, (t) => {
    const cwd = folder(t), db = filled(cwd);
    const path = join(cwd, "v.fvecs"), ids = join(cwd, "ids"), to = join(cwd, "to");
    ok(["export", db, path, "--field", "v", "--ids", ids]);
    const order = readFileSync(ids, "utf8").trim().split("\n").map((id) => Number(id.replace("s", "")));
    assert.ok(readFileSync(path).equals(fvecs(order.map((id) => rows[id]))));
    assert.equal(json(["import", to, path, "--type", type, "--metric", metric, "--ids", ids]).imported, ROWS);
    ok(["export", to, join(cwd, "again.fvecs")]);
    assert.ok(readFileSync(join(cwd, "again.fvecs")).equals(readFileSync(path)));
    assert.deepEqual(json(["get", to, "0", "s1", "4", "--include-vector"]).records.map((r) => r.vectors.vector), [rows[0], rows[1], rows[4]]);
  });
}

test("npy: what is out of the range of the field's type is refused, with its row", { skip }, (t) => {
  const cwd = folder(t);
  const from = (name, descr, width, data) => {
    writeFileSync(join(cwd, name), npy(descr, data.length / width, width, new Uint8Array(data.buffer)));
    return join(cwd, name);
  };
  const wide = from("wide.npy", "|u1", 2, Uint8Array.of(1, 2, 3, 200));
  const signed = from("signed.npy", "|i1", 2, Int8Array.of(1, 2, 3, -1));
  assert.match(fails(10, ["import", join(cwd, "a"), wide, "--type", "i8", "--metric", "l2"]).message, /wide\.npy, row 1: .*has 200 at place 1; its type i8 takes integers from -128 to 127/);
  assert.match(fails(10, ["import", join(cwd, "b"), signed, "--type", "bit"]).message, /signed\.npy, row 1: .*has -1 at place 1; its type bit takes integers from 0 to 255/);
  ok(["create", join(cwd, "b"), "--dimensions", "16", "--type", "bit"]);
  assert.equal(fails(11, ["import", join(cwd, "b"), from("long.npy", "|u1", 3, Uint8Array.of(1, 2, 3))]).status, 11);
  assert.match(fails(10, ["import", join(cwd, "d"), "-", "-f", "jsonl", "--type", "i8", "--metric", "l2"], { input: '{"vector":[1]}\n{"vector":[1.5]}' }).message, /-, line 2: .*has 1\.5 at place 0/);
  // Wide integers that are within the range are the same numbers.
  ok(["import", join(cwd, "c"), from("i2.npy", "<i2", 2, Int16Array.of(-128, 127)), "--type", "i8", "--metric", "l2"]);
  assert.deepEqual(json(["get", join(cwd, "c"), "0", "--include-vector"]).records[0].vectors.vector, [-128, 127]);
});
