/** The storage contract over a browser's storages; runs in a dedicated worker. */
import { indexeddb } from "/js/dist/storage/indexeddb.js";
import { memory } from "/js/dist/storage/memory.js";
import { opfs } from "/js/dist/storage/opfs.js";
import { runSuite } from "/tests/conformance/suite.mjs";

export const run = (kind) => runSuite({ opfs, indexeddb, memory }[kind](), "conformance");

/** What a tab that was frozen while another one took over finds when it goes on. */
export async function lostLock() {
  const names = [];
  const first = await indexeddb().open("lost", { create: true, readOnly: false });
  const file = await first.openFile("log-1", "create");
  file.writeAt(0, new Uint8Array([1]));
  await file.sync();
  // The lock goes to another writer, which the first one is not told of.
  await navigator.locks.request("omendb:indexeddb:lost", { steal: true }, () => undefined);
  const second = await indexeddb().open("lost", { create: false, readOnly: false });
  file.writeAt(1, new Uint8Array([2]));
  for (let i = 0; i < 2; i++) await Promise.resolve(file.sync()).then(() => names.push("allowed"), (error) => names.push(error.code));
  const seen = await second.openFile("log-1", "read");
  names.push(seen.size());
  await second.close();
  return names;
}
