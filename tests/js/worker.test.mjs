// The engine that forwards to a worker, with a thread of Node.js as the worker.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { Worker } from "node:worker_threads";
import { Connection } from "../../js/dist/connection.js";
import { WorkerEngine } from "../../js/dist/engine/worker.js";
import { createOpen } from "../../js/dist/open.js";
import { decodeAnswer, encodeRequest } from "../../js/dist/wire.js";

const module = new WebAssembly.Module(readFileSync(new URL("../../js/dist/omendb.wasm", import.meta.url)));

// A test that fails must not leave a thread behind, which would keep the process alive.
const threads = [];
afterEach(() => Promise.all(threads.splice(0).map((worker) => worker.terminate())));

/** A thread with the interface of a browser's worker. */
function thread() {
  const worker = new Worker(new URL("./fixtures/worker-thread.mjs", import.meta.url));
  threads.push(worker);
  const like = {
    onmessage: null,
    onerror: null,
    postMessage: (message, transfer) => worker.postMessage(message, transfer),
    terminate: () => worker.terminate(),
  };
  worker.on("message", (data) => like.onmessage?.({ data }));
  worker.on("error", (error) => like.onerror?.({ message: error.message, preventDefault() {} }));
  return { worker, like };
}

async function start(language) {
  const { worker, like } = thread();
  const engine = new WorkerEngine(like, module, undefined, language);
  await engine.started;
  return { engine, worker, like };
}

const platform = {
  name: "this test",
  defaultStorage: () => "memory",
  storages: {},
  readText: async () => "{}",
  languages: {
    packaged: (code) => new URL(`../../js/dist/lang/omendb-lang-${code}.wasm`, import.meta.url),
    later: () => new URL("../../js/dist/omendb-later.wasm", import.meta.url),
    compile: async (url) => WebAssembly.compile(readFileSync(url)),
  },
  async connect({ name, storage, create, readOnly, language }) {
    const { engine } = await start(language);
    try {
      return { engine, place: { slot: await engine.openStorage(storage, name, { create, readOnly }) } };
    } catch (error) {
      await engine.close();
      throw error;
    }
  },
};
const open = createOpen(platform);

test("a database in a worker is used as any other", async () => {
  const db = await open("db");
  assert.deepEqual(db.engine, { kind: "worker", kernels: "simd128" });
  const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
  const rows = new Float32Array([1, 2, 3, 4]);
  await c.upsert({ ids: [1, "x"], vectors: rows, documents: [{ a: "ß" }, undefined] });
  assert.equal(rows.length, 4, "what the user gave is not transferred away");
  await Promise.all(Array.from({ length: 50 }, (_, i) => c.upsert([{ id: i, vector: [i, i] }])));
  assert.deepEqual((await c.search({ vector: [3, 4], topK: 1 }))[0], { id: "x", score: 1, distance: 0, metadata: {} });
  assert.equal(await c.count(), 51);
  await assert.rejects(c.insert([{ id: 1, vector: [1, 2] }]), { code: "OMEN_ERR_EXISTS" });
  await assert.rejects(c.count({ signal: AbortSignal.abort() }), { code: "OMEN_ERR_CANCELLED" });
  await db.check();
  await db.close();
  await assert.rejects(c.count(), { code: "OMEN_ERR_CLOSED" });
});

test("a purge in the worker, whose ids travel there for good", async () => {
  const db = await open("db");
  const c = await db.collection("c", { vector: { dimensions: 2, metric: "l2" } });
  await c.upsert([1, 2, 3].map((id) => ({ id, vector: [id, id] })));
  await db.flush();
  const report = await c.purge([1, 3, 9]);
  assert.deepEqual([report.deleted, report.segmentsRewritten], [2, 1]);
  assert.equal(await c.count(), 1);
  await assert.rejects(c.purge([""]), { code: "OMEN_ERR_ID" });
  await db.close();
});

test("an unknown storage is refused by the worker", async () => {
  await assert.rejects(open("db", { storage: "floppy" }), { code: "OMEN_ERR_UNSUPPORTED", message: /"floppy"/ });
});

test("a module that cannot be loaded fails the start", async () => {
  const { like } = thread();
  const engine = new WorkerEngine(like, new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])));
  await assert.rejects(engine.started, { name: "OmenError" });
  await engine.close();
});

test("a worker that dies fails what is under way and what comes after", async () => {
  const { engine, worker, like } = await start();
  const db = decodeAnswer(await engine.call(encodeRequest({ op: "open", slot: await engine.openStorage("memory", "db", { create: true, readOnly: false }), options: {} })));
  const connection = new Connection(engine, Number(db.json.db), false);
  await connection.call({ op: "collections", db: connection.handle });
  await worker.terminate();
  const waiting = connection.call({ op: "collections", db: connection.handle });
  like.onerror({ message: "it crashed" });
  await assert.rejects(waiting, { code: "OMEN_ERR_INTERNAL", message: /the database's worker stopped: it crashed/ });
  await assert.rejects(connection.call({ op: "collections", db: connection.handle }), { code: "OMEN_ERR_INTERNAL" });
  await engine.close();
});

test("indexes are built in the worker, and calls have their turn meanwhile", async () => {
  const db = await open("db", { manualMaintenance: true });
  const c = await db.collection("c", { vector: { dimensions: 8, metric: "l2", index: { kind: "hnsw", efConstruction: 40 } } });
  const count = 2000;
  const vectors = Float32Array.from({ length: count * 8 }, (_, i) => Math.sin(i * i));
  await c.upsert({ ids: Int32Array.from({ length: count }, (_, i) => i), vectors });
  // A search is asked for when the building has begun, and answered before it has ended.
  const ended = [];
  let searching;
  const search = async () => ended.push((await c.search({ vector: vectors.slice(0, 8), topK: 1 }))[0].id);
  await db.buildIndexes({ onProgress: ({ progress }) => progress < 1 && (searching ??= search()) });
  ended.push("built");
  await searching;
  assert.deepEqual(ended, [0, "built"]);
  assert.ok((await c.explain({ vector: vectors.slice(0, 8) })).sources.some(({ index }) => index === "hnsw"));
  await db.close();
});

test("the page loads languages for its worker, and says why it could not", async () => {
  const german = { text: [{ name: "title", language: "de" }] };
  const db = await open("db");
  const c = await db.collection("c", german);
  await c.upsert([{ id: 1, title: "Viele Häuser" }, { id: 2, title: "Wald" }]);
  assert.deepEqual((await c.search({ text: "haus" })).map(({ id }) => id), [1]);
  await db.close();
  const without = await open("db", { languages: { de: new URL("nowhere.wasm", import.meta.url) } });
  const d = await without.collection("c", german);
  await d.upsert([{ id: 1, title: "Viele Häuser" }]);
  await assert.rejects(d.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED", message: /its language "de" is not loaded: .*nowhere\.wasm: ENOENT/ });
  await without.close();
});
