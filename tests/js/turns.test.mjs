// A program that awaits one call after another lets the event loop turn all the same, on storages that answer at once: timers, maintenance
// and tasks go on beside it. Counted in calls, not in time: without turns none of it happens before the last call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random, vector } from "./random.mjs";

const DIMENSIONS = 32;
/** So many calls take a hundred times as long as one turn, on any machine. */
const MANY = 50_000;

async function filled(t, records, options = {}) {
  const next = random(t);
  const db = await open("db", { engine: "wasm", storage: memory(), ...options });
  t.after(() => db.close());
  const c = await db.collection("c", { vector: { dimensions: DIMENSIONS, metric: "l2" } });
  for (let at = 0; at < records; at += 500) await c.upsert(Array.from({ length: 500 }, (_, i) => ({ id: at + i, vector: vector(next, DIMENSIONS) })));
  return { db, c, query: vector(next, DIMENSIONS), next };
}

/** Awaits call after call until `done()`; answers how many it took. */
async function callsUntil(done, call) {
  let calls = 0;
  while (!done() && calls < MANY) {
    await call(calls);
    calls++;
  }
  return calls;
}

test("timers fire while searches are awaited one after another", async (t) => {
  const { c, query } = await filled(t, 500);
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  t.after(() => clearInterval(timer));
  const calls = await callsUntil(() => fired >= 3, () => c.search({ vector: query, topK: 3 }));
  assert.ok(fired >= 3, `${fired} turns in ${calls} searches`);
});

test("timers fire while records are read and written one after another", async (t) => {
  const { c, query } = await filled(t, 500);
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  t.after(() => clearInterval(timer));
  let calls = await callsUntil(() => fired >= 3, (i) => c.get(i % 500));
  assert.ok(fired >= 3, `${fired} turns in ${calls} reads`);
  fired = 0;
  calls = await callsUntil(() => fired >= 3, (i) => c.upsert([{ id: i % 500, vector: query }]));
  assert.ok(fired >= 3, `${fired} turns in ${calls} writes`);
});

test("a purge, a backup, a clone and the building of indexes end while searches are under way", async (t) => {
  const { db, c, query } = await filled(t, 2000, { memtableBytes: 65536 });
  const backups = memory();
  const works = {
    "building indexes": () => db.buildIndexes(),
    "the purge": () => c.purge([1, 2, 3]),
    "the backup": () => db.backup({ name: "backups", storage: backups }),
    "the clone": () => db.clone({ name: "clone", storage: memory() }),
  };
  for (const [name, work] of Object.entries(works)) {
    let ended = false;
    const working = work().then(() => (ended = true));
    const calls = await callsUntil(() => ended, () => c.search({ vector: query, topK: 3 }));
    assert.ok(ended, `${name} has not ended after ${calls} searches`);
    await working;
  }
});

test("maintenance goes on while searches are under way", async (t) => {
  const { db, c, query, next } = await filled(t, 500, { memtableBytes: 65536 });
  // A table's worth and one more record: the full table is frozen, and left to maintenance. (On a machine that is busy maintenance may have had its turn
  // between the two writes; then nothing waits, and the searches have nothing to wait for.)
  await c.upsert(Array.from({ length: 2000 }, (_, i) => ({ id: i, vector: vector(next, DIMENSIONS) })));
  await c.upsert([{ id: 0, vector: query }]);
  const look = async () => (await db.stats()).collections[0];
  let last = await look();
  const flushed = () => last.memory.tables === 1 && last.segments.length > 0;
  const calls = await callsUntil(flushed, async (i) => {
    await c.search({ vector: query, topK: 3 });
    if (i % 50 === 0) last = await look();
  });
  assert.ok(flushed(), `${last.memory.tables} tables are in memory, ${last.segments.length} segments written after ${calls} searches`);
});

test("an answer after a pause is not held back for a turn", async (t) => {
  const { c, query } = await filled(t, 500, { manualMaintenance: true });
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    let turned = false;
    setImmediate(() => (turned = true));
    await c.search({ vector: query, topK: 3 });
    assert.equal(turned, false);
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("answers that were held back come in the order of their calls", async (t) => {
  const { c, query } = await filled(t, 500);
  const order = [];
  await Promise.all(Array.from({ length: 2000 }, (_, i) => c.search({ vector: query, topK: 1 }).then(() => order.push(i))));
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
});
