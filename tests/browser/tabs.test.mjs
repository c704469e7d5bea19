// Many tabs with one database open, in real browsers: racing, closed, reloaded, frozen and robbed; storages that are full, lose their connection or vanish.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deep, report } from "../support/report.mjs";
import { blankPage, browserNames, callModule, launch, missing, newPage, serve } from "./harness.mjs";

const PAGE = "/tests/browser/pages/tabs.mjs";
const STORAGES = ["opfs", "indexeddb"];
const call = (page, name, ...args) => callModule(page, PAGE, { name, args });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
/** Where nobody is to be robbed: of an owner that a busy machine lets wait. */
const PATIENT = { ownerTimeoutMs: 60_000 };

for (const name of browserNames) {
  describe(`tabs of ${name}`, { skip: missing(name) }, () => {
    let server, session;
    const pages = async (count) => {
      const all = [];
      for (let i = 0; i < count; i++) all.push(await blankPage(session, server.origin));
      return all;
    };
    before(async () => {
      server = await serve();
      session = await launch(name);
    });
    after(async () => {
      await session?.close();
      await server?.close();
    });

    for (const storage of STORAGES) {
      test(`${storage}: four tabs race to open and to write; everything can be asked for from each`, async () => {
        const tabs = await pages(4);
        const place = `race-${storage}`;
        await Promise.all(tabs.map((tab) => call(tab, "openIt", place, storage, PATIENT)));
        const roles = await Promise.all(tabs.map((tab) => call(tab, "role")));
        assert.deepEqual(roles.toSorted(), ["guest", "guest", "guest", "owner"]);
        const outcomes = await Promise.all(tabs.map((tab, i) => call(tab, "write", i * 1000, 6)));
        assert.ok(outcomes.flat().every((one) => one === "ok"), JSON.stringify(outcomes));
        for (const tab of tabs) assert.equal(await call(tab, "count"), 120);
        const guest = tabs[roles.indexOf("guest")];
        const all = await call(guest, "everything");
        assert.deepEqual(all, {
          scrolled: 120, nearest: all.nearest, reranked: [2, true], aborted: true, abortedBefore: "OMEN_ERR_CANCELLED", kept: 4, counted: 1, deleted: 1,
          exists: "OMEN_ERR_EXISTS", collections: ["things"], stats: true,
        });
        assert.deepEqual(await call(tabs[roles.indexOf("owner")], "everything"), all);
        await Promise.all(tabs.map((tab) => tab.close()));
      });

      test(`${storage}: the owner is closed, reloaded, and its worker ended, while others write: nothing acknowledged is lost or done in part`, async () => {
        const tabs = await pages(3);
        const place = `owner-${storage}`;
        await call(tabs[0], "openIt", place, storage, PATIENT);
        for (const tab of tabs.slice(1)) await call(tab, "openIt", place, storage, PATIENT);
        assert.equal(await call(tabs[0], "role"), "owner");
        const writers = tabs.slice(1);
        for (const [i, tab] of writers.entries()) await call(tab, "begin", 10_000 * (i + 1));
        const written = async (least) => {
          for (const tab of writers) while ((await call(tab, "progress")) < least) await pause(20);
        };
        const progressed = async () => Math.max(...(await Promise.all(writers.map((tab) => call(tab, "progress")))));
        await written(2);
        await call(tabs[0], "closeIt"); // as a program does it: nothing is unknown
        await written((await progressed()) + 2);
        await call(tabs[0], "openIt", place, storage, PATIENT);
        const ended = await Promise.all(writers.map((tab) => call(tab, "end")));
        assert.deepEqual(ended.flatMap(({ failed }) => failed), [], "an owner that closes answers what it has begun");
        for (const [i, tab] of writers.entries()) await call(tab, "begin", 10_000 * (i + 1) + 5000);
        await written(2);
        // One of the writers is the owner now; it goes, and comes back.
        const roles = await Promise.all(writers.map((tab) => call(tab, "role")));
        const at = roles.indexOf("owner");
        assert.ok(at >= 0, JSON.stringify(roles));
        const lost = { acknowledged: [] };
        await writers[at].exposeFunction("acknowledge", (first) => void lost.acknowledged.push(first));
        await pause(100);
        await writers[at].reload();
        const other = writers[1 - at];
        const then = await call(other, "progress");
        while ((await call(other, "progress")) < then + 2) await pause(20);
        const { acknowledged, failed } = await call(other, "end");
        assert.ok(failed.every(([, code]) => code === "OMEN_ERR_OUTCOME_UNKNOWN"), JSON.stringify(failed));
        await call(writers[at], "openIt", place, storage, PATIENT);
        for (const tab of [tabs[0], other, writers[at]]) {
          const fates = await call(tab, "there", [...ended.flatMap((one) => one.acknowledged), ...acknowledged, ...lost.acknowledged]);
          assert.ok(fates.every((fate) => fate === "all"), JSON.stringify(fates));
          const unknown = await call(tab, "there", failed.map(([first]) => first));
          assert.ok(unknown.every((fate) => fate !== "part"), JSON.stringify(unknown));
        }
        await call(tabs[0], "check");
        await Promise.all(tabs.map((tab) => tab.close()));
      });

      test(`${storage}: an owner that stands still is robbed; when it goes on it writes nothing, and goes over to the new one`, async () => {
        const isolated = await serve({ isolated: true }); // so that it stands still for as long as it takes
        try {
          // On a machine so busy that somebody is taken to stand still who does not, everybody is given more patience.
          let robbed = false;
          for (const patience of [500, 2000, 8000]) robbed = robbed || (await rob(isolated.origin, patience));
          assert.ok(robbed, "it is not the one that stands still who is robbed");
        } finally {
          await isolated.close();
        }
      });
      /** Answers whether it went as it should where both tabs run when they want to. */
      const rob = async (origin, patience) => {
        const [frozen, other] = [await blankPage(session, origin), await blankPage(session, origin)];
        const place = `frozen-${storage}-${patience}`;
        await call(frozen, "watchWorkers", true);
        await call(frozen, "openIt", place, storage, { ownerTimeoutMs: 10 * patience });
        assert.deepEqual(await call(frozen, "write", 0, 2), ["ok", "ok"]);
        await call(other, "openIt", place, storage, { ownerTimeoutMs: patience });
        let good = (await call(other, "role")) === "guest";
        await call(frozen, "freeze");
        const began = performance.now();
        let stands = true;
        const thaw = async () => {
          await pause(Math.max(0, 6 * patience - (performance.now() - began))); // it is to know that it stood still
          await call(frozen, "thaw");
          stands = false;
        };
        await call(frozen, "begin", 1000); // waits for the worker, which stands still
        // When nobody robs it, it goes on and answers, too late.
        const late = setTimeout(() => {
          good = false;
          void call(frozen, "thaw");
        }, 40 * patience);
        let attempts = 0;
        let outcome;
        do {
          outcome = await call(other, "attempt", 2000 + 5 * attempts++);
          assert.match(outcome, /^ok$|OMEN_ERR_OUTCOME_UNKNOWN|OMEN_ERR_BUSY/);
          if (stands && /still holds its files/.test(outcome)) await thaw();
        } while (outcome !== "ok" && attempts < 30);
        clearTimeout(late);
        const written = outcome === "ok" ? [2000 + 5 * (attempts - 1)] : [];
        good &&= written.length === 1;
        good &&= (await call(other, "role")) === "owner";
        if (stands) await thaw();
        while ((await call(frozen, "progress")) < 2) await pause(50);
        const { acknowledged, failed } = await call(frozen, "end");
        good &&= (await call(frozen, "role")) === "guest";
        assert.ok(failed.every(([, code]) => ["OMEN_ERR_OUTCOME_UNKNOWN", "OMEN_ERR_BUSY"].includes(code)), JSON.stringify(failed));
        for (const tab of [frozen, other]) {
          const fates = await call(tab, "there", [0, 5, ...written, ...acknowledged]);
          assert.ok(fates.every((fate) => fate === "all"), JSON.stringify(fates));
        }
        assert.ok((await call(other, "there", failed.map(([first]) => first))).every((fate) => fate !== "part"));
        await call(other, "check");
        await frozen.close();
        await other.close();
        return good;
      };

      test(`${storage}: without room reads go on, and writing does when there is room, without a reload`, async () => {
        const [owner, guest] = await pages(2);
        const place = `full-${storage}`;
        await call(owner, "watchWorkers", true);
        await call(owner, "openIt", place, storage, PATIENT);
        await call(guest, "openIt", place, storage, PATIENT);
        assert.deepEqual(await call(guest, "write", 0, 3), ["ok", "ok", "ok"]);
        await call(owner, "order", { room: false });
        const refused = [...(await call(owner, "write", 1000, 2)), ...(await call(guest, "write", 2000, 2))];
        assert.ok(refused.every((code) => ["OMEN_ERR_FULL", "OMEN_ERR_POISONED"].includes(code)) && refused.includes("OMEN_ERR_FULL"), JSON.stringify(refused));
        for (const tab of [owner, guest]) assert.deepEqual(await call(tab, "there", [0, 5, 10]), ["all", "all", "all"]);
        await pause(1100); // how often room is looked for
        assert.deepEqual(await call(guest, "write", 3000, 1), ["OMEN_ERR_FULL"]);
        await call(owner, "order", { room: true });
        await pause(1100);
        assert.deepEqual(await call(guest, "write", 4000, 1), ["ok"]);
        assert.deepEqual(await call(owner, "write", 5000, 1), ["ok"]);
        for (const tab of [owner, guest]) assert.deepEqual(await call(tab, "there", [0, 5, 10, 4000, 5000]), ["all", "all", "all", "all", "all"]);
        await call(owner, "check");
        await owner.close();
        await guest.close();
      });

      test(`${storage}: a database that vanished is never opened empty`, async () => {
        const [page] = await pages(1);
        const place = `gone-${storage}`;
        await call(page, "openIt", place, storage);
        await call(page, "write", 0, 2);
        await call(page, "closeIt");
        await call(page, "vanish", place, storage);
        await page.reload();
        assert.equal(await call(page, "tryOpen", place, storage), "OMEN_ERR_DATA_EVICTED");
        assert.equal(await call(page, "tryOpen", place, storage), "OMEN_ERR_DATA_EVICTED");
        assert.equal(await call(page, "tryOpen", place, storage, { create: "replace" }), "open");
        assert.equal(await call(page, "count"), 0);
        await call(page, "write", 0, 1);
        await call(page, "closeIt");
        assert.equal(await call(page, "tryOpen", place, storage), "open");
        assert.equal(await call(page, "count"), 5);
        await page.close();
      });
    }

    for (const storage of STORAGES) {
      test(`${storage}: one that only reads is never told wrong things beside a writer, and does not disturb it`, async () => {
        const [writer, beside] = await pages(2);
        const place = `beside-${storage}`;
        await call(writer, "openIt", place, storage, PATIENT);
        await call(writer, "write", 0, 4, 50);
        await call(writer, "begin", 1000, 5, true);
        while ((await call(writer, "progress")) === 0) await pause(20);
        // Where the machine is busy each reader may find what was merged before it came to it.
        const outcomes = [];
        do outcomes.push(...(await call(beside, "read", place, storage, storage === "opfs" ? 30 : 12)));
        while (storage === "indexeddb" && outcomes.length < 1200 && outcomes.every((one) => typeof one !== "number"));
        const { acknowledged, failed } = await call(writer, "end");
        assert.deepEqual(failed, []);
        assert.ok(acknowledged.length > 0);
        // In OPFS files are open in one place alone. IndexedDB keeps nothing of what was removed: a segment may have been merged before it was read.
        const expected = storage === "opfs" ? (one) => one === "opening OMEN_ERR_BUSY" : (one) => (one >= 200 && one % 5 === 0) || one === "reading OMEN_ERR_IO";
        assert.ok(outcomes.every(expected), JSON.stringify(outcomes));
        assert.equal(outcomes.some((one) => typeof one === "number"), storage === "indexeddb");
        if (storage === "opfs") await call(writer, "closeIt");
        const seen = await call(beside, "openReader", place, storage);
        assert.equal(seen, 200 + 5 * acknowledged.length);
        assert.equal(await call(beside, "readOn"), seen);
        if (storage === "opfs") {
          assert.equal(await call(beside, "tryOpen", place, storage, { tabs: "exclusive" }), "OMEN_ERR_BUSY");
        } else {
          await call(beside, "closeReader");
          await call(beside, "openReader", place, storage);
          await call(writer, "write", 0, 4, 50);
          await call(writer, "compact");
          const told = await call(beside, "readOn");
          assert.match(String(told), new RegExp(`^(${seen}$|OMEN_ERR_IO .*open it again)`));
        }
        await call(beside, "closeReader");
        assert.deepEqual(await call(beside, "read", place, storage, 1), [seen]);
        await Promise.all([writer.close(), beside.close()]);
      });
    }

    test("indexeddb: a connection that the browser closes is opened again underneath", async () => {
      const [owner, guest] = await pages(2);
      await call(owner, "watchWorkers", true);
      await call(owner, "openIt", "lost", "indexeddb", PATIENT);
      await call(guest, "openIt", "lost", "indexeddb", PATIENT);
      await call(guest, "write", 0, 3);
      for (let round = 0; round < 3; round++) {
        await call(owner, "order", { lose: true });
        const tab = round === 1 ? owner : guest;
        const outcomes = await call(tab, "write", 1000 * (round + 1), 3);
        assert.deepEqual(outcomes.slice(1), ["ok", "ok"]);
        assert.match(outcomes[0], /^ok$|OMEN_ERR_IO|OMEN_ERR_POISONED/);
        assert.deepEqual(await call(tab, "there", [0, 5, 10, 1000 * (round + 1) + 5]), ["all", "all", "all", "all"]);
      }
      await call(owner, "check");
      await owner.close();
      await guest.close();
    });

    test("workers terminated in the middle of commits lose nothing acknowledged", async () => {
      let rounds = 0;
      for (const storage of STORAGES) {
        const [page] = await pages(1);
        await call(page, "watchWorkers");
        // In portions: a message of the driver has its own time limit.
        for (let portion = 0; portion < (deep ? (name === "firefox" ? 8 : 10) : 1); portion++) {
          const seen = await call(page, "terminate", `terminate-${storage}-${portion}`, storage, name === "firefox" ? 25 : deep ? 50 : 100);
          assert.ok(seen.acknowledged >= seen.rounds && seen.cut > 0, JSON.stringify(seen));
          rounds += seen.rounds;
        }
        await page.close();
      }
      report("terminates", rounds);
    });

    test("what the browser says of space and of keeping the data is passed on", async () => {
      const [page] = await pages(1);
      await call(page, "openIt", "info", "indexeddb", { persist: "ask" });
      const info = await call(page, "info");
      assert.deepEqual([info.storage, info.role, info.guests, typeof info.persisted], ["indexeddb", "owner", 0, "boolean"]);
      assert.ok(info.quotaBytes > 0, JSON.stringify(info));
      await page.close();
    });
  });
}

describe("chromium alone", { skip: missing("chromium") }, () => {
  let server, session;
  before(async () => {
    server = await serve();
    session = await launch("chromium");
  });
  after(async () => {
    await session?.close();
    await server?.close();
  });

  for (const storage of STORAGES) {
    test(`${storage}: the quota is exceeded, and raised again`, async () => {
      const page = await blankPage(session, server.origin);
      const place = `quota-${storage}`;
      const protocol = await page.createCDPSession();
      const { usage } = await protocol.send("Storage.getUsageAndQuota", { origin: server.origin });
      // Before it is opened: of an open IndexedDB the browser remembers for a while how much room there was.
      await protocol.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: Math.ceil(usage) + 4_000_000 });
      await call(page, "openIt", place, storage);
      await call(page, "write", 0, 2);
      const outcomes = [];
      while (outcomes.length < 100 && !outcomes.includes("OMEN_ERR_FULL")) outcomes.push(...(await call(page, "write", 1000 + 5 * outcomes.length, 1, 5, 100_000)));
      assert.equal(outcomes.at(-1), "OMEN_ERR_FULL");
      const acknowledged = [0, 5, ...outcomes.flatMap((outcome, i) => (outcome === "ok" ? [1000 + 5 * i] : []))];
      assert.ok((await call(page, "there", acknowledged)).every((fate) => fate === "all"));
      await protocol.send("Storage.overrideQuotaForOrigin", { origin: server.origin });
      // When the browser lets go of what it remembers is its affair; room is looked for with every write that comes a second after the last one.
      let later;
      for (let waited = 0; later !== "ok"; waited++) {
        await pause(1100);
        [later] = await call(page, "write", 90_000, 1);
        assert.ok(later === "ok" || (waited < 300 && ["OMEN_ERR_FULL", "OMEN_ERR_POISONED"].includes(later)), later);
      }
      assert.deepEqual(await call(page, "write", 90_005, 1), ["ok"]);
      assert.ok((await call(page, "there", [...acknowledged, 90_000, 90_005])).every((fate) => fate === "all"));
      await call(page, "check");
      await page.close();
    });

    test(`${storage}: the site's data are cleared while the database is open`, async () => {
      const page = await blankPage(session, server.origin);
      await call(page, "openIt", `cleared-${storage}`, storage, { ownerTimeoutMs: 1000 });
      await call(page, "write", 0, 2);
      const protocol = await page.createCDPSession();
      await protocol.send("Storage.clearDataForOrigin", { origin: server.origin, storageTypes: "file_systems,indexeddb,cache_storage" });
      // The storage looks now and then whether it is still there.
      let outcome = "ok";
      for (let waited = 0; outcome !== "OMEN_ERR_DATA_EVICTED"; waited++) {
        assert.ok(waited < 3000, `after five minutes: ${outcome}`);
        await pause(100);
        [outcome] = await call(page, "write", 100 + 5 * waited, 1);
      }
      assert.equal(await call(page, "tryOpen", `cleared-${storage}`, storage), "OMEN_ERR_DATA_EVICTED");
      await page.close();
    });
  }

  test("a private window: everything works, and goes with it", async () => {
    for (const round of [0, 1]) {
      const context = await session.browser.createBrowserContext();
      const page = await newPage(context);
      await page.goto(`${server.origin}/`);
      assert.equal(await call(page, "tryOpen", "private", "auto"), "open", `round ${round}`);
      assert.equal(await call(page, "count"), 0);
      assert.deepEqual(await call(page, "write", 0, 2), ["ok", "ok"]);
      assert.equal(await call(page, "count"), 10);
      await context.close();
    }
  });
});

test("a private window of firefox: everything works, and goes with it", { skip: missing("firefox") }, async () => {
  const server = await serve();
  const session = await launch("firefox", { prefs: { "browser.privatebrowsing.autostart": true } });
  try {
    const tabs = [await blankPage(session, server.origin), await blankPage(session, server.origin)];
    for (const tab of tabs) assert.equal(await call(tab, "tryOpen", "private", "auto", PATIENT), "open");
    assert.deepEqual(await call(tabs[1], "write", 0, 2), ["ok", "ok"]);
    assert.equal(await call(tabs[0], "count"), 10);
    assert.ok(["opfs", "indexeddb"].includes((await call(tabs[0], "info")).storage));
    // What was asked for by name and is refused says what to do.
    const code = await call(tabs[1], "tryOpen", "other", "opfs");
    assert.ok(["open", "OMEN_ERR_UNSUPPORTED"].includes(code), code);
  } finally {
    await session.close();
    await server.close();
  }
});
