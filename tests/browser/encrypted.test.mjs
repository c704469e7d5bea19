// Encryption at rest in real browsers: the storage contract through WebCrypto, and databases over reloads, wrong keys and a change of keys.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { suite } from "../conformance/suite.mjs";
import { blankPage, browserNames, callModule, launch, missing, serve } from "./harness.mjs";

const PAGE = "/tests/browser/pages/encrypted.mjs";

for (const browser of browserNames) {
  describe(`encryption in ${browser}`, { skip: missing(browser) }, () => {
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
    const call = (name, ...args) => callModule(page, PAGE, { name, args });

    for (const kind of ["opfs", "indexeddb"]) {
      test(`${kind}: the storage contract`, async () => {
        const results = await callModule(page, PAGE, { name: "run", args: [kind], worker: true });
        assert.equal(results.length, suite.length);
        assert.deepEqual(results.filter(({ error }) => error), []);
      });

      test(`${kind}: a database, its key, other keys, a change of keys`, async () => {
        const name = `encrypted-${kind}`;
        await call("write", name, kind);
        await page.reload();
        assert.equal(await call("look", name, kind, 2), "OMEN_ERR_KEY");
        assert.equal(await call("look", name, kind, 0), "OMEN_ERR_KEY");
        assert.deepEqual(await call("look", name, kind, 1), [201, 77]);
        assert.deepEqual(await call("look", name, kind, 3, [1], true), [201, 77]);
        assert.deepEqual(await call("look", name, kind, 3), [201, 77]);
        assert.equal(await call("look", name, kind, 1), "OMEN_ERR_KEY");
      });
    }
  });
}
