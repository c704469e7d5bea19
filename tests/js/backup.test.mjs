// Backups, restoring, clones and purges: the native engine and WebAssembly, folders, memory and an adapter that answers late; places of one engine are read by the other.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { NativeEngine, loadNative } from "../../js/dist/engine/native.js";
import { backups, open, removeBackup, restore } from "../../js/dist/platform/node.js";
import { fs } from "../../js/dist/storage/fs.js";
import { memory } from "../../js/dist/storage/memory.js";
import { slow } from "./slow.mjs";

const native = await loadNative(process.env.OMENDB_NATIVE || undefined).catch((error) => error);
const hasNative = native instanceof NativeEngine;
if (hasNative) await native.close();

const root = mkdtempSync(path.join(tmpdir(), "omendb-backup-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const folder = () => path.join(root, `place-${++count}`);

const DIMENSIONS = 8;
const vectorOf = (i, version) => Float32Array.from({ length: DIMENSIONS }, (_, d) => Math.fround(Math.sin(i * 31 + version * 7 + d) * 100));
const recordOf = (i, version) => ({ id: i % 2 === 0 ? i : `id-of-${i}`, vector: vectorOf(i, version), version, text: `secret-${i}-${version}` });
const records = (from, to, version) => Array.from({ length: to - from }, (_, i) => recordOf(from + i, version));

async function contents(db) {
  const c = await db.collection("c");
  const all = [];
  for await (const record of c.scroll({ include: ["metadata", "vector"] })) all.push(record);
  return all;
}

/** What differs between the runs: where a database and its backups are, and with which engine. */
const runs = {
  "wasm, folders": { engine: "wasm", place: () => folder() },
  "wasm, memory": (() => {
    const storage = memory();
    return { engine: "wasm", place: () => ({ name: folder(), storage }) };
  })(),
  "wasm, an adapter that answers late": (() => {
    let turns = 1;
    const storage = slow(memory(), (n) => (turns = (turns * 48271) % 2147483647) % n);
    return { engine: "wasm", place: () => ({ name: folder(), storage }) };
  })(),
  ...(hasNative ? { native: { engine: "native", place: () => folder() } } : {}),
};

const opening = (place, engine, more = {}) => (typeof place === "string" ? open(place, { engine, ...more }) : open(place.name, { engine, storage: place.storage, ...more }));

for (const [label, { engine, place }] of Object.entries(runs)) {
  test(`${label}: backups of several moments, while it is written`, async () => {
    const home = place();
    const target = place();
    const db = await opening(home, engine, { memtableBytes: 16384 });
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS } });
    const then = [];
    const reports = [];
    for (let moment = 0; moment < 3; moment++) {
      await c.upsert(records(moment * 100, moment * 100 + 150, moment));
      if (moment === 1) await db.flush();
      const seen = [];
      then.push(await contents(db));
      const copying = db.backup(target, { onProgress: (p) => seen.push(p) });
      const writing = c.upsert(records(moment * 100 + 50, moment * 100 + 60, moment + 10)); // is in it, or is not
      const report = await copying;
      await writing;
      reports.push(report);
      assert.equal(report.backup, moment + 1);
      assert.equal(report.databaseId, db.id);
      assert.ok(seen.length > 0 && seen.at(-1).doneBytes === seen.at(-1).totalBytes);
    }
    const list = await backups(target, { engine, verify: true });
    assert.deepEqual(list.map(({ backup, state }) => [backup, state]), [1, 2, 3].map((n) => [n, "complete"]));
    assert.ok(list.every(({ created }) => Math.abs(Date.now() - created) < 600_000));
    for (let moment = 0; moment < 3; moment++) {
      const to = place();
      await restore(target, to, { engine, backup: moment + 1 });
      const copy = await opening(to, engine);
      assert.equal(copy.id, db.id);
      await copy.check();
      const after10 = (all) => all.filter(({ version }) => version < 10);
      const found = await contents(copy);
      if (found.some(({ version }) => version === moment + 10)) assert.equal(found.filter(({ version }) => version === moment + 10).length, 10);
      else assert.deepEqual(found, then[moment]);
      assert.ok(after10(found).length > 0);
      await copy.close();
      await assert.rejects(restore(target, to, { engine }), { code: "OMEN_ERR_EXISTS" });
    }
    for (const backup of [undefined, null, 0, NaN, "2", 1.5]) await assert.rejects(removeBackup(target, backup, { engine }), /a backup's number is an integer from 1/);
    await assert.rejects(restore(target, place(), { engine, backup: 0 }), /a backup's number is an integer from 1/);
    assert.ok((await removeBackup(target, 2, { engine })) >= 1);
    assert.deepEqual((await backups(target, { engine })).map(({ backup }) => backup), [1, 3]);
    await assert.rejects(restore(target, place(), { engine, backup: 2 }), { code: "OMEN_ERR_NOT_FOUND" });
    await db.close();
  });

  test(`${label}: only what is new is copied, and a clone is another database`, async () => {
    const target = place();
    const db = await opening(place(), engine);
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS } });
    await c.upsert(records(0, 200, 1));
    await db.flush();
    const first = await db.backup(target);
    assert.equal(first.copiedFiles, first.files);
    const second = await db.backup(target);
    assert.equal(second.copiedFiles, 1);
    assert.ok(second.copiedBytes < 1000 && second.bytes > 5000);
    const twin = place();
    const report = await db.clone(twin);
    assert.notEqual(report.databaseId, db.id);
    await c.delete(0);
    const other = await opening(twin, engine);
    assert.equal(other.id, report.databaseId);
    assert.equal(await (await other.collection("c")).count(), 200);
    await (await other.collection("c")).upsert(records(300, 310, 1));
    await assert.rejects(other.backup(target), { code: "OMEN_ERR_FOREIGN" });
    await other.check();
    await other.close();
    await db.close();
  });

  test(`${label}: cancelled, and gone on with`, async () => {
    const target = place();
    const db = await opening(place(), engine);
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS } });
    await c.upsert(records(0, 100, 1));
    const before = AbortSignal.abort();
    await assert.rejects(db.backup(target, { signal: before }), { code: "OMEN_ERR_CANCELLED" });
    const controller = new AbortController();
    const copying = db.backup(target, { signal: controller.signal, onProgress: () => controller.abort() });
    await copying.catch((error) => assert.equal(error.code, "OMEN_ERR_CANCELLED"));
    await db.backup(target);
    const to = place();
    await restore(target, to, { engine });
    const copy = await opening(to, engine);
    assert.deepEqual(await contents(copy), await contents(db));
    await copy.close();
    await db.close();
  });

  test(`${label}: a purge leaves nothing`, async () => {
    const db = await opening(place(), engine, { memtableBytes: 16384 });
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS } });
    await c.upsert(records(0, 300, 1));
    await db.flush();
    await c.upsert(records(0, 40, 2));
    await c.delete("id-of-51");
    const report = await c.purge([4, "id-of-5", "id-of-51", 99_999]);
    assert.equal(report.deleted, 2);
    assert.ok(report.segmentsRewritten >= 1 && report.rowsScanned >= 297 && report.filesScanned >= 1);
    assert.equal(await c.count(), 297);
    assert.equal(await c.get("id-of-5"), undefined);
    assert.equal((await c.purge("id-of-5")).deleted, 0);
    await db.check();
    await db.close();
  });

  test(`${label}: wrong arguments are told`, async () => {
    const db = await opening(place(), engine);
    const c = await db.collection("c", { vector: { dimensions: DIMENSIONS } });
    await assert.rejects(db.backup(""), { code: "OMEN_ERR_INVALID" });
    await assert.rejects(db.backup(7), { code: "OMEN_ERR_INVALID" });
    await assert.rejects(db.backup({ name: "x", strage: "fs" }), /there is no option "strage"/);
    await assert.rejects(db.backup(folder(), { verfy: true }), /there is no option "verfy"/);
    await assert.rejects(restore(folder(), place(), { engine }), { code: "OMEN_ERR_NOT_FOUND" });
    await assert.rejects(c.purge([""]), { code: "OMEN_ERR_ID" });
    await db.close();
  });
}

test("places are the same for every engine, and damage is told", { skip: hasNative ? false : "no native engine" }, async () => {
  const target = folder();
  const db = await open(folder(), { engine: "native" });
  await (await db.collection("c", { vector: { dimensions: DIMENSIONS } })).upsert(records(0, 120, 1));
  await db.flush();
  await db.backup(target);
  const there = await contents(db);
  await db.close();
  const storage = memory();
  await restore(target, { name: "copy", storage }, { engine: "wasm" });
  const copy = await open("copy", { storage });
  assert.deepEqual(await contents(copy), there);
  const back = folder();
  await copy.backup({ name: back, storage: fs() });
  await copy.close();
  assert.deepEqual((await backups(back, { engine: "native", verify: true })).map(({ state }) => state), ["complete"]);
  const file = path.join(back, readdirSync(back).find((name) => name.startsWith("data-")));
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(file, bytes);
  for (const engine of ["native", "wasm"]) {
    await assert.rejects(restore(back, folder(), { engine }), { code: "OMEN_ERR_CORRUPT" });
    const [first] = await backups(back, { engine, verify: true });
    assert.equal(first.state, "damaged");
    assert.match(first.damage, /^data-[0-9a-f]{32} is damaged$/);
  }
});

test("messages name places that have no path", async () => {
  const storage = memory();
  const target = { name: "kept", storage };
  const db = await open("db", { storage });
  await (await db.collection("c", { vector: { dimensions: DIMENSIONS } })).upsert(records(0, 5, 1));
  await db.backup(target);
  await assert.rejects(db.clone(target), { code: "OMEN_ERR_FOREIGN", message: /"kept \(memory\)" holds / });
  await db.close();
  await restore(target, { name: "again", storage }, { engine: "wasm" });
  await assert.rejects(restore(target, { name: "again", storage }, { engine: "wasm" }), { code: "OMEN_ERR_EXISTS", message: /"again \(memory\)" holds a database already/ });
  await assert.rejects(removeBackup(target, 7, { engine: "wasm" }), { code: "OMEN_ERR_NOT_FOUND", message: /there is no backup 7 at "kept \(memory\)"/ });
});

test("nothing is put inside of a database's folder", async () => {
  for (const engine of hasNative ? ["wasm", "native"] : ["wasm"]) {
    const own = folder();
    const db = await open(own, { engine });
    await (await db.collection("c", { vector: { dimensions: DIMENSIONS } })).upsert(records(0, 5, 1));
    const inside = { code: "OMEN_ERR_INVALID", message: /lies inside of the folder of a database or of backups/ };
    const link = folder();
    symlinkSync(own, link);
    for (const to of [path.join(own, "copy"), path.join(own, "a", "b"), path.join(link, "copy")]) {
      await assert.rejects(db.backup(to), inside);
      await assert.rejects(db.clone(to), inside);
    }
    const target = folder();
    await db.backup(target);
    await assert.rejects(restore(target, path.join(own, "again"), { engine }), inside);
    await assert.rejects(restore(target, path.join(target, "again"), { engine }), inside, "backups with something strange among them are refused");
    await assert.rejects(db.clone(path.join(target, "a", "b")), inside);
    assert.equal((await db.backup(target)).backup, 2);
    await db.close();
    assert.ok(!existsSync(path.join(own, "copy")) && !existsSync(path.join(own, "a")));
  }
});

test("of an encrypted database: the copy is encrypted, or meant to be plain", async () => {
  const encryption = { key: new Uint8Array(32).fill(7) };
  for (const engine of hasNative ? ["wasm", "native"] : ["wasm"]) {
    let db;
    try {
      db = await open(folder(), { engine, encryption });
    } catch (error) {
      assert.equal(error.code, "OMEN_ERR_UNSUPPORTED"); // no libcrypto here
      continue;
    }
    await (await db.collection("c", { vector: { dimensions: DIMENSIONS } })).upsert(records(0, 50, 1));
    await db.flush();
    const target = folder();
    await assert.rejects(db.backup(target), { code: "OMEN_ERR_KEY", message: /the database is encrypted: give a key for the copy too/ });
    await db.backup({ name: target, encryption });
    for (const name of readdirSync(target)) if (name !== "lock") assert.ok(!readFileSync(path.join(target, name)).includes("id-of-"), name);
    const to = { name: folder(), encryption };
    await restore({ name: target, encryption }, to, { engine });
    const copy = await open(to.name, { engine, encryption });
    assert.deepEqual(await contents(copy), await contents(db));
    await copy.close();
    await assert.rejects(restore({ name: target, encryption: { key: new Uint8Array(32).fill(8) } }, folder(), { engine }), { code: "OMEN_ERR_KEY" });
    const unasked = folder();
    await assert.rejects(restore({ name: target, encryption }, unasked, { engine }), { code: "OMEN_ERR_KEY", message: /give a key for the restored database too .* or say that it is to be plain/ });
    assert.ok(!existsSync(unasked) || readdirSync(unasked).length === 0);
    await restore({ name: target, encryption }, unasked, { engine, plain: true });
    const restored = await open(unasked, { engine });
    assert.equal(await (await restored.collection("c")).count(), 50);
    await restored.close();
    const plain = folder();
    await assert.rejects(backups(target, { engine }), { code: "OMEN_ERR_KEY" });
    await assert.rejects(db.backup(target, { plain: true }), { code: "OMEN_ERR_KEY" });
    assert.deepEqual((await backups({ name: target, encryption }, { engine })).map(({ backup }) => backup), [1]);
    await db.clone(plain, { plain: true });
    const open2 = await open(plain, { engine });
    assert.equal(await (await open2.collection("c")).count(), 50);
    await open2.close();
    await db.close();
  }
});
