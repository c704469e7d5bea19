/** What the tests of many tabs do in each tab, through the public package. */
import { open } from "/js/dist/platform/browser.js";

const SCHEMA = { vector: { dimensions: 4, metric: "l2" } };
const record = (id, tag) => ({ id, vector: [id % 7, id % 11, id % 13, id % 17], tag, pad: "x".repeat(40) });
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Workers of databases that this page has made, newest last; with `wrap` they take the orders of wrapped-worker.mjs. */
const workers = [];
export function watchWorkers(wrap = false) {
  const Native = globalThis.Worker;
  globalThis.Worker = class extends Native {
    constructor(url, options) {
      super(wrap ? "/tests/browser/pages/wrapped-worker.mjs" : url, options);
      workers.push(this);
    }
  };
}
/** Gives the newest worker an order, and waits until it is carried out. */
export const order = (message) =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    workers.at(-1).postMessage({ ...message, done: port2 }, [port2]);
  });

/** Lets the newest worker stand still, until `thaw`; the page must be isolated. */
let frozen;
export async function freeze() {
  frozen = new Int32Array(new SharedArrayBuffer(4));
  workers.at(-1).postMessage({ freeze: frozen });
  while (Atomics.load(frozen, 0) === 0) await sleep(5);
}
export function thaw() {
  Atomics.store(frozen, 0, 2);
  Atomics.notify(frozen, 0);
}

let db;
let things;
export async function openIt(name, storage, options = {}) {
  db = await open(name, { storage, ...options });
  things = await db.collection("things", SCHEMA);
  return (await db.info()).role;
}
export const role = async () => (await db.info()).role;
export const info = () => db.info();
export const closeIt = () => db.close();
export const count = () => things.count();
export const check = () => db.check();
export const tryOpen = async (name, storage, options) => {
  try {
    await openIt(name, storage, options);
    return "open";
  } catch (error) {
    return error.code;
  }
};

/** Writes batches of `size` with ids from `from`; answers what became of each: "ok" or the error's code. */
export async function write(from, batches, size = 5, pad = 0) {
  const outcomes = [];
  for (let b = 0; b < batches; b++) {
    const first = from + b * size;
    try {
      await things.upsert(Array.from({ length: size }, (_, i) => ({ ...record(first + i, `t${from}`), ...(pad ? { pad: noise(pad, first + i) } : {}) })));
      outcomes.push("ok");
    } catch (error) {
      outcomes.push(error.code ?? String(error));
    }
  }
  return outcomes;
}

/** Writes one batch; answers "ok", or the error's code and message. */
export async function attempt(first) {
  return things.upsert(Array.from({ length: 5 }, (_, i) => record(first + i, `t${first}`))).then(() => "ok", (error) => `${error.code} ${error.message}`);
}

/** Text that does not compress. */
function noise(length, seed) {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.min(length, 65536)));
  return Array.from({ length: Math.ceil(length / 65536) }, () => Array.from(bytes, (b) => String.fromCharCode(33 + (b % 90))).join("")).join(String(seed)).slice(0, length);
}

/** Writes until told to stop; what was acknowledged and what became of the rest is read by `written`. */
let loop;
export function begin(from, size = 5, flushing = false) {
  loop = { stop: false, acknowledged: [], failed: [] };
  const { acknowledged, failed } = loop;
  loop.done = (async () => {
    for (let b = 0; !loop.stop; b++) {
      const [outcome] = await write(from + b * size, 1, size);
      (outcome === "ok" ? acknowledged : failed).push(outcome === "ok" ? from + b * size : [from + b * size, outcome]);
      const tell = globalThis.acknowledge;
      if (outcome === "ok" && tell !== undefined) void tell(from + b * size);
      if (flushing) await db.flush().catch((error) => failed.push(["flush", error.code]));
      await sleep(0);
    }
  })();
}
export async function end() {
  loop.stop = true;
  await loop.done;
  return { acknowledged: loop.acknowledged, failed: loop.failed };
}
export const progress = () => loop.acknowledged.length;

/** Opens the database for reading alone, so many times; answers how many records each saw, or what failed. */
export async function read(name, storage, times) {
  const outcomes = [];
  for (let i = 0; i < times; i++) {
    let alone;
    try {
      alone = await open(name, { storage, readOnly: true });
      outcomes.push(await (await alone.collection("things")).count());
    } catch (error) {
      outcomes.push(`${alone === undefined ? "opening" : "reading"} ${error.code}`);
    }
    await alone?.close();
  }
  return outcomes;
}

/** A reader that stays open; `readOn` reads everything that it has. */
let reader;
export async function openReader(name, storage) {
  reader = await open(name, { storage, readOnly: true });
  return (await reader.collection("things")).count();
}
export async function readOn() {
  const ids = [];
  try {
    for await (const { id } of (await reader.collection("things")).scroll({ include: ["metadata", "vector"] })) ids.push(id);
    return ids.length;
  } catch (error) {
    return `${error.code} ${error.message}`;
  }
}
export const closeReader = () => reader.close();
export const compact = () => db.compact();

/** Which of the batches that begin with these ids are there: "all", "none", or "part". */
export async function there(firsts, size = 5) {
  const answers = [];
  for (const first of firsts) {
    const found = (await things.get(Array.from({ length: size }, (_, i) => first + i))).filter((one) => one !== undefined).length;
    answers.push(found === size ? "all" : found === 0 ? "none" : "part");
  }
  return answers;
}

async function deleteAll(collection, ids) {
  const deleted = await collection.delete(ids);
  if (deleted !== ids.length) throw new Error(`of ${ids.length} records ${deleted} were deleted`);
}

/** How many records there are of each batch, in pairs of its first id and that number; clears the collection when there are more than `many` batches. */
export async function batches(size, many) {
  const counts = new Map();
  const ids = [];
  for await (const { id } of things.scroll({ batch: 10_000 })) {
    ids.push(id);
    const first = id - (id % size);
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  const cleared = counts.size > many;
  if (cleared) await deleteAll(things, ids);
  return { counts: [...counts], cleared };
}

/** Everything a guest may ask for. */
export async function everything() {
  const seen = {};
  let ids = 0;
  for await (const { id } of things.scroll({ batch: 7 })) ids += typeof id === "number" ? 1 : 0;
  seen.scrolled = ids;
  seen.nearest = (await things.search({ vector: [3, 3, 3, 3], topK: 1 }))[0].id;
  const asked = [];
  const reranked = await things.search({ vector: [3, 3, 3, 3], topK: 2, rerank: { by: (hits) => { asked.push(hits.length); return hits.map((_, i) => i); }, candidates: 5 } });
  seen.reranked = [reranked.length, asked.length > 0];
  const aborter = new AbortController();
  const aborted = things.search({ vector: [1, 1, 1, 1], topK: 3, signal: aborter.signal }).then(() => "done", (error) => error.code);
  aborter.abort();
  seen.aborted = ["done", "OMEN_ERR_CANCELLED"].includes(await aborted);
  seen.abortedBefore = await things.count({ signal: AbortSignal.abort() }).catch((error) => error.code);
  const rows = new Float32Array([1, 2, 3, 4]);
  await things.upsert({ ids: [100_000], vectors: rows, documents: [{ tag: "columns" }] });
  seen.kept = rows.length;
  seen.counted = await things.count({ filter: "tag = 'columns'" });
  seen.deleted = await things.delete([100_000]);
  const other = await db.collection("other", SCHEMA);
  await other.insert([record(1, "o")]);
  seen.exists = await other.insert([record(1, "o")]).catch((error) => error.code);
  await other.close();
  await db.drop("other");
  seen.collections = (await db.collections()).map(({ name }) => name);
  await db.sync();
  await db.flush();
  await db.buildIndexes();
  await db.compact();
  await db.check();
  seen.stats = typeof (await db.stats()) === "object" && (await db.metrics({ format: "prometheus" })).length > 0;
  return seen;
}

/**
 * Ends workers in the middle of commits, `rounds` times: each opens the database, writes, and is terminated after a while that grows from round to round.
 * The next one must find every batch that was acknowledged, and of each other one all or nothing. Answers how often it was terminated.
 */
export async function terminate(name, storage, rounds) {
  let next = 0;
  const expected = new Set();
  let acknowledged = 0;
  let cut = 0;
  for (let round = 0; round < rounds; round++) {
    const own = await open(name, { storage });
    const worker = workers.at(-1);
    const collection = await own.collection("things", SCHEMA);
    if (round > 0) {
      const sizes = new Map();
      const ids = [];
      for await (const { id, tag } of collection.scroll({ batch: 10_000 })) {
        ids.push(id);
        sizes.set(tag, (sizes.get(tag) ?? 0) + 1);
      }
      for (const [tag, n] of sizes) if (n !== 3) throw new Error(`round ${round}: of batch ${tag} there are ${n} of 3`);
      for (const tag of expected) if (!sizes.has(tag)) throw new Error(`round ${round}: batch ${tag} was acknowledged and is lost`);
      // Small, so that a round stays cheap.
      if (sizes.size > 60) {
        await deleteAll(collection, ids);
        expected.clear();
      }
    }
    let stop = false;
    const writer = async () => {
      while (!stop) {
        const batch = next++;
        const tag = `b${batch}`;
        cut++;
        await collection.upsert([0, 1, 2].map((i) => record(batch * 3 + i, tag)));
        cut--;
        if (stop) return;
        expected.add(tag);
        acknowledged++;
      }
    };
    void writer().catch(() => undefined);
    void writer().catch(() => undefined);
    const before = acknowledged;
    const until = performance.now() + 3 + (round % 16);
    while (performance.now() < until || acknowledged === before) await new Promise((done) => setTimeout(done, 1));
    stop = true;
    worker.terminate();
  }
  return { rounds, acknowledged, cut };
}

/** What clears the site's data, but not localStorage; where there is no protocol for it. */
export async function vanish(name, storage) {
  if (storage === "opfs") {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("omendb");
    await folder.removeEntry(encodeURIComponent(name), { recursive: true });
  } else {
    await new Promise((done, fail) => {
      const request = indexedDB.deleteDatabase(`omendb:${name}`);
      request.onsuccess = done;
      request.onerror = fail;
    });
  }
}
