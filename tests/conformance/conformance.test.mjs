// The storage contract over the storages that Node.js has; tests/browser/conformance.test.mjs has those of browsers.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fs } from "../../js/dist/storage/fs.js";
import { memory } from "../../js/dist/storage/memory.js";
import { mistakes } from "./broken.mjs";
import { runSuite, suite } from "./suite.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "omendb-conformance-"));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const [kind, adapter] of [["memory", memory()], ["fs", fs(folder)]]) {
  describe(kind, () => {
    for (const [i, { name, run }] of suite.entries()) test(name, () => run(adapter, { name: `case-${i}` }));
  });
}

describe("the suite finds a storage that", () => {
  for (const [mistake, make] of Object.entries(mistakes)) {
    test(mistake, async () => {
      const failed = (await runSuite(make(memory()), "broken", { deadline: 10_000 })).filter(({ error }) => error);
      assert.notEqual(failed.length, 0);
      assert.notEqual(failed.length, suite.length, "it fails everywhere, so it shows nothing");
    });
  }
});
