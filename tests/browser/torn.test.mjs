// Chromium's own logs, of IndexedDB and of the names of files in OPFS. Torn by a kill in the middle of a write: what OmenDB acknowledged before and after is there, in start after start. Damaged
// further: Chromium drops everything, and that is said.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { blankPage, callModule, launch, missing, removeProfile, serve } from "./harness.mjs";

const PAGE = "/tests/browser/pages/tabs.mjs";
const BLOCK = 32768; // of LevelDB's log
const HEADER = 7;
const call = (page, name, ...args) => callModule(page, PAGE, { name, args });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** The LevelDB of all IndexedDB databases of the one origin of a profile; undefined where the browser has no such thing. */
function levelDb(profile) {
  const folder = path.join(profile, "Default", "IndexedDB");
  const name = existsSync(folder) ? readdirSync(folder).find((one) => one.endsWith(".indexeddb.leveldb")) : undefined;
  return name === undefined ? undefined : path.join(folder, name);
}

const newestLog = (folder) => path.join(folder, readdirSync(folder).filter((one) => one.endsWith(".log")).sort().at(-1));

/** Ends the newest log as a kill does between the two writes of a record: its header is there and says how long it is, the rest is not. */
function tear(folder) {
  const log = newestLog(folder);
  const left = BLOCK - (statSync(log).size % BLOCK);
  if (left <= HEADER + 1) appendFileSync(log, Buffer.alloc(left));
  const length = Math.min(1000, (left <= HEADER + 1 ? BLOCK : left) - HEADER);
  appendFileSync(log, Buffer.from([1, 2, 3, 4, length & 0xff, length >> 8, 1]));
}

test("IndexedDB in Chromium killed in the middle of a write of its log loses nothing acknowledged", { skip: missing("chromium") }, async (t) => {
  const profile = mkdtempSync(path.join(tmpdir(), "omendb-torn-"));
  const server = await serve();
  let session;
  try {
    for (let round = 0; round < 4; round++) {
      session = await launch("chromium", { profile });
      const page = await blankPage(session, server.origin);
      const torn = round === 0 ? undefined : newestLog(levelDb(profile));
      await call(page, "openIt", "torn", "indexeddb");
      const firsts = Array.from({ length: 3 * round }, (_, i) => 1000 * Math.trunc(i / 3) + 5 * (i % 3));
      assert.deepEqual(await call(page, "there", firsts), firsts.map(() => "all"), `start ${round + 1}`);
      await call(page, "check");
      assert.deepEqual(await call(page, "write", 1000 * round, 3), ["ok", "ok", "ok"]);
      if (levelDb(profile) === undefined) {
        t.skip("this Chromium keeps IndexedDB in something else than LevelDB");
        return;
      }
      // The browser does it beside what else it does; how long that takes matters to nobody but a second kill meanwhile.
      for (let waited = 0; torn !== undefined && existsSync(torn); waited++) {
        assert.ok(waited < 6000, `start ${round + 1}: the browser still goes on with the torn log`);
        await pause(100);
      }
      await session.kill();
      tear(levelDb(profile));
    }
  } finally {
    await session?.close();
    await server.close();
    await removeProfile(profile);
  }
});

test("an IndexedDB that Chromium has dropped is never opened empty, noted or not", { skip: missing("chromium") }, async (t) => {
  const profile = mkdtempSync(path.join(tmpdir(), "omendb-dropped-"));
  const server = await serve();
  let session;
  try {
    for (const noted of [false, true]) {
      session = await launch("chromium", { profile });
      let page = await blankPage(session, server.origin);
      assert.equal(await call(page, "tryOpen", "dropped", "indexeddb"), "open");
      assert.deepEqual(await call(page, "write", 0, 3), ["ok", "ok", "ok"]);
      if (levelDb(profile) === undefined) {
        t.skip("this Chromium keeps IndexedDB in something else than LevelDB");
        return;
      }
      await page.evaluate((keep) => keep || localStorage.clear(), noted);
      await session.close();
      const log = newestLog(levelDb(profile));
      const bytes = readFileSync(log);
      for (let at = 0; at < bytes.length; at += 64) bytes[at] ^= 0x55;
      assert.ok(bytes.length > 1000, `the log has ${bytes.length} bytes`);
      writeFileSync(log, bytes);
      session = await launch("chromium", { profile });
      page = await blankPage(session, server.origin);
      assert.equal(await page.evaluate(() => localStorage.length), noted ? 1 : 0);
      assert.equal(await call(page, "tryOpen", "dropped", "indexeddb"), "OMEN_ERR_DATA_EVICTED");
      assert.equal(await call(page, "tryOpen", "dropped", "indexeddb"), "OMEN_ERR_DATA_EVICTED");
      assert.equal(await call(page, "tryOpen", "dropped", "indexeddb", { create: "replace" }), "open");
      assert.equal(await call(page, "count"), 0);
      await call(page, "write", 0, 1);
      await call(page, "closeIt");
      await session.close();
    }
  } finally {
    await session?.close();
    await server.close();
    await removeProfile(profile);
  }
});

test("OPFS whose names of files Chromium has lost is never taken for an older state", { skip: missing("chromium") }, async (t) => {
  const profile = mkdtempSync(path.join(tmpdir(), "omendb-names-"));
  const names = path.join(profile, "Default", "File System", "000", "t", "Paths");
  const server = await serve();
  let session;
  const start = async () => {
    session = await launch("chromium", { profile });
    return blankPage(session, server.origin);
  };
  try {
    let page = await start();
    await call(page, "openIt", "names", "opfs");
    assert.deepEqual(await call(page, "write", 0, 3), ["ok", "ok", "ok"]);
    if (!existsSync(names)) {
      t.skip("this Chromium keeps the names of files in OPFS elsewhere");
      return;
    }
    await session.kill();
    tear(names);
    page = await start();
    await call(page, "openIt", "names", "opfs");
    assert.deepEqual(await call(page, "there", [0, 5, 10]), ["all", "all", "all"]);
    await call(page, "everything"); // flushes, so that there are other files
    assert.deepEqual(await call(page, "write", 1000, 3), ["ok", "ok", "ok"]);
    await session.kill();
    page = await start();
    const outcome = await call(page, "tryOpen", "names", "opfs");
    if (outcome === "open") {
      // A Chromium that has learnt it.
      assert.deepEqual(await call(page, "there", [0, 5, 10, 1000, 1005, 1010]), ["all", "all", "all", "all", "all", "all"]);
      return;
    }
    // Both names of the manifest are older than the tear: what is gone are a segment and a log, which the manifest names.
    assert.equal(outcome, "OMEN_ERR_CORRUPT");
    assert.equal(await call(page, "tryOpen", "names", "opfs", { create: "replace" }), "OMEN_ERR_CORRUPT", "what is there is never replaced");
    await callModule(page, "/js/dist/platform/browser.js", { name: "destroy", args: ["names", { storage: "opfs" }] });
    assert.equal(await call(page, "tryOpen", "names", "opfs"), "open");
    assert.equal(await call(page, "count"), 0);
    assert.deepEqual(await call(page, "write", 0, 1), ["ok"]);
    await call(page, "closeIt");
    assert.equal(await call(page, "tryOpen", "names", "opfs"), "open");
    assert.deepEqual(await call(page, "there", [0]), ["all"]);
    await call(page, "check");
    await call(page, "closeIt");
    // Of the manifest's names one is gone, the newer one's or the older one's: the file `lock` tells.
    for (const slot of ["manifest-0", "manifest-1"]) {
      const lose = async (name) => (await (await (await navigator.storage.getDirectory()).getDirectoryHandle("omendb")).getDirectoryHandle("names")).removeEntry(name);
      await page.evaluate(lose, slot);
      assert.equal(await call(page, "tryOpen", "names", "opfs"), "OMEN_ERR_DATA_EVICTED", slot);
      assert.equal(await call(page, "tryOpen", "names", "opfs", { create: "replace" }), "open");
      await call(page, "closeIt");
    }
  } finally {
    await session?.close();
    await server.close();
    await removeProfile(profile);
  }
});
