/** The page's database: opened from what this browser holds, or copied here first. */
import { destroy, open } from "omendb";
import { megabytes } from "./format.mjs";

export const NAME = "omendb-demo";
/** Says that a copy was finished, and where it lies. Without it an earlier copy was interrupted. */
const MARK = "omendb-demo-storage";

/**
 * Opens the database; on a first visit it is copied from the server before.
 * @param {(share: number, text: string) => void} onProgress
 */
export async function openStore(onProgress) {
  const wanted = new URLSearchParams(location.search).get("storage") ?? undefined;
  let storage = localStorage.getItem(MARK);
  if (storage !== null && (wanted === undefined || wanted === storage)) {
    try {
      return { ...(await openKept(storage)), copied: undefined };
    } catch (error) {
      if (error.code !== "OMEN_ERR_NOT_FOUND") throw error; // The browser has evicted it: copy again.
    }
  }
  localStorage.removeItem(MARK);
  const began = performance.now();
  const copied = await install(wanted, onProgress);
  localStorage.setItem(MARK, (storage = copied.storage));
  navigator.storage?.persist?.().catch(() => {});
  return { ...(await openKept(storage)), copied: { ...copied, ms: performance.now() - began } };
}

async function openKept(storage) {
  const began = performance.now();
  const db = await patiently(() => open(NAME, { storage, create: false, durability: "group" }));
  const records = await db.collection("packages");
  const count = await records.count();
  return { db, records, count, storage, openMs: performance.now() - began };
}

/** After a reload the page that was here before may hold the writer's lock for a moment longer. */
async function patiently(attempt) {
  for (let left = 8; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (error.code !== "OMEN_ERR_BUSY" || left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
}

function install(storage, onProgress) {
  const worker = new Worker(new URL("install.worker.mjs", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(`the copy could not start: ${event.message ?? "its script did not load"}`));
    worker.onmessage = ({ data }) => {
      if (data.type === "progress") onProgress(data.share, `Copying the database: ${megabytes(data.copied)} of ${megabytes(data.bytes)}`);
      else if (data.type === "done") resolve(data);
      else reject(Object.assign(new Error(data.message), { code: data.code }));
    };
    worker.postMessage({ name: NAME, storage });
  }).finally(() => worker.terminate());
}

/** Forgets this browser's copy. */
export async function forget(db) {
  const storage = localStorage.getItem(MARK);
  await db?.close();
  if (storage !== null) await destroy(NAME, { storage });
  localStorage.removeItem(MARK);
}
