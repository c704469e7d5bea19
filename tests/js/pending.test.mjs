// Storages that answer late: writes share syncs, failures come out with their words, a failed sync stops the writing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OmenError } from "../../js/dist/errors.js";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random, vector } from "./random.mjs";
import { diskFull, slow } from "./slow.mjs";

const schema = { vector: { dimensions: 8, metric: "l2" } };

test("writes in flight share syncs", async (t) => {
  const next = random(t);
  const storage = slow(memory(), next);
  const db = await open("db", { engine: "wasm", storage });
  const c = await db.collection("c", schema);
  const before = storage.counts.sync;
  await Promise.all(Array.from({ length: 100 }, (_, i) => c.upsert([{ id: i, vector: vector(next, 8) }])));
  const shared = storage.counts.sync - before;
  assert.ok(shared >= 1 && shared <= 10, `${shared} syncs for 100 writes in flight`);
  for (let i = 0; i < 10; i++) await c.upsert([{ id: i, vector: vector(next, 8) }]);
  assert.ok(storage.counts.sync - before - shared >= 10, "a write alone has a sync of its own");
  await db.close();
});

test("an acknowledged write is in the files when its promise resolves", async (t) => {
  const next = random(t);
  const inner = memory();
  const db = await open("db", { engine: "wasm", storage: slow(inner, next) });
  const c = await db.collection("c", schema);
  let acknowledged = 0;
  const writes = Array.from({ length: 30 }, (_, i) => c.upsert([{ id: i, vector: vector(next, 8) }]).then(() => acknowledged++));
  while (acknowledged < 10) await new Promise((resolve) => setImmediate(resolve));
  const [known, files] = [acknowledged, inner.export("db")];
  await Promise.all(writes);
  await db.close();
  const copy = memory();
  copy.import("db", files);
  const again = await open("db", { engine: "wasm", storage: copy });
  const count = await (await again.collection("c")).count();
  assert.ok(count >= known, `${known} were acknowledged, ${count} are there`);
  await again.close();
});

test("a full disk is OMEN_ERR_FULL with the storage's words, and then nothing more is written", async (t) => {
  const next = random(t);
  let full = false;
  const inner = memory();
  const db = await open("db", { engine: "wasm", storage: slow(inner, next, (operation) => (full && operation === "write" ? diskFull() : undefined)) });
  const c = await db.collection("c", schema);
  await c.upsert([{ id: 1, vector: vector(next, 8) }]);
  full = true;
  await assert.rejects(c.upsert([{ id: 2, vector: vector(next, 8) }]), (error) => error.code === "OMEN_ERR_FULL" && /no space left on the test's disk/.test(error.message));
  full = false;
  await assert.rejects(c.upsert([{ id: 3, vector: vector(next, 8) }]), { code: "OMEN_ERR_POISONED" });
  assert.equal((await c.search({ vector: vector(next, 8) })).some(({ id }) => id === 1), true, "what is there can still be read");
  await db.close().catch((error) => assert.equal(error.code, "OMEN_ERR_POISONED"));
  const again = await open("db", { engine: "wasm", storage: inner });
  assert.deepEqual((await (await again.collection("c")).get([1, 3])).map((r) => r?.id), [1, undefined]);
  await again.close();
});

test("a failed sync fails every write that waited for it, and is never tried again", async (t) => {
  const next = random(t);
  let broken = false;
  const storage = slow(memory(), next, (operation) => (broken && operation === "sync" ? new Error("the cable fell out") : undefined));
  const db = await open("db", { engine: "wasm", storage });
  const c = await db.collection("c", schema);
  broken = true;
  const before = storage.counts.sync;
  const writes = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => c.upsert([{ id: i, vector: vector(next, 8) }])));
  for (const { status, reason } of writes) {
    assert.equal(status, "rejected");
    assert.ok(["OMEN_ERR_IO", "OMEN_ERR_POISONED"].includes(reason.code), reason.message);
    assert.match(reason.message, /the cable fell out/);
  }
  assert.equal(storage.counts.sync - before, 1);
  broken = false;
  await assert.rejects(c.upsert([{ id: 9, vector: vector(next, 8) }]), { code: "OMEN_ERR_POISONED" });
  await db.close().catch((error) => assert.equal(error.code, "OMEN_ERR_POISONED"));
  assert.equal(storage.counts.sync - before, 1);
});

test("an error of a read comes out with its code and words, and the next read may succeed", async (t) => {
  const next = random(t);
  let broken = false;
  const inner = memory();
  const storage = slow(inner, next, (operation) => (broken && operation === "read" ? new OmenError("OMEN_ERR_DATA_EVICTED", "the browser removed it") : undefined));
  let db = await open("db", { engine: "wasm", storage });
  let c = await db.collection("c", schema);
  await c.upsert(Array.from({ length: 50 }, (_, i) => ({ id: i, vector: vector(next, 8), text: "x".repeat(100) })));
  await db.flush();
  await db.close();
  db = await open("db", { engine: "wasm", storage });
  c = await db.collection("c");
  broken = true;
  await assert.rejects(c.search({ vector: vector(next, 8) }), (error) => error.code === "OMEN_ERR_DATA_EVICTED" && /the browser removed it/.test(error.message));
  broken = false;
  assert.equal((await c.search({ vector: vector(next, 8), topK: 50 })).length, 50);
  await db.close();
});

test("many readers and a writer at once, late answers throughout", async (t) => {
  const next = random(t);
  const db = await open("db", { engine: "wasm", storage: slow(memory(), next), memtableBytes: "64KiB", poolBytes: "1MiB" });
  const c = await db.collection("c", schema);
  const truth = new Map();
  for (let round = 0; round < 6; round++) {
    const records = Array.from({ length: 200 }, (_, i) => ({ id: round * 100 + i, vector: vector(next, 8), round }));
    for (const record of records) truth.set(record.id, record);
    const reads = Array.from({ length: 8 }, () => c.search({ vector: vector(next, 8), topK: 5 }));
    await c.upsert(records);
    for (const hits of await Promise.all(reads)) assert.ok(hits.length === 5 || (round === 0 && hits.length === 0));
  }
  const ids = [...truth.keys()];
  const found = await c.get(ids, { include: ["metadata", "vector"] });
  found.forEach((record, i) => assert.deepEqual(record, truth.get(ids[i])));
  await db.check();
  await db.close();
});
