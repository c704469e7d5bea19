/** What the browser tests do in a page, through the public package: the engine runs in its worker. */
import { open } from "/js/dist/platform/browser.js";
import { report, runWorkload } from "/tests/golden/workload.mjs";

const SCHEMA = { vector: { dimensions: 8, metric: "l2" } };
const vector = (i) => Float32Array.from({ length: 8 }, (_, d) => ((i * 7 + d * 3) % 23) / 5);
const records = (from, count) => Array.from({ length: count }, (_, i) => ({ id: from + i, vector: vector(from + i), n: from + i }));

/** Writes `batches` of 20 records, each atomic, and tells how many were acknowledged in `progress` (a name in localStorage). */
export async function write(name, storage, batches, { from = 0, progress, close = true, flush = false, tabs = "share" } = {}) {
  const db = await open(name, { storage, tabs });
  const things = await db.collection("things", SCHEMA);
  for (let b = from; b < from + batches; b++) {
    await things.upsert(records(b * 20, 20));
    if (progress) localStorage.setItem(progress, String(b + 1));
  }
  if (flush) await db.flush();
  if (close) await db.close();
  else globalThis.kept = db;
  return batches;
}

/** Counts and searches. */
export async function look(name, storage) {
  const db = await open(name, { storage });
  const things = await db.collection("things", SCHEMA);
  const hits = await things.search({ vector: vector(17), topK: 5 });
  const answer = { count: await things.count(), hits: hits.map((h) => [h.id, h.distance, h.metadata]) };
  await db.check();
  await db.close();
  return answer;
}

/** Writes German text, and finds it again in the database as the next opening recovers it: the page loads the language for its worker. */
export async function german(name, storage) {
  const found = [];
  for (let round = 0; round < 2; round++) {
    const db = await open(name, { storage });
    const texts = await db.collection("texts", { text: [{ name: "title", language: "de" }] });
    if (round === 0) await texts.upsert(["Die Häuser am Fluss", "Ein Haus", "Wälder"].map((title, id) => ({ id, title })));
    found.push((await texts.search({ text: "haus" })).map((hit) => [hit.id, hit.score]));
    await db.close();
  }
  return found;
}

/** The code with which opening fails, or "open". */
export async function tryOpen(name, storage, tabs) {
  try {
    const db = await open(name, { storage, tabs });
    await db.close();
    return "open";
  } catch (error) {
    return error.code;
  }
}

export const acknowledged = (progress) => Number(localStorage.getItem(progress) ?? 0);
export async function letGo() {
  await globalThis.kept?.close();
}

async function adapter(kind) {
  const module = await import(`/js/dist/storage/${kind}.js`);
  return module[kind]();
}

/** Every file of a closed database, in base64. Runs in a worker. */
export async function exportFiles(name, kind) {
  const storage = await (await adapter(kind)).open(name, { create: false, readOnly: false });
  const files = {};
  for (const file of await storage.list()) {
    const f = await storage.openFile(file, "read");
    const bytes = new Uint8Array(f.size());
    await f.readAt(0, bytes);
    f.close();
    let text = "";
    for (const b of bytes) text += String.fromCharCode(b);
    files[file] = btoa(text);
  }
  await storage.close();
  return files;
}

/** Puts files where a database is expected. Runs in a worker. */
export async function importFiles(name, kind, files) {
  const storage = await (await adapter(kind)).open(name, { create: true, readOnly: false });
  for (const [file, text] of Object.entries(files)) {
    const f = await storage.openFile(file, "create");
    f.writeAt(0, Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    await f.sync();
    f.close();
  }
  await storage.syncDirectory();
  await storage.close();
}

/** The golden workload; answers its report's last line. */
export async function golden(storage) {
  const name = `golden-${storage}`;
  const answers = await runWorkload((options) => open(name, { storage, ...options }));
  return answers;
}

export { report };
