// Types of vectors, indexes, the effort of searches and explanations on the command line.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fails, folder, json, notBuilt, ok, omendb } from "./fixtures/omendb.mjs";

const skip = notBuilt;
const DIMENSIONS = 32;
const refused = (args, status, message) => assert.match(fails(status, args).message, message);

/** 5,000 random vectors as fvecs, reproducible. */
function fvecs(file, rows = 5000, dimensions = DIMENSIONS) {
  let state = 7;
  const bytes = new DataView(new ArrayBuffer(rows * (4 + dimensions * 4)));
  for (let r = 0, at = 0; r < rows; r++) {
    bytes.setUint32(at, dimensions, true);
    at += 4;
    for (let d = 0; d < dimensions; d++, at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes.setFloat32(at, state / 2 ** 31 - 1, true);
    }
  }
  writeFileSync(file, bytes);
  return file;
}

test("index: built with progress, used, changed; searches find what exact search finds", { skip }, (t) => {
  const cwd = folder(t);
  const db = join(cwd, "db");
  const base = fvecs(join(cwd, "base.fvecs"));
  ok(["import", db, base, "--metric", "l2", "--durability", "os", "--index", "hnsw", "--index-m", "12", "--index-ef", "60"]);
  assert.deepEqual(json(["collections", db]).collections[0].schema.vectors, [
    { name: "vector", dimensions: DIMENSIONS, metric: "l2", element: "f32", index: { kind: "hnsw", m: 12, efConstruction: 60 } },
  ]);
  for (const kind of ["hnsw", "ivf", "disk"]) {
    const { code, out, err } = omendb(["index", db, "--index", kind, "--progress", "--json"]);
    assert.equal(code, 0, err);
    const { indexes } = JSON.parse(out);
    assert.deepEqual([...new Set(indexes.map((one) => one.kind))], [kind]);
    assert.equal(indexes.reduce((sum, { rows }) => sum + rows, 0), 5000);
    assert.match(err, /default\.vector seg-\S+ \[#+\] 100%/);
    let found = 0;
    for (let row = 0; row < 20; row++) {
      const query = ["--vector-file", base, "--row", String(row), "--no-metadata"];
      const truth = json(["search", db, ...query, "--exact"]).hits;
      const near = json(["search", db, ...query, "--recall", "0.99"]).hits;
      assert.equal(near.length, 10);
      assert.deepEqual(near[0], { id: row, score: 1, distance: 0 });
      const by = new Map(truth.map(({ id, distance }) => [id, distance]));
      for (const { id, distance } of near) {
        if (by.has(id)) assert.equal(distance, by.get(id));
        found += by.has(id);
      }
      if (row === 0) {
        assert.deepEqual(json(["search", db, ...query, "--recall", "1"]).hits, truth);
        assert.equal(json(["search", db, ...query, ...(kind === "ivf" ? ["--nprobe", "65536"] : ["--ef", "1000"])]).hits.length, 10);
      }
    }
    assert.ok(found >= 180, `${kind}: ${found} of 200`);
    const explained = json(["explain", db, "--vector-file", base, "-k", "3"]);
    assert.equal(explained.k, 3);
    assert.ok(explained.sources.some((source) => source.index === kind && source.why === "asked for by name"));
    assert.match(ok(["explain", db, "--id", "1"]), new RegExp(`seg-\\S+: 5000 rows, ${kind} with (slack|nprobe) [\\d.]+: .*\\n    asked for by name`));
    assert.match(ok(["index", db]), new RegExp(`default\\.vector  seg-\\S+  ${kind}, 5000 rows, \\d+ bytes`));
    assert.match(ok(["stats", db]), new RegExp(`l2, f32, index ${kind}`));
  }
  assert.deepEqual(json(["index", db, "--index", "flat"]), { indexes: [] });
  assert.match(ok(["index", db]), /no index, 5000 rows: no index was asked for \(flat\)/);
  assert.equal(json(["index", db, "--index", "hnsw", "--no-build"]).indexes.length, 0);
  assert.equal(json(["index", db, "--index-bytes", "64MiB"]).indexes.length, 1);
  assert.match(ok(["check", db]), /in order/);
});

test("an index that could not be built is an error, and what serves instead is told", { skip }, (t) => {
  const cwd = folder(t);
  const db = join(cwd, "db");
  const base = fvecs(join(cwd, "base.fvecs"), 5000, 256);
  const little = ["--memory-bytes", "7MiB", "--pool-bytes", "1MiB"];
  ok(["create", db, "--dimensions", "256"]);
  assert.match(ok(["index", db]), /nothing to index yet/);
  ok(["import", db, base]);
  ok(["index", db, "--index", "flat"]);
  for (const before of ["no index", "hnsw"]) {
    const { code, out, err } = omendb(["index", db, "--index", "hnsw", "--index-m", before === "hnsw" ? "20" : "16", ...little]);
    assert.equal(code, 60, err);
    assert.match(err, /OMEN_ERR_MEMORY: an index could not be built: .*memory.*--memory-bytes/);
    assert.match(out, new RegExp(`${before}, 5000 rows.*${before === "hnsw" ? "of other parameters than are asked for now" : "could not be built"}`));
    if (before === "hnsw") assert.match(ok(["explain", db, "--id", "1"]), /hnsw with .*\n +of other parameters than are asked for now: it serves on/);
    ok(["index", db, "--index", "hnsw", "--index-m", "16"]);
  }
  assert.match(fails(61, ["index", db, "--index", "ivf", "--index-bytes", "100KiB"]).message, /could not be built: .*index_bytes.*--index-bytes/);
  assert.match(ok(["explain", db, "--vector-file", base, "--index-bytes", "100KiB"]), /flat\n +.*not built yet/);
  ok(["index", db, "--index", "hnsw"]);
  assert.match(ok(["explain", db, "--vector-file", base, "--index-bytes", "100KiB"]), /does not fit the memory for indexes.*\(it takes about \d+ bytes, index_bytes is 102400\)/);
  assert.equal(json(["explain", db, "--vector-file", base]).recall, 0.95);
});

test("auto goes back from what was asked for by name to what is best", { skip }, (t) => {
  const cwd = folder(t);
  const db = join(cwd, "db");
  ok(["import", db, fvecs(join(cwd, "base.fvecs"), 5000, 256)]);
  for (const kind of ["disk", "ivf"]) {
    assert.equal(json(["index", db, "--index", kind]).indexes[0].kind, kind);
    assert.match(ok(["index", db, "--index", "auto"]), /hnsw, 5000 rows, .*it is the fastest/);
    assert.match(ok(["explain", db, "--id", "1"]), /hnsw with .*\n.*it is the fastest/);
  }
});

test("check tells damage in the file of an index, and that nothing is lost", { skip }, (t) => {
  const cwd = folder(t);
  const db = join(cwd, "db");
  ok(["import", db, fvecs(join(cwd, "base.fvecs"))]);
  for (const kind of ["hnsw", "ivf", "disk"]) {
    ok(["index", db, "--index", kind]);
    const name = readdirSync(db).find((one) => one.startsWith("seg-4"));
    const bytes = readFileSync(join(db, name));
    for (const at of [0, 100, Math.floor(bytes.length / 2), bytes.length - 20, bytes.length - 1, -1]) {
      if (at < 0) rmSync(join(db, name));
      else writeFileSync(join(db, name), bytes.with(at, bytes[at] ^ 0x10));
      const { message } = fails(50, ["check", db]);
      assert.ok(message.includes(name), `${kind}, byte ${at}: ${message}`);
      if (kind !== "disk" || at < 0) assert.match(message, /no record is lost.*omendb index/);
    }
    ok(["index", db]);
    assert.match(ok(["check", db]), /in order/);
    assert.equal(json(["index", db]).indexes[0].kind, kind);
  }
});

test("vectors of every type go in, are found and come out again", { skip }, (t) => {
  const cwd = folder(t);
  const db = join(cwd, "db");
  ok(["create", db, "--collection", "c", "--vector-field", "h:2:l2:f16", "--vector-field", "i:2:ip:i8", "--vector-field", "b:16:hamming:bit"]);
  assert.match(ok(["collections", db]), /h: 2 dimensions, l2, f16, index auto {2}i: 2 dimensions, ip, i8, index auto {2}b: 16 dimensions, hamming, bit, index auto/);
  ok(["upsert", db, '{"id":1,"h":[0.1,2],"i":[-128,127],"b":[15,0]}', '{"id":2,"h":[1,2],"i":[1,1],"b":[0,255]}']);
  const vectors = (id) => json(["get", db, id, "--include-vector"]).records[0].vectors;
  assert.deepEqual(vectors("1"), { h: [0.099975586, 2], i: [-128, 127], b: [15, 0] });
  assert.match(ok(["get", db, "2", "--include-vector"]), /b: \[0, 255\]/);
  const [hit] = json(["search", db, "--field", "b", "--vector", "[14, 0]", "-k", "1", "--include-vector"]).hits;
  assert.deepEqual(hit, { id: 1, score: 0.9375, distance: 1, metadata: {}, vector: [15, 0] });
  assert.deepEqual(json(["search", db, "--field", "i", "--vector", "[1, 0]"]).hits.map(({ id, distance }) => [id, distance]), [[2, -1], [1, 128]]);
  assert.deepEqual(json(["search", db, "--field", "i", "--id", "1"]).hits.map(({ id }) => id), [2]);

  // Files: JSON lines and CSV hold all fields, npy one.
  for (const format of ["jsonl", "csv"]) {
    const file = join(cwd, `all.${format}`);
    ok(["export", db, file]);
    const copy = join(cwd, `copy-${format}`);
    ok(["create", copy, "--collection", "c", "--vector-field", "h:2:l2:f16", "--vector-field", "i:2:ip:i8", "--vector-field", "b:16:hamming:bit"]);
    ok(["import", copy, file, "--field", "h"]);
    assert.deepEqual(json(["get", copy, "1", "2", "--include-vector"]), json(["get", db, "1", "2", "--include-vector"]));
  }
  ok(["export", db, join(cwd, "b.npy"), "--field", "b"]);
  assert.match(readFileSync(join(cwd, "b.npy"), "latin1"), /'shape': \(2, 2\)/);
  const bits = join(cwd, "bits");
  ok(["import", bits, join(cwd, "b.npy"), "--type", "bit", "--first-id", "1"]);
  assert.deepEqual(json(["collections", bits]).collections[0].schema.vectors, [{ name: "vector", dimensions: 16, metric: "hamming", element: "bit", index: { kind: "auto" } }]);
  assert.deepEqual(json(["get", bits, "2", "--include-vector"]).records[0].vectors, { vector: [0, 255] });

  refused(["upsert", db, '{"id":3,"h":[1,2],"i":[128,0],"b":[0,0]}'], 10, /"i" has 128 at place 0; its type i8 takes integers from -128 to 127/);
  refused(["upsert", db, '{"id":3,"h":[1,2],"i":[1,0.5],"b":[0,0]}'], 10, /"i" has 0\.5 at place 1/);
  refused(["upsert", db, '{"id":3,"h":[1,2],"i":[1,0],"b":[0,256]}'], 10, /"b" has 256 at place 1; its type bit takes integers from 0 to 255/);
  refused(["upsert", db, '{"id":3,"h":[1,2],"i":[1,0],"b":[0]}'], 11, /"b" has 1 byte, the collection has 2/);
  refused(["upsert", db, '{"id":3,"h":[1,70000],"i":[1,0],"b":[0,0]}'], 12, /./);
  refused(["search", db, "--field", "i", "--vector", "[300, 0]"], 10, /"i" has 300 at place 0/);
  refused(["search", db, "--field", "b", "--vector", "[1]"], 11, /8 dimensions/);
  assert.equal(json(["count", db]).count, 2);
});

test("bad parameters are refused with their range, before anything is made", { skip }, (t) => {
  const db = join(folder(t), "db");
  const create = (...more) => ["create", db, "--dimensions", "8", ...more];
  refused(create("--type", "f64"), 10, /--type is "f64"; it must be f32, f16, i8 or bit/);
  refused(create("--metric", "near"), 10, /--metric is "near"; it must be cosine, l2 or ip, or for bits hamming/);
  refused(create("--index", "tree"), 10, /--index is "tree"; it must be auto, flat, hnsw, ivf or disk/);
  for (const m of ["3", "129", "x"]) refused(create("--index", "hnsw", "--index-m", m), 10, /--index-m is .*from 4 to 128/);
  for (const ef of ["7", "2001"]) refused(create("--index", "disk", "--index-ef", ef), 10, /from 8 to 2000/);
  for (const lists of ["0", "65537"]) refused(create("--index", "ivf", "--index-lists", lists), 10, /from 1 to 65536/);
  for (const bits of ["0", "9"]) refused(create("--index", "ivf", "--index-codec", "rabitq", "--index-bits", bits), 10, /from 1 to 8/);
  refused(create("--index", "ivf", "--index-codec", "zip"), 10, /--index-codec is "zip"/);
  refused(create("--index", "ivf", "--index-m", "16"), 10, /of graphs/);
  refused(create("--index", "hnsw", "--index-lists", "16"), 10, /of ivf/);
  refused(create("--index-lists", "16"), 10, /give --index ivf/);
  refused(create("--index", "ivf", "--index-bits", "4"), 10, /rabitq/);
  refused(["create", db, "--vector-field", "a:8:l2:f64"], 10, /NAME:DIMENSIONS:METRIC:TYPE/);
  refused(["count", db], 20, /./);
  refused(create("--type", "bit", "--metric", "l2"), 10, /hamming/);
  refused(["create", db, "--dimensions", "9", "--type", "bit"], 10, /multiple of 8/);
  ok(["create", db, "--collection", "c", "--vector-field", "a:2:l2", "--vector-field", "b:2:l2"]);
  const search = (...more) => ["search", db, "--field", "a", "--vector", "[1, 2]", ...more];
  for (const recall of ["0", "1.1", "-1", "most", "0.5x", "nan"]) refused(search(`--recall=${recall}`), 10, /--recall is .*above 0, at most 1/);
  for (const ef of ["0", "100001"]) refused(search("--ef", ef), 10, /from 1 to 100000/);
  for (const nprobe of ["0", "65537"]) refused(search("--nprobe", nprobe), 10, /from 1 to 65536/);
  refused(["explain", db, "--field", "a"], 10, /give what to search for/);
  refused(["index", db, "--index", "hnsw"], 10, /fields "a", "b"; say which with --field/);
  refused(["index", db, "--field", "a"], 10, /give --index KIND/);
  refused(["index", db, "--index", "hnsw", "--field", "z"], 10, /no vector field "z"/);
  refused(["index", db, "--index", "hnsw", "--collection", "z"], 20, /no collection "z"/);
  refused(["index", db, "--read-only"], 31, /reading only/);
  refused(["count", db, "--index-bytes", "much"], 10, /--index-bytes is "much"/);
  refused(["import", db, "x.jsonl", "--index", "tree"], 10, /./);
});
