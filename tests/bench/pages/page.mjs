/** Runs in a page: the figures of workload.mjs through the browser's package. */
import { destroy, open } from "/js/dist/platform/browser.js";
import { openTime, searchable, writeRate } from "../workload.mjs";

/** Vectors a second through `storage`, several times, each into a new database; encrypted by a key whose bytes are `key` where it is given. */
export async function writes(storage, total, times, key) {
  const rates = [];
  const encryption = key === undefined ? {} : { encryption: { key: new Uint8Array(32).fill(key) } };
  for (let i = 0; i < times; i++) {
    const name = `write-${storage}-${i}`;
    rates.push(await writeRate(open, name, { storage, profile: "production", ...encryption }, { total }));
    await destroy(name, { storage });
  }
  return rates;
}

/** Milliseconds of reopening. */
export async function opens(storage, rows, dims, times) {
  const name = `open-${storage}`;
  const ms = await openTime(open, name, { storage, profile: "production" }, { rows, dims, times });
  await destroy(name, { storage });
  return ms;
}

/** Milliseconds of one exact search, and of each of many sent together; memory storage. */
export async function search(rows, dims, queries) {
  const it = await searchable(open, `search-${dims}`, { storage: "memory", profile: "production" }, { rows, dims });
  const answer = { single: await it.time(queries), together: await it.timeTogether(queries) };
  await it.db.close();
  return answer;
}
