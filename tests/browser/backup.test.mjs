// Backups, restoring and clones in real browsers, of a database that two tabs' workers share.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { browserNames, missing, runInBrowser } from "./harness.mjs";

for (const browser of browserNames) {
  describe(`backups in ${browser}`, { skip: missing(browser) }, () => {
    for (const storage of ["opfs", "indexeddb"]) {
      test(`${storage}: whoever holds the database backs it up, guests are told, and what was backed up is there again`, async () => {
        assert.deepEqual(await runInBrowser(browser, "/tests/browser/pages/backup.mjs", { name: "course", args: [storage] }), {
          roles: ["owner", "guest"],
          first: 1,
          guest: "OMEN_ERR_UNSUPPORTED",
          second: 2,
          clone: true,
          third: 3,
          purged: [1, 1],
          list: [[1, "complete"], [2, "complete"], [3, "complete"]],
          rest: [1, 3],
          counts: [50, 51, 50],
        });
      });
    }
  });
}
