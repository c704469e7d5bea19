// The storage contract over OPFS and IndexedDB, inside a worker of real browsers.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { suite } from "../conformance/suite.mjs";
import { blankPage, browserNames, callModule, launch, missing, serve } from "./harness.mjs";

for (const browser of browserNames) {
  describe(`storages of ${browser}`, { skip: missing(browser) }, () => {
    let server, session, page;
    before(async () => {
      server = await serve();
      session = await launch(browser);
      page = await blankPage(session, server.origin);
    });
    after(async () => {
      await session?.close();
      await server?.close();
    });
    const call = (name, args = []) => callModule(page, "/tests/browser/pages/conformance.mjs", { name, args, worker: true });

    for (const kind of ["opfs", "indexeddb"]) {
      describe(kind, () => {
        let results;
        before(async () => {
          results = new Map((await call("run", [kind])).map(({ name, error }) => [name, error ?? ""]));
        });
        for (const { name } of suite) test(name, () => assert.equal(results.get(name), ""));
      });
    }

    test("indexeddb: a writer that lost its lock unknowingly changes nothing any more", async () => {
      assert.deepEqual(await call("lostLock"), ["OMEN_ERR_BUSY", "OMEN_ERR_BUSY", 1]);
    });
  });
}
