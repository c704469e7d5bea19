// Browsers killed with SIGKILL in the middle of commits, again and again over one profile: what was acknowledged, in the owner's tab or in another one, is there
// after the next start, of every other batch all or nothing, and the database passes its check.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { random } from "../js/random.mjs";
import { deep, report } from "../support/report.mjs";
import { blankPage, browserNames, callModule, launch, missing, removeProfile, serve } from "./harness.mjs";

const PAGE = "/tests/browser/pages/tabs.mjs";
const STORAGES = ["opfs", "indexeddb"];
const KILLS = { chromium: deep ? 100 : 20, firefox: deep ? 30 : 8 };
const SIZE = 5;
const MANY = 400; // batches, then a storage is cleared: a round stays cheap
const call = (page, name, ...args) => callModule(page, PAGE, { name, args });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

for (const name of browserNames) {
  test(`${name} killed in the middle of commits loses nothing acknowledged`, { skip: missing(name) }, async (t) => {
    const next = random(t);
    const profile = mkdtempSync(path.join(tmpdir(), `omendb-kills-${name}-`));
    const server = await serve();
    /** What must be there: the first ids of acknowledged batches, by storage. And what must not: those that were deleted. */
    const expected = new Map(STORAGES.map((storage) => [storage, new Set()]));
    const deleted = new Map(STORAGES.map((storage) => [storage, new Set()]));
    let first = 0;
    let kills = 0;
    let session;
    try {
      for (;;) {
        session = await launch(name, { profile });
        const storage = STORAGES[kills % 2];
        // What the rounds before left.
        for (const one of kills === KILLS[name] ? STORAGES : [storage]) {
          const page = await blankPage(session, server.origin);
          const when = `${one}, after ${kills} kills`;
          await call(page, "openIt", "kills", one).catch((error) => assert.fail(`${when}: ${error.message}`));
          const { counts, cleared } = await call(page, "batches", SIZE, MANY);
          const found = new Set(counts.map(([batch]) => batch));
          assert.deepEqual([...expected.get(one)].filter((batch) => !found.has(batch)), [], `${when}: acknowledged and not there`);
          assert.deepEqual(counts.filter(([, n]) => n !== SIZE), [], `${when}: there in part`);
          assert.deepEqual([...found].filter((batch) => deleted.get(one).has(batch)), [], `${when}: deleted and there again`);
          await call(page, "check");
          if (cleared) {
            for (const batch of found) deleted.get(one).add(batch);
            expected.get(one).clear();
          }
          await call(page, "closeIt");
          await page.close();
        }
        if (kills === KILLS[name]) break;
        // Two tabs write, one through the other.
        let count = 0;
        const pages = [await blankPage(session, server.origin), await blankPage(session, server.origin)];
        for (const page of pages) {
          await page.exposeFunction("acknowledge", (batch) => {
            count++;
            expected.get(storage).add(batch);
          });
          await call(page, "openIt", "kills", storage);
        }
        for (const page of pages) {
          await call(page, "begin", first, SIZE);
          first += 100_000;
        }
        while (count < 4) await pause(5);
        await pause(next(60));
        await session.kill();
        kills++;
      }
    } finally {
      await session?.close();
      await server.close();
      await removeProfile(profile);
    }
    report("browser_kills", kills);
  });
}
