// Bad arguments, bad databases, another writer, a full disk.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PROGRAM, fails, folder, json, notBuilt, ok, omendb, start } from "./fixtures/omendb.mjs";

const skip = notBuilt;

function filled(t, metric = "cosine") {
  const db = join(folder(t), "db");
  ok(["create", db, "-c", "c", "-d", "2", "-m", metric]);
  ok(["upsert", db, '{"id":"a","vector":[1,2],"t":"x"}']);
  return db;
}

test("arguments that do not fit", { skip }, (t) => {
  const db = filled(t);
  const { code, err } = omendb([]);
  assert.equal(code, 10);
  assert.match(err, /usage: omendb COMMAND/);
  for (const args of [
    ["nothing"], ["help", "nothing"], ["count"], ["count", db, "more"], ["count", db, "--colour"], ["count", db, "-x"], ["count", db, "-k", "1"],
    ["count", db, "--collection"], ["count", db, "--json=yes"], ["get", db], ["search", db], ["search", db, "--vector", "[1,2]", "--id", "a"],
    ["search", db, "--vector", "[1,2]", "-k", "0"], ["search", db, "--vector", "[1,2]", "-k", "100001"], ["search", db, "--vector", "[1,2]", "-k", "ten"],
    ["create", join(folder(t), "x"), "-c", "c"], ["create", join(folder(t), "x"), "-d", "0"], ["create", join(folder(t), "x"), "-d", "2", "-m", "x"],
    ["create", join(folder(t), "x"), "--vector-field", "a"], ["create", join(folder(t), "x"), "--vector-field", "a:0"], ["create", join(folder(t), "x"), "--vector-field", "a:1:x"],
    ["create", join(folder(t), "x"), "--database-id", "12"], ["count", db, "--durability", "always"],
  ]) fails(10, args);
  assert.match(omendb(["count", db, "--colour"]).err, /^omendb: OMEN_ERR_INVALID: .*--colour.*omendb help count/);
  assert.equal(ok(["count", "--", db]), "1\n");
});

test("what contradicts itself, or cannot be, is refused with both sides", { skip }, (t) => {
  const db = filled(t);
  for (const effort of ["--ef", "--nprobe"]) assert.match(fails(10, ["search", db, "--vector", "[1,2]", "--exact", effort, "5"]).message, new RegExp(`--exact .*${effort}`));
  fails(10, ["search", db, "--vector", "[1,2]", "--ef", "5", "--nprobe", "5"]);
  assert.match(fails(10, ["count", db, "--memory-bytes", "20MiB"]).message, /memory_bytes is 20971520, below pool_bytes, which is 67108864.*--memory-bytes/);
  const nowhere = join(folder(t), "nodir");
  assert.match(fails(20, ["upsert", nowhere, "{}"]).message, new RegExp(`omendb create ${nowhere}`));
  for (const [name, value] of [["OMENDB_LOG", "loud"], ["OMENDB_THREADS", "abc"], ["OMENDB_THREADS", "0"]]) {
    const { code, err } = omendb(["count", db], { env: { [name]: value } });
    assert.equal(code, 0);
    assert.match(err, new RegExp(`${name} is "${value}" and is left out of account`));
  }
  assert.equal(omendb(["count", db], { env: { OMENDB_LOG: "warn", OMENDB_THREADS: "2" } }).err, "");
  assert.equal(ok(["upsert", db, '{"id":"b","vector":[1,2]}']), "wrote 1 record\n");
  assert.match(ok(["explain", db, "--id", "a", "-k", "1"]), /^1 hit beside the record itself/m);
});

test("places that no database can be at, each with its reason", { skip }, (t) => {
  const root = folder(t);
  const file = join(root, "file");
  writeFileSync(file, "x");
  assert.match(fails(16, ["create", "", "-d", "2"]).message, /"" is empty or too long for a path/);
  assert.match(fails(16, ["create", join(root, "x".repeat(300)), "-d", "2"]).message, /x" is empty or too long for a path/);
  for (const at of [file, join(file, "below")]) assert.match(fails(51, ["create", at, "-d", "2"]).message, /is no folder, or lies below a file; choose another path/);
  assert.match(fails(20, ["create", "/proc/none", "-d", "2"]).message, /the folder "\/proc\/none" cannot be made there/);
});

test("what there is no permission for is told as that", { skip: skip || (process.getuid() !== 0 && "needs root, to become somebody else") }, (t) => {
  const db = filled(t);
  const somebody = (args) => spawnSync(PROGRAM, args, { uid: 65534, gid: 65534, encoding: "utf8" }).stderr;
  for (let at = db; at !== "/tmp" && at !== "/"; at = join(at, "..")) chmodSync(at, 0o755);
  if (spawnSync(PROGRAM, ["version"], { uid: 65534, gid: 65534 }).status !== 0) return t.skip("somebody else cannot start the program here");
  assert.match(somebody(["upsert", db, '{"id":"b","vector":[1,2]}']), /db" may not be opened for that: ask for the permission, or, where it is only read, open it for reading only/);
  assert.match(somebody(["create", `${db}-2`, "-d", "2"]), /db-2" may not be opened for that: ask for the permission/);
  for (const name of readdirSync(db)) if (name.startsWith("log-")) chmodSync(join(db, name), 0);
  assert.match(somebody(["count", db]), /cannot open log-[0-9a-f]+: there is no permission for that, or the file system is for reading only/);
});

test("names", { skip }, (t) => {
  const db = filled(t);
  for (const name of ["", "a b", "é", "x".repeat(129), "../x", "a/b"]) fails(16, ["create", db, "-c", name, "-d", "2"]);
  ok(["create", db, "-c", "x".repeat(128), "-d", "2"]);
});

test("records and vectors that do not fit leave everything as it was", { skip }, (t) => {
  const db = filled(t);
  const upsert = (status, ...records) => fails(status, ["upsert", db, ...records]).message;
  assert.match(upsert(11, '{"id":"b","vector":[1]}'), /record 1: .*1 dimension, the collection has 2/);
  assert.match(upsert(12, '{"id":"b","vector":[1e39,1]}'), /beyond 3\.4e38/);
  upsert(13, '{"id":"b","vector":[0,0]}');
  upsert(14, '{"id":"b","vector":[1,2]}', '{"id":"b","vector":[1,2]}');
  upsert(15, '{"vector":[1,2]}');
  upsert(15, '{"id":null,"vector":[1,2]}');
  upsert(17, '{"id":"b","vector":[1,2],}');
  upsert(17, '{"id":"b","vector":[1,2]} x');
  upsert(17, "");
  upsert(17, `{"id":"b","vector":[1,2],"d":${"[".repeat(80)}${"]".repeat(80)}}`);
  upsert(10, '{"id":"b"}');
  upsert(11, '{"id":"b","vector":[1,2]}', '{"id":"c","vector":[]}');
  assert.equal(ok(["count", db]), "1\n");
  fails(11, ["search", db, "--vector", "[1]"]);
  fails(11, ["search", db, "--vector", "[]"]);
  fails(11, ["search", db, "--vector", "7"]);
  fails(17, ["search", db, "--vector", "[1,"]);
  fails(17, ["search", db, "--vector", '[1,"x"]']);
  fails(12, ["search", db, "--vector", "[1,1e39]"]);
  fails(13, ["search", db, "--vector", "[0,0]"]);
  fails(20, ["search", db, "--id", "nobody"]);
  fails(20, ["count", db, "-c", "nobody"]);
  assert.equal(ok(["upsert", db], { input: "" }), "wrote 0 records\n");
});

test("l2 takes a zero vector", { skip }, (t) => {
  const db = filled(t, "l2");
  ok(["upsert", db, '{"id":"z","vector":[0,0]}']);
  assert.equal(json(["search", db, "--vector", "[0,0]"]).hits[0].id, "z");
});

test("no database, a file, a folder of somebody else's", { skip }, (t) => {
  const at = folder(t);
  for (const args of [["count"], ["stats"], ["check"], ["compact"], ["export"]]) fails(20, [...args, join(at, "none")]);
  assert.equal(existsSync(join(at, "none")), false);
  writeFileSync(join(at, "file"), "hello");
  fails(51, ["count", join(at, "file")]);
  fails(51, ["create", join(at, "file")]);
  mkdirSync(join(at, "mine"));
  writeFileSync(join(at, "mine", "letter.txt"), "dear");
  fails(51, ["create", join(at, "mine"), "-d", "2"]);
  assert.deepEqual(readdirSync(join(at, "mine")), ["letter.txt"]);
});

/** CRC32C, bit by bit. */
function crc32c(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

test("a database of a newer version", { skip }, (t) => {
  const db = filled(t);
  for (const name of readdirSync(db).filter((one) => one.startsWith("manifest"))) {
    const bytes = readFileSync(join(db, name));
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
    writeFileSync(join(db, name), bytes);
  }
  assert.match(fails(52, ["count", db]).message, /upgrade/);
  fails(52, ["upsert", db, '{"id":"b","vector":[1,2]}']);
});

test("damage is found and named", { skip }, (t) => {
  const db = filled(t);
  ok(["flush", db]);
  const segment = readdirSync(db).find((one) => one.startsWith("seg-"));
  const bytes = readFileSync(join(db, segment));
  for (let at = 0; at < bytes.length; at += 97) {
    const copy = join(folder(t), "copy");
    cpSync(db, copy, { recursive: true });
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 0x40;
    writeFileSync(join(copy, segment), damaged);
    const { code, err } = omendb(["check", copy]);
    assert.equal(code, 50, `byte ${at}: ${err}`);
    assert.match(err, new RegExp(segment), `byte ${at}`);
  }
  const copy = join(folder(t), "copy");
  cpSync(db, copy, { recursive: true });
  writeFileSync(join(copy, segment), bytes.subarray(0, bytes.length - 1));
  fails(50, ["check", copy]);
});

/** An import that waits for its input, with the database open. */
async function writer(t, db) {
  const child = start(["import", db, "-", "-f", "jsonl", "--batch", "1"]);
  t.after(() => child.kill("SIGKILL"));
  child.stdin.write('{"id":"w","vector":[3,4]}\n'.repeat(1));
  while (!existsSync(join(db, "lock"))) {
    assert.equal(child.exitCode, null, "the writer ended early");
    await sleep(5);
  }
  return child;
}

test("a second writer is refused, readers are not; the lock of a killed writer is no obstacle", { skip }, async (t) => {
  const db = filled(t);
  const child = await writer(t, db);
  assert.match(fails(30, ["upsert", db, '{"id":"b","vector":[1,2]}']).message, /open/);
  fails(30, ["compact", db]);
  assert.match(ok(["count", db]), /^[12]\n$/);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.ok(existsSync(join(db, "lock")));
  ok(["upsert", db, '{"id":"b","vector":[1,2]}']);
  assert.equal(existsSync(join(db, "lock")), false);
  ok(["check", db]);
});

test("a writer that ends well leaves no lock", { skip }, async (t) => {
  const db = filled(t);
  const child = await writer(t, db);
  child.stdin.end('{"id":"v","vector":[5,6]}\n');
  assert.deepEqual(await once(child, "exit"), [0, null]);
  assert.equal(existsSync(join(db, "lock")), false);
  assert.equal(ok(["count", db]), "3\n");
});

test("a disk that is full: what was acknowledged stays, and the message says so", { skip: skip || (process.platform !== "linux" && "needs a limit on the size of files") }, (t) => {
  const db = filled(t);
  const rows = Array.from({ length: 20000 }, (_, i) => `{"id":${i},"vector":[${i},1],"text":"${"x".repeat(100)}"}`).join("\n");
  // No file may grow above 256 KiB.
  const { status, stderr } = spawnSync("bash", ["-c", 'ulimit -f 256; exec "$0" "$@"', PROGRAM, "import", db, "-", "-f", "jsonl", "--batch", "20", "--json"], { input: rows });
  assert.equal(status, 41, stderr.toString());
  const { message } = JSON.parse(stderr.toString());
  const durable = Number(/go on with --skip (\d+)$/.exec(message)?.[1]);
  assert.ok(durable > 0, message);
  ok(["check", db]);
  const count = Number(ok(["count", db]));
  assert.ok(count - 1 >= durable && count < 20001, `${count} of ${durable}`);
  assert.equal((count - 1) % 20, 0, "whole batches");
  ok(["upsert", db, '{"id":"after","vector":[1,2]}']);
});

test("an export onto a full disk leaves no file", { skip: skip || (process.platform !== "linux" && "needs a limit on the size of files") }, (t) => {
  const db = filled(t), at = folder(t);
  ok(["import", db, "-", "-f", "jsonl"], { input: Array.from({ length: 5000 }, (_, i) => `{"id":${i},"vector":[${i},1],"text":"${"x".repeat(100)}"}`).join("\n") });
  const { status, stderr } = spawnSync("bash", ["-c", 'ulimit -f 64; exec "$0" "$@"', PROGRAM, "export", db, join(at, "out.jsonl")]);
  assert.equal(status, 41, stderr.toString());
  assert.deepEqual(readdirSync(at), []);
});

test("a reader that leaves early is an error, not a signal", { skip }, (t) => {
  const db = filled(t);
  ok(["import", db, "-", "-f", "jsonl"], { input: Array.from({ length: 5000 }, (_, i) => `{"id":${i},"vector":[${i},1],"text":"${"x".repeat(100)}"}`).join("\n") });
  const { status, stdout } = spawnSync("bash", ["-c", '"$0" export "$1" | head -c 10; exit ${PIPESTATUS[0]}', PROGRAM, db]);
  assert.ok([40, 41].includes(status), `exit ${status}`);
  assert.equal(stdout.toString().slice(0, 6), '{"id":');
});
