/** Encryption at rest in a browser, by WebCrypto: the storage contract (in a worker), and databases under keys that are bytes and keys that never leave WebCrypto. */
import { open } from "/js/dist/platform/browser.js";
import { encrypted } from "/js/dist/storage/encrypted.js";
import { indexeddb } from "/js/dist/storage/indexeddb.js";
import { opfs } from "/js/dist/storage/opfs.js";
import { runSuite } from "/tests/conformance/suite.mjs";

const bytes = (n) => new Uint8Array(32).fill(n);

export const run = (kind) => runSuite(encrypted({ opfs, indexeddb }[kind](), { key: bytes(1) }), `encrypted-${kind}`);

const row = (i) => Float32Array.from({ length: 8 }, (_, d) => Math.sin(i * 8 + d));

export async function write(name, storage) {
  const key = await crypto.subtle.importKey("raw", bytes(1), "AES-GCM", false, ["encrypt", "decrypt"]);
  const db = await open(name, { storage, encryption: { key, keyId: "first" } });
  const c = await db.collection("c", { vector: { dimensions: 8, metric: "l2" } });
  await c.upsert(Array.from({ length: 200 }, (_, i) => ({ id: i, vector: row(i), note: `secret ${i}` })));
  await db.flush();
  await c.upsert([{ id: 200, vector: row(200), note: "late" }]);
  // Not closed: the tab goes.
}

/** What opening with a key (0: none) and these others comes to. */
export async function look(name, storage, key, previous = [], rotate = false) {
  let db;
  try {
    db = await open(name, { storage, create: false, ...(key === 0 ? {} : { encryption: { key: bytes(key), previousKeys: previous.map(bytes), rotate } }) });
  } catch (error) {
    return error.code;
  }
  try {
    const c = await db.collection("c");
    const [hit] = await c.search({ vector: row(77), topK: 1 });
    await db.check();
    return [await c.count(), hit.id];
  } finally {
    await db.close();
  }
}
