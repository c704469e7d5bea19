// The storage contract through encryption: over memory and folders, by node:crypto (at once) and by WebCrypto (with promises), with files kept as
// logs are, as segments are, and as manifests are. tests/browser/encrypted.test.mjs has the storages of browsers.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { nodeSuite } from "../../js/dist/storage/encrypted-node.js";
import { encrypted } from "../../js/dist/storage/encrypted.js";
import { webSuite } from "../../js/dist/storage/encrypted-crypto.js";
import { fs } from "../../js/dist/storage/fs.js";
import { memory } from "../../js/dist/storage/memory.js";
import { suite } from "./suite.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "omendb-encrypted-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const key = new Uint8Array(32).fill(7);

/** The suite writes "log-1" nearly everywhere; under another name it is kept in another way. */
function renamed(adapter, from, to) {
  const there = (name) => (name.startsWith(from) ? to + name.slice(from.length) : name);
  const back = (name) => (name.startsWith(to) ? from + name.slice(to.length) : name);
  return {
    kind: adapter.kind,
    destroy: (name) => adapter.destroy(name),
    async open(name, options) {
      const storage = await adapter.open(name, options);
      const then = (answer, next) => (typeof answer?.then === "function" ? answer.then(next) : next(answer));
      return {
        synchronous: storage.synchronous,
        list: () => then(storage.list(), (names) => names.map(back)),
        openFile: (file, mode) => storage.openFile(there(file), mode),
        remove: (file) => storage.remove(there(file)),
        syncDirectory: () => storage.syncDirectory(),
        close: () => storage.close(),
      };
    },
  };
}

const cases = {
  "memory, node:crypto": () => encrypted(memory(), { key }, nodeSuite),
  "memory, node:crypto, as a segment": () => renamed(encrypted(memory(), { key }, nodeSuite), "log-", "x-"),
  "memory, WebCrypto": () => encrypted(memory(), { key }, webSuite()),
  "memory, WebCrypto, as a segment": () => renamed(encrypted(memory(), { key }, webSuite()), "log-", "x-"),
  "fs, node:crypto": () => encrypted(fs(path.join(folder, "node")), { key }, nodeSuite),
  "fs, WebCrypto": () => encrypted(fs(path.join(folder, "web")), { key }, webSuite()),
};

for (const [kind, make] of Object.entries(cases)) {
  describe(kind, () => {
    const adapter = make();
    for (const [i, { name, run }] of suite.entries()) test(name, () => run(adapter, { name: `case-${i}` }));
  });
}
