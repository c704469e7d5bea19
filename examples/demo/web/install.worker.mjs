/**
 * Copies a database into this browser, file by file and unchanged: what the native engine wrote on a disk is opened here as it is.
 *
 * It goes through the storage contract of the npm package, so it knows nothing of how OPFS or IndexedDB lay files out. The manifest
 * comes last: without it there is no database, so an interrupted copy is never taken for a whole one.
 */
import { indexeddb } from "/omendb/storage/indexeddb.js";
import { opfs } from "/omendb/storage/opfs.js";

async function openStorage(name, wanted) {
  const adapters = { opfs, indexeddb };
  for (const kind of wanted === undefined ? ["opfs", "indexeddb"] : [wanted]) {
    const adapter = adapters[kind]();
    try {
      await adapter.destroy(name);
      return { kind, storage: await adapter.open(name, { create: true, readOnly: false }) };
    } catch (error) {
      if (error.code !== "OMEN_ERR_UNSUPPORTED" || kind === "indexeddb") throw error;
    }
  }
  throw new Error("unreachable");
}

async function copy({ name, storage: wanted }) {
  const { files, bytes } = await fetchJson("/database/index.json");
  files.sort((a, b) => a.name.startsWith("manifest") - b.name.startsWith("manifest"));
  const { kind, storage } = await openStorage(name, wanted);
  let copied = 0;
  try {
    for (const { name: fileName, size } of files) {
      const file = await storage.openFile(fileName, "create");
      let offset = 0;
      if (size > 0) {
        const reader = (await fetchOk(`/database/${fileName}`)).body.getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          file.writeAt(offset, part.value);
          offset += part.value.length;
          copied += part.value.length;
          postMessage({ type: "progress", share: copied / bytes, copied, bytes });
        }
      }
      if (offset !== size) throw new Error(`${fileName} has ${offset} bytes; ${size} were announced`);
      await file.sync();
      file.close();
    }
    await storage.syncDirectory();
  } finally {
    await storage.close();
  }
  postMessage({ type: "done", storage: kind, bytes: copied, files: files.length });
}

async function fetchOk(url) {
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  return response;
}
const fetchJson = async (url) => (await fetchOk(url)).json();

onmessage = ({ data }) => {
  copy(data).catch((error) => postMessage({ type: "failed", code: error.code, message: String(error.message ?? error) }));
};
