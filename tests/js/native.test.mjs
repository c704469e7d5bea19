// The native engine: the same tests as every other, and what only it has: threads, cancellation, environments that end.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { NativeEngine, loadNative } from "../../js/dist/engine/native.js";
import { open } from "../../js/dist/platform/node.js";
import { decodeResponse, encodeRequest } from "../../js/dist/wire.js";
import { suite } from "./suite.mjs";

const named = process.env.OMENDB_NATIVE || undefined;
const engine = await loadNative(named).catch((error) => error);
const skip = engine instanceof NativeEngine ? false : `no native engine: ${engine.message}`;
if (!skip) await engine.close();

const root = mkdtempSync(path.join(tmpdir(), "omen-native-"));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;
const place = () => path.join(root, `db-${++places}`);

if (skip) test("the native engine", { skip }, () => {});
else {
  suite("native", () => ({ name: place(), options: { engine: "native" } }));
  suite("native, every write synced", () => ({ name: place(), options: { engine: "native", durability: "full", memtableBytes: 8192 } }));
}

const records = (from, count, dimensions = 8) =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, vector: Float32Array.from({ length: dimensions }, (__, d) => Math.cos((from + i) * (d + 1))), n: from + i }));

test("it is what is taken where it fits", { skip }, async () => {
  const name = place();
  const db = await open(name);
  const stats = await db.stats();
  await db.close();
  assert.notEqual(stats.kernels, "simd128");
  assert.notEqual(stats.kernels, "relaxed");
});

test("calls begin in the order they are made, and a read sees the writes before it and none behind it", { skip }, async () => {
  const db = await open(place(), { engine: "native" });
  const c = await db.collection("c", { vector: { dimensions: 8 } });
  for (let round = 0; round < 30; round++) {
    const counts = [];
    const writes = [];
    for (let i = 0; i < 10; i++) {
      counts.push(c.count());
      writes.push(c.upsert(records(round * 100 + i * 10, 10)));
    }
    counts.push(c.count());
    const before = round * 100;
    assert.deepEqual(await Promise.all(counts), Array.from({ length: 11 }, (_, i) => before + i * 10));
    await Promise.all(writes);
  }
  await Promise.all(Array.from({ length: 50 }, (_, i) => c.upsert([{ id: "same", vector: new Float32Array(8).fill(i + 1), i }])));
  assert.equal((await c.get("same")).i, 49);
  await db.close();
});

test("many searches and writes at once give what one after the other gives", { skip }, async () => {
  const name = place();
  const db = await open(name, { engine: "native", memtableBytes: 65536 });
  const c = await db.collection("c", { vector: { dimensions: 8, metric: "l2" } });
  await c.upsert(records(0, 3000));
  const queries = records(100000, 40);
  const alone = [];
  for (const { vector } of queries) alone.push(await c.search({ vector, topK: 5 }));
  const writes = Array.from({ length: 40 }, (_, i) => c.upsert(records(500000 + i * 50, 50).map((r) => ({ ...r, vector: r.vector.map((x) => x + 1000) }))));
  const together = await Promise.all(queries.map(({ vector }) => c.search({ vector, topK: 5 })));
  assert.deepEqual(together, alone);
  await Promise.all(writes);
  assert.equal(await c.count(), 5000);
  await db.compact();
  assert.equal(await c.count(), 5000);
  await db.close();
});

test("large answers are whole", { skip }, async () => {
  const db = await open(place(), { engine: "native" });
  const c = await db.collection("c", { vector: { dimensions: 64, metric: "l2" } });
  const all = records(0, 5000, 64);
  await c.upsert(all);
  for (let round = 0; round < 5; round++) {
    const got = await c.get(all.map((r) => r.id), { include: ["metadata", "vector"] });
    assert.equal(got.length, 5000);
    for (const i of [0, 17, 2500, 4999]) assert.deepEqual(got[i], all[i]);
  }
  await db.close();
});

test("the event loop turns while the database works", { skip }, async () => {
  const db = await open(place(), { engine: "native" });
  const c = await db.collection("c", { vector: { dimensions: 64, metric: "l2" } });
  for (let i = 0; i < 10; i++) await c.upsert(records(i * 2000, 2000, 64));
  const { vector } = records(7, 1, 64)[0];
  // On a busy machine this thread may have to wait until the others have done their work; not every time.
  let most = 0;
  for (let round = 0; round < 100 && most <= 3; round++) {
    await c.upsert(records(round * 2000, 2000, 64));
    let turns = 0;
    let working = true;
    const turn = () => {
      turns++;
      if (working) setTimeout(turn);
    };
    setTimeout(turn);
    await Promise.all([...Array.from({ length: 20 }, () => c.search({ vector, topK: 10 })), db.compact()]);
    working = false;
    most = Math.max(most, turns);
  }
  assert.ok(most > 3, `at most ${most} turns`);
  await db.close();
});

test("a call that is aborted is answered at once; one that had not begun never does", { skip }, async () => {
  const db = await open(place(), { engine: "native" });
  const c = await db.collection("c", { vector: { dimensions: 8 } });
  const early = new AbortController();
  early.abort();
  await assert.rejects(c.upsert(records(0, 1), { signal: early.signal }), { code: "OMEN_ERR_CANCELLED" });
  assert.equal(await c.count(), 0);
  const late = new AbortController();
  const writes = Array.from({ length: 200 }, (_, i) => c.upsert(records(i * 100, 100), { signal: late.signal }).then(() => "written", (error) => error.code));
  late.abort();
  const outcomes = await Promise.all(writes);
  assert.deepEqual([...new Set(outcomes)], ["OMEN_ERR_CANCELLED"]);
  const there = await c.count();
  assert.equal(there % 100, 0);
  await c.upsert(records(1e6, 1));
  assert.equal(await c.count(), there + 1);
  await db.close();
});

test("closing waits for what is under way, and then nothing more is taken", { skip }, async () => {
  const one = await loadNative(named);
  const ask = async (request, parts) => decodeResponse(await one.call(encodeRequest(request, parts)));
  const { json: { db } } = await ask({ op: "open", path: place(), options: {} });
  const statuses = [];
  for (let i = 0; i < 20; i++) ask({ op: "flush", db }).then(({ status }) => statuses.push(status));
  await one.close();
  await setImmediate();
  assert.deepEqual(statuses, Array(20).fill(0));
  await one.close();
  await assert.rejects(one.call(encodeRequest({ op: "version" })), { code: "OMEN_ERR_CLOSED" });
});

test("what is no request is answered, not believed", { skip }, async () => {
  const one = await loadNative(named);
  for (const bytes of [new Uint8Array(0), new Uint8Array(15), new Uint8Array(1000).fill(255), encodeRequest({ op: "nothing" }), encodeRequest({ op: 7 })]) {
    const { status, json } = decodeResponse(await one.call(bytes));
    assert.notEqual(status, 0);
    assert.match(json.code, /^OMEN_ERR_/);
  }
  await one.close();
});

test("the addon refuses what is no engine", { skip }, () => {
  const require = createRequire(import.meta.url);
  const addon = require(named ?? Object.keys(require.cache).find((file) => file.endsWith(".node")));
  const handle = addon.create();
  for (const args of [[], [handle], [handle, "x", 1], [handle, new Uint8Array(1)], [{}, new Uint8Array(1), 1], [handle, new Float32Array(1), 1]]) assert.throws(() => addon.call(...args), /call takes/);
  for (const args of [[], [1], [{}]]) assert.throws(() => addon.destroy(...args), /destroy takes/);
  addon.destroy(handle);
  assert.throws(() => addon.destroy(handle), /destroy takes/);
  assert.throws(() => addon.call(handle, new Uint8Array(1), 1), /call takes/);
  addon.cancel(handle, 1);
});

test("a second writer is refused, in this process and in another, by either engine", { skip }, async () => {
  const name = place();
  const db = await open(name, { engine: "native" });
  for (const other of ["native", "wasm"]) await assert.rejects(open(name, { engine: other }), { code: "OMEN_ERR_BUSY" });
  const code = `import { open } from ${JSON.stringify(new URL("../../js/dist/platform/node.js", import.meta.url).href)};
    for (const engine of ["native", "wasm"]) await open(${JSON.stringify(name)}, { engine }).then(() => console.log("opened"), (e) => console.log(e.code));`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code]);
  assert.equal(stdout.toString(), "OMEN_ERR_BUSY\nOMEN_ERR_BUSY\n");
  const reader = await open(name, { engine: "native", readOnly: true });
  await reader.close();
  await db.close();
  const wasm = await open(name, { engine: "wasm" });
  await assert.rejects(open(name, { engine: "native" }), { code: "OMEN_ERR_BUSY" });
  await wasm.close();
  await (await open(name, { engine: "native" })).close();
});

test("both engines make the same files and give the same hits", { skip }, async () => {
  const names = { native: place(), wasm: place() };
  const hits = {};
  for (const [kind, name] of Object.entries(names)) {
    const db = await open(name, { engine: kind, databaseId: "000102030405060708090a0b0c0d0e0f" });
    const c = await db.collection("c", { vector: { dimensions: 33, metric: "cosine" } });
    await c.upsert(records(0, 700, 33));
    await c.delete([3, 5, 8]);
    await db.flush();
    await c.upsert(records(650, 100, 33));
    await db.flush();
    hits[kind] = [];
    for (const { vector } of records(5000, 20, 33)) hits[kind].push(await c.search({ vector, topK: 20, include: ["metadata", "vector"] }));
    await db.compact();
    await db.close();
  }
  assert.deepEqual(hits.native, hits.wasm);
  const segments = (name) => readdirSync(name).filter((file) => file.startsWith("seg-")).sort();
  assert.deepEqual(segments(names.native), segments(names.wasm));
  assert.ok(segments(names.native).length > 0);
  for (const file of segments(names.native)) assert.deepEqual(readFileSync(path.join(names.native, file)), readFileSync(path.join(names.wasm, file)), file);
  // And each opens what the other wrote.
  for (const [kind, name] of [["wasm", names.native], ["native", names.wasm]]) {
    const db = await open(name, { engine: kind });
    assert.equal(await (await db.collection("c")).count(), 747);
    await db.close();
  }
});

test("a worker that is terminated lets its databases go", { skip }, async () => {
  const name = place();
  const code = `
    import { parentPort, workerData } from "node:worker_threads";
    const { open } = await import(workerData.module);
    const db = await open(workerData.name, { engine: "native" });
    const c = await db.collection("c", { vector: { dimensions: 8 } });
    await c.upsert([{ id: 1, vector: new Float32Array(8).fill(1) }]);
    parentPort.postMessage("open");
    for (let i = 2; ; i++) await Promise.all([c.upsert([{ id: i, vector: new Float32Array(8).fill(i) }]), c.count(), c.search({ vector: new Float32Array(8).fill(1) })]);`;
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(code, { eval: true, type: "module", workerData: { name, module: new URL("../../js/dist/platform/node.js", import.meta.url).href } });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await sleep(round * 5);
    await worker.terminate();
    assert.equal(existsSync(path.join(name, "lock")), false);
    const db = await open(name, { engine: "native" });
    assert.ok((await (await db.collection("c")).count()) >= 1);
    await db.close();
  }
});

const runs = (code, env = {}) => spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", `import { open } from ${JSON.stringify(new URL("../../js/dist/platform/node.js", import.meta.url).href)};\n${code}`], { env: { ...process.env, ...env }, timeout: 600_000 });

test("an open database keeps no program running, and no end of the program is in the way of the next one", { skip }, async () => {
  for (const end of ["", "process.exit(0);", "process.exitCode = 0; await db.flush();"]) {
    const name = place();
    const { status, signal, stderr } = runs(`const db = await open(${JSON.stringify(name)}, { engine: "native" });
      const c = await db.collection("c", { vector: { dimensions: 2 } });
      await c.upsert([{ id: 1, vector: [1, 2] }]); ${end}`);
    assert.deepEqual([status, signal], [0, null], stderr.toString());
    // process.exit() ends the program without taking its environment apart; then the lock is known to be a dead one's.
    if (!end.startsWith("process.exit(")) assert.equal(existsSync(path.join(name, "lock")), false);
    const db = await open(name, { engine: "native" });
    assert.equal(await (await db.collection("c")).count(), 1);
    await db.close();
  }
});

test("a program may end with calls under way", { skip }, async () => {
  const name = place();
  const { status, signal, stderr } = runs(`const db = await open(${JSON.stringify(name)}, { engine: "native" });
    const c = await db.collection("c", { vector: { dimensions: 2 } });
    for (let i = 0; i < 500; i++) { c.upsert([{ id: i, vector: [1, i] }]); c.count(); }
    await new Promise((resolve) => setImmediate(resolve));
    process.exit(0);`);
  assert.deepEqual([status, signal], [0, null], stderr.toString());
  const db = await open(name, { engine: "native" });
  await db.check();
  await db.close();
});

test("a database that is forgotten is closed by garbage collection", { skip }, async () => {
  const name = place();
  const { status, stdout, stderr } = runs(`
    import { existsSync } from "node:fs";
    const lock = ${JSON.stringify(path.join(name, "lock"))};
    await (async () => { const db = await open(${JSON.stringify(name)}, { engine: "native" }); await db.stats(); console.log(existsSync(lock)); })();
    for (let i = 0; i < 10_000 && existsSync(lock); i++) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
    console.log(existsSync(lock));`);
  assert.equal(status, 0, stderr.toString());
  assert.equal(stdout.toString(), "true\nfalse\n");
});

test("the acknowledged writes of a killed program are there", { skip }, async () => {
  const name = place();
  const child = spawn(process.execPath, ["--input-type=module", "-e", `import { open } from ${JSON.stringify(new URL("../../js/dist/platform/node.js", import.meta.url).href)};
    const db = await open(${JSON.stringify(name)}, { engine: "native", memtableBytes: 65536 });
    const c = await db.collection("c", { vector: { dimensions: 8 } });
    for (let i = 0; ; i++) { await c.upsert(Array.from({ length: 10 }, (_, k) => ({ id: i * 10 + k, vector: new Float32Array(8).fill(i + 1) }))); console.log(i); }`], { stdio: ["ignore", "pipe", "inherit"] });
  let last = -1;
  child.stdout.on("data", (data) => (last = Number(data.toString().trim().split("\n").at(-1))));
  while (last < 300) await sleep(5);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
  const db = await open(name, { engine: "native" });
  const c = await db.collection("c");
  const count = await c.count();
  assert.ok(count >= (last + 1) * 10, `${count} records, ${last + 1} batches acknowledged`);
  assert.equal(count % 10, 0);
  await db.check();
  await db.close();
});

test("an addon that is named and not there, or is none, is an error; auto takes WebAssembly and says so", () => {
  const run = (engine) => runs(`const db = await open(${JSON.stringify(place())}, { engine: "${engine}" }).catch((e) => e); console.log(db.code ?? (await db.stats()).kernels); await db.close?.();`, { OMENDB_NATIVE: import.meta.filename ?? process.argv[1] });
  assert.match(run("native").stdout.toString(), /^OMEN_ERR_/);
  const auto = run("auto");
  assert.match(auto.stdout.toString(), /^(simd128|relaxed|scalar)\n$/, auto.stderr.toString());
  assert.match(auto.stderr.toString(), /native engine.*WebAssembly/s);
});
