// Real browsers: the database through its worker, over reloads, second tabs and kills; files that cross
// between the native engine and the browser, byte for byte; the golden workload.
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { report } from "../golden/workload.mjs";
import { blankPage, browserNames, callModule, launch, missing, serve } from "./harness.mjs";

const DATABASE = "/tests/browser/pages/database.mjs";
const STORAGES = ["opfs", "indexeddb"];
const expected = /GOLDEN_EXPECTED "([0-9a-f]{16})"/.exec(readFileSync(new URL("../golden/expected.h", import.meta.url), "utf8"))[1];
const scratch = mkdtempSync(path.join(tmpdir(), "omendb-browser-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const base64 = (files) => Object.fromEntries(files.map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]));
const filesOf = (folder) => readdirSync(folder).filter((n) => n !== "lock").map((n) => [n, readFileSync(path.join(folder, n))]);

for (const name of browserNames) {
  describe(name, { skip: missing(name) }, () => {
    let server, session;
    const call = async (page, fn, ...args) => callModule(page, DATABASE, { name: fn, args });
    const inWorker = async (page, fn, ...args) => callModule(page, DATABASE, { name: fn, args, worker: true });
    before(async () => {
      server = await serve();
      session = await launch(name);
    });
    after(async () => {
      await session?.close();
      await server?.close();
    });

    for (const storage of STORAGES) {
      test(`${storage}: what was written is there after a reload`, async () => {
        const page = await blankPage(session, server.origin);
        await call(page, "write", `reload-${storage}`, storage, 3, { flush: true });
        await page.reload();
        await call(page, "write", `reload-${storage}`, storage, 2, { from: 3, close: false });
        await page.reload(); // the tab goes without closing
        const { count, hits } = await call(page, "look", `reload-${storage}`, storage);
        await page.close();
        assert.equal(count, 100);
        assert.deepEqual(hits[0], [17, 0, { n: 17 }]);
      });

      test(`${storage}: text of a language whose module is loaded`, async () => {
        const page = await blankPage(session, server.origin);
        const found = await call(page, "german", `german-${storage}`, storage);
        await page.close();
        assert.deepEqual(found[0].map(([id]) => id), [1, 0]);
        assert.deepEqual(found[1], found[0]);
      });

      test(`${storage}: a second tab is told that the database is busy where it is not shared`, async () => {
        const first = await blankPage(session, server.origin);
        const second = await blankPage(session, server.origin);
        await call(first, "write", `busy-${storage}`, storage, 1, { close: false, tabs: "exclusive" });
        assert.equal(await call(second, "tryOpen", `busy-${storage}`, storage, "exclusive"), "OMEN_ERR_BUSY");
        assert.equal(await call(second, "tryOpen", `busy-${storage}`, storage, "share"), "OMEN_ERR_BUSY");
        await call(first, "letGo");
        assert.equal(await call(second, "tryOpen", `busy-${storage}`, storage, "exclusive"), "open");
        await first.close();
        await second.close();
      });

      test(`${storage}: a tab closed in the middle of writing loses nothing acknowledged`, async () => {
        let total = 0;
        for (let round = 0; round < 4; round++) {
          const page = await blankPage(session, server.origin);
          const place = `closed-${storage}-${round}`;
          call(page, "write", place, storage, 500, { progress: place, close: false }).catch(() => undefined);
          while ((await call(page, "acknowledged", place)) <= round) await new Promise((done) => setTimeout(done, 20));
          await page.close();
          const again = await blankPage(session, server.origin);
          const [acknowledged, { count }] = [await call(again, "acknowledged", place), await call(again, "look", place, storage)];
          await again.close();
          total += acknowledged;
          assert.ok(count % 20 === 0, `whole batches, not ${count} records`);
          assert.ok(count >= acknowledged * 20, `${acknowledged} batches acknowledged, ${count} records there`);
        }
        assert.ok(total > 0, "something was written before a tab was closed");
      });

      test(`${storage}: the golden workload`, async () => {
        const page = await blankPage(session, server.origin);
        const answers = await call(page, "golden", storage);
        const files = await inWorker(page, "exportFiles", `golden-${storage}`, storage);
        await page.close();
        const lines = report(Object.entries(files).map(([n, text]) => [n, Buffer.from(text, "base64")]), answers);
        assert.equal(lines.trimEnd().split("\n").at(-1), `golden ${expected}`);
      });

      test(`${storage}: files of the native engine open here, and those of the browser natively`, async (t) => {
        const page = await blankPage(session, server.origin);
        t.after(() => page.close());
        const folder = path.join(scratch, `${name}-${storage}-native`);
        let db;
        try {
          db = await open(folder, { engine: "native" });
        } catch (error) {
          if (error.code !== "OMEN_ERR_UNSUPPORTED") throw error;
          return t.skip(error.message);
        }
        const things = await db.collection("things", { vector: { dimensions: 8, metric: "l2" } });
        const vector = (i) => Float32Array.from({ length: 8 }, (_, d) => ((i * 7 + d * 3) % 23) / 5);
        await things.upsert(Array.from({ length: 60 }, (_, i) => ({ id: i, vector: vector(i), n: i })));
        await db.flush();
        await things.upsert(Array.from({ length: 20 }, (_, i) => ({ id: 60 + i, vector: vector(60 + i), n: 60 + i })));
        const native = (await things.search({ vector: vector(17), topK: 5 })).map((h) => [h.id, h.distance, h.metadata]);
        await db.close();
        await inWorker(page, "importFiles", `native-${storage}`, storage, base64(filesOf(folder)));
        assert.deepEqual(await call(page, "look", `native-${storage}`, storage), { count: 80, hits: native });

        await call(page, "write", `back-${storage}`, storage, 4, { flush: true });
        await call(page, "write", `back-${storage}`, storage, 1, { from: 4 });
        const { hits } = await call(page, "look", `back-${storage}`, storage);
        const back = path.join(scratch, `${name}-${storage}-back`);
        mkdirSync(back);
        for (const [file, text] of Object.entries(await inWorker(page, "exportFiles", `back-${storage}`, storage))) writeFileSync(path.join(back, file), Buffer.from(text, "base64"));
        const again = await open(back, { engine: "native" });
        const there = await again.collection("things", { vector: { dimensions: 8, metric: "l2" } });
        assert.equal(await there.count(), 100);
        assert.deepEqual((await there.search({ vector: vector(17), topK: 5 })).map((h) => [h.id, h.distance, h.metadata]), hits);
        await again.check();
        await again.close();
      });
    }
  });
}
