// Many tabs, one database: the election and what becomes of calls, by thousands of seeded courses in a world without a browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeAnswer, encodeRequest } from "../../js/dist/wire.js";
import { headingOf, withHandles } from "../../js/dist/tabs/requests.js";
import { deep, report } from "../support/report.mjs";
import { random } from "./random.mjs";
import { Disk, Process, World, memberOf } from "./tabs-world.mjs";

const first = Number(process.env.OMEN_SEED ?? 1);

/** A tab with a database: what it asks for, and what it was told. */
class Tab {
  acknowledged = [];
  unknown = [];
  refused = [];
  constructor(world, disk, settings) {
    this.process = new Process(world);
    this.disk = disk;
    this.world = world;
    this.member = memberOf(this.process, disk, settings);
    this.state = "opening";
    this.opened = this.member.start().then(
      () => this.call({ op: "collection", db: 1, name: "c" }).then(({ json }) => {
        this.collection = json.collection;
        this.state = "open";
      }),
      (error) => {
        this.state = error.code;
      },
    );
    this.opened.catch((error) => (this.state = error.code));
  }

  async call(request, signal) {
    return decodeAnswer(await this.member.call(encodeRequest(request), signal));
  }

  write(number, op = "write") {
    return this.call({ op, collection: this.collection, number }).then(
      () => this.acknowledged.push(number),
      (error) => (error.code === "OMEN_ERR_OUTCOME_UNKNOWN" ? this.unknown : this.refused).push(number, error.code),
    );
  }

  /** Reads, and checks that all that was acknowledged to anybody before is there. */
  async read(all, problems) {
    const before = all.flatMap((tab) => tab.acknowledged);
    const { json } = await this.call({ op: "get", collection: this.collection });
    for (const number of before) if (!json.written.includes(number)) problems.push(`${number} was acknowledged and is not read`);
  }
}

/** Writes of a tab that were told apart from their error codes. */
const numbers = (list) => list.filter((one) => typeof one === "number");

/** One seeded course: tabs open, write, read, are killed, frozen and closed. Answers what went wrong. `wrong`: what is switched off, as a negative control. */
async function course(seed, wrong = {}) {
  const world = new World(random(undefined, seed));
  const disk = new Disk(seed % 2 === 0);
  disk.unfenced = wrong.unfenced === true;
  const tabs = [];
  const problems = [];
  let number = 0;
  let killed = 0;
  for (let step = 0; step < 60; step++) {
    const open = tabs.filter((tab) => tab.state === "open" && !tab.process.dead && !tab.process.frozen);
    const tab = open[world.random(open.length)];
    const what = world.random(20);
    if (tabs.filter((one) => !one.process.dead).length < 2 || (what === 0 && tabs.length < 8)) tabs.push(new Tab(world, disk));
    else if (what < 10 && tab !== undefined) for (let i = world.random(3); i >= 0; i--) void tab.write(number++, wrong.repeated ? "index" : "write");
    else if (what < 14 && tab !== undefined) {
      // While a frozen tab holds the files nobody can read, nor while one after the other is frozen; closing waits for answers, but not for ever.
      tab.read(tabs, problems).catch((error) => error.code === "OMEN_ERR_BUSY" || (tab.state === "closed" && error.code === "OMEN_ERR_CLOSED") || problems.push(`a read failed: ${error.message}`));
    } else if (what === 14) {
      const victim = tabs[world.random(tabs.length)];
      if (!victim.process.dead) killed++;
      victim.process.kill();
    } else if (what === 15) {
      const victim = tabs[world.random(tabs.length)];
      victim.process.freeze();
      world.after(world.random(3000), undefined, () => victim.process.thaw());
    } else if (what === 16 && tab !== undefined && open.length > 1) {
      tab.state = "closed";
      tab.call({ op: "close", db: 1 }).catch((error) => problems.push(`closing failed: ${error.message}`));
    }
    await world.run(world.random(world.random(4) === 0 ? 1500 : 30));
  }
  for (const { process } of tabs) process.thaw();
  await world.run(6000);
  // Whoever is left reads all of it.
  const last = tabs.find((tab) => tab.state === "open" && !tab.process.dead);
  if (last !== undefined) {
    let done = false;
    last.read(tabs, problems).then(() => (done = true), (error) => problems.push(`the last read failed: ${error.message}`));
    await world.run(6000, () => done);
    if (!done) problems.push("the last read was never answered");
  }
  const stuck = tabs.filter((tab) => tab.state === "opening" && !tab.process.dead);
  if (stuck.length > 0) problems.push(`${stuck.length} tabs were never opened nor refused`);
  const twice = disk.written.filter((one, i) => disk.written.indexOf(one) !== i);
  if (twice.length > 0) problems.push(`done twice: ${twice}`);
  for (const tab of tabs) {
    for (const one of tab.acknowledged) if (!disk.written.includes(one)) problems.push(`${one} was acknowledged and is lost`);
    for (const one of numbers(tab.refused)) if (disk.written.includes(one)) problems.push(`${one} was refused (${tab.refused[tab.refused.indexOf(one) + 1]}) and is done`);
  }
  if (disk.trespasses > 0) problems.push(`${disk.trespasses} writes of robbed owners`);
  return { problems, killed, acknowledged: tabs.flatMap((tab) => tab.acknowledged).length, unknown: tabs.flatMap((tab) => numbers(tab.unknown)).length, terms: disk.opening };
}

test("courses of opening, writing, reading, killing, freezing, closing: nothing acknowledged is lost, nothing is done twice", async () => {
  const courses = deep ? 6000 : 300;
  const seen = { acknowledged: 0, unknown: 0, killed: 0, terms: 0 };
  for (let seed = first; seed < first + courses; seed++) {
    const result = await course(seed);
    assert.deepEqual(result.problems, [], `seed ${seed} (set OMEN_SEED to repeat)`);
    for (const key of Object.keys(seen)) seen[key] += result[key];
  }
  assert.ok(seen.acknowledged > courses * 10 && seen.unknown > 0 && seen.killed > courses / 2 && seen.terms > courses * 2, JSON.stringify(seen));
});

test("negative controls: the courses notice writes that are repeated without knowing, and an owner that writes after it was robbed", async () => {
  for (const [wrong, said] of [[{ repeated: true }, /done twice/], [{ unfenced: true }, /robbed/]]) {
    let noticed = false;
    for (let seed = 1; seed <= 200 && !noticed; seed++) noticed = (await course(seed, wrong)).problems.some((problem) => said.test(problem));
    assert.ok(noticed, `${Object.keys(wrong)[0]} goes unnoticed`);
    report("negative_controls", 1);
  }
});

/** Runs until `promise` is settled, and answers its value. */
async function settled(world, promise, ms = 20_000) {
  let result;
  promise.then((value) => (result = { value }), (error) => (result = { error }));
  assert.ok(await world.run(ms, () => result !== undefined), "it was answered in time");
  if (result.error) throw result.error;
  return result.value;
}

async function openTabs(count, { fenced = true, seed = 7, settings } = {}) {
  const world = new World(random(undefined, seed));
  const disk = new Disk(fenced);
  const tabs = Array.from({ length: count }, () => new Tab(world, disk, settings));
  for (const tab of tabs) await settled(world, tab.opened);
  assert.deepEqual(tabs.map((tab) => tab.state), tabs.map(() => "open"));
  return { world, disk, tabs, owner: tabs.find((tab) => tab.member.info.role === "owner"), guests: tabs.filter((tab) => tab.member.info.role === "guest") };
}

test("one of four is the owner, and all of them write", async () => {
  const { world, disk, tabs, owner, guests } = await openTabs(4);
  assert.equal(guests.length, 3);
  await settled(world, Promise.all(tabs.map((tab, i) => tab.write(i))));
  assert.deepEqual(disk.written.toSorted(), [0, 1, 2, 3]);
  assert.equal(disk.opening, 1);
  assert.equal(owner.member.info.guests, 3);
});

test("an owner that closes leaves nothing unknown: what it had not begun, the next one does", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { world, disk, tabs, owner, guests } = await openTabs(3, { seed });
    const writes = [];
    for (let i = 0; i < 30; i++) {
      writes.push(guests[i % 2].write(i));
      if (i === 10) void owner.call({ op: "close", db: 1 });
      await world.run(world.random(3));
    }
    await settled(world, Promise.all(writes));
    assert.deepEqual(tabs.flatMap((tab) => [...tab.unknown, ...tab.refused]), [], `seed ${seed}`);
    assert.deepEqual(disk.written.toSorted((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i));
  }
});

for (const fenced of [true, false]) {
  test(`a frozen owner is robbed, and goes over to the new one when it goes on (${fenced ? "fenced by an epoch" : "files held until it lets go"})`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { world, disk, owner, guests } = await openTabs(3, { fenced, seed });
      const own = Array.from({ length: 5 }, (_, i) => owner.write(100 + i));
      await world.run(world.random(10));
      owner.process.freeze();
      const before = disk.written.length;
      const write = guests[0].write(1);
      const read = guests[1].read([], []);
      if (fenced) {
        await settled(world, read);
        await settled(world, write);
        assert.deepEqual(numbers(guests[0].unknown), [1], "its fate is not known");
        await settled(world, guests[0].write(2));
        assert.deepEqual(guests[0].acknowledged, [2]);
        assert.equal(disk.written.length, before + 1);
      } else {
        await assert.rejects(settled(world, read), { code: "OMEN_ERR_BUSY", message: /still holds its files/ });
      }
      owner.process.thaw();
      await settled(world, Promise.all(own));
      await settled(world, owner.write(3));
      assert.ok(owner.acknowledged.includes(3));
      assert.equal(owner.member.info.role, "guest");
      for (const one of owner.acknowledged) assert.equal(disk.written.filter((other) => other === one).length, 1);
    }
  });
}

test("a busy owner that said so is not robbed; one that is only slow is asked again", async () => {
  const { world, disk, owner, guests } = await openTabs(2);
  const long = owner.call({ op: "compact", db: 1 });
  await world.run(4);
  owner.process.freeze();
  const write = guests[0].write(1);
  await world.run(400 * 3);
  owner.process.thaw();
  await settled(world, Promise.all([long, write]));
  assert.equal(disk.opening, 1);
  assert.deepEqual(guests[0].acknowledged, [1]);
});

test("no room: reads go on, and writing does when there is room, without opening again", async () => {
  for (const fenced of [true, false]) {
    const { world, disk, tabs, guests } = await openTabs(3, { fenced });
    await settled(world, guests[0].write(1));
    disk.full = true;
    for (const tab of tabs) await settled(world, tab.write(50));
    assert.ok(tabs.every((tab) => tab.refused.includes("OMEN_ERR_FULL") || tab.refused.includes("OMEN_ERR_POISONED")), JSON.stringify(tabs.map((tab) => tab.refused)));
    const problems = [];
    for (const tab of tabs) await settled(world, tab.read(tabs, problems));
    assert.deepEqual(problems, []);
    await world.run(1500);
    await settled(world, guests[0].write(51));
    disk.full = false;
    await world.run(1500);
    for (const [i, tab] of tabs.entries()) await settled(world, tab.write(60 + i));
    assert.deepEqual(tabs.flatMap((tab) => tab.acknowledged), [60, 1, 61, 62].filter((n) => tabs.flatMap((tab) => tab.acknowledged).includes(n)));
    assert.deepEqual(disk.written, [1, 60, 61, 62]);
  }
});

test("a database that vanished says so, and is not opened empty", async () => {
  const { world, disk, owner, guests } = await openTabs(2);
  disk.gone = true;
  owner.process.kill();
  await assert.rejects(settled(world, guests[0].read([], [])), { code: "OMEN_ERR_DATA_EVICTED" });
  disk.gone = false;
  await world.run(500);
  await settled(world, guests[0].write(2));
  assert.deepEqual(guests[0].acknowledged, [2]);
});

test("calls that wait for an owner can be cancelled, and say so when there is none", async () => {
  const { world, owner, guests } = await openTabs(2, { fenced: false });
  owner.process.freeze();
  await world.run(1000);
  const aborter = new AbortController();
  const read = guests[0].call({ op: "get", collection: guests[0].collection }, aborter.signal);
  await world.run(10);
  aborter.abort();
  await assert.rejects(settled(world, read), { code: "OMEN_ERR_CANCELLED" });
  await assert.rejects(settled(world, guests[0].call({ op: "get", collection: guests[0].collection })), { code: "OMEN_ERR_BUSY" });
});

test("a task belongs to the owner that began it, and ends with the tab that wanted it", async () => {
  const { world, owner, guests } = await openTabs(3);
  const begun = await settled(world, guests[0].call({ op: "purge", db: 1 }));
  assert.deepEqual((await settled(world, guests[0].call({ op: "task", task: begun.json.task }))).json, { tasks: 1 });
  const other = await settled(world, guests[1].call({ op: "purge", db: 1 }));
  assert.deepEqual((await settled(world, guests[1].call({ op: "task", task: other.json.task }))).json, { tasks: 2 });
  guests[0].process.kill();
  await world.run(100);
  assert.deepEqual((await settled(world, guests[1].call({ op: "task", task: other.json.task }))).json, { tasks: 1 });
  owner.process.kill();
  await assert.rejects(settled(world, guests[1].call({ op: "task", task: other.json.task })), { code: /OMEN_ERR_(CLOSED|OUTCOME_UNKNOWN)/ });
  await assert.rejects(settled(world, guests[1].call({ op: "task", task: other.json.task })), { code: "OMEN_ERR_CLOSED", message: /begin it anew/ });
  await settled(world, guests[1].call({ op: "taskEnd", task: other.json.task }));
});

test("without locks the later one wins, and the earlier one is told and does not take it back", async () => {
  const world = new World(random(undefined, 11));
  const disk = new Disk(true);
  const [one, two] = [0, 1].map(() => {
    const process = new Process(world);
    const host = process.host();
    process.host = () => ({ ...host, locks: undefined });
    const tab = Object.assign(Object.create(Tab.prototype), { acknowledged: [], unknown: [], refused: [], process, disk, world, member: memberOf(process, disk) });
    tab.opened = tab.member.start().then(async () => {
      tab.collection = (await tab.call({ op: "collection", db: 1, name: "c" })).json.collection;
    });
    return tab;
  });
  await settled(world, one.opened);
  await settled(world, one.write(1));
  await settled(world, two.opened);
  const [last, other] = disk.holder.process === two.process ? [two, one] : [one, two];
  await settled(world, last.write(2));
  for (const number of [3, 4, 5]) {
    await settled(world, other.write(number));
    await world.run(500);
  }
  assert.deepEqual(other.refused.filter((entry) => typeof entry === "string"), ["OMEN_ERR_BUSY", "OMEN_ERR_BUSY", "OMEN_ERR_BUSY"]);
  await settled(world, last.write(6));
  assert.deepEqual(disk.written.slice(-2), [2, 6]);
});

test("who does not share is not robbed", async () => {
  const world = new World(random(undefined, 3));
  const disk = new Disk(true);
  const alone = new Tab(world, disk, { shared: false });
  await settled(world, alone.opened);
  const other = new Tab(world, disk);
  await settled(world, other.opened);
  assert.equal(other.state, "OMEN_ERR_BUSY");
  const third = new Tab(world, disk, { shared: false });
  await settled(world, third.opened);
  assert.equal(third.state, "OMEN_ERR_BUSY");
  await settled(world, alone.write(1));
  assert.deepEqual(alone.acknowledged, [1]);
});

test("what an owner acknowledged before it was durable, and lost: the next sync says so once", async () => {
  const { world, owner, guests } = await openTabs(2, { settings: { durability: "memory" } });
  await settled(world, guests[0].write(1));
  owner.process.kill();
  await assert.rejects(settled(world, guests[0].call({ op: "sync", db: 1 })), { code: "OMEN_ERR_OUTCOME_UNKNOWN" });
  await settled(world, guests[0].call({ op: "sync", db: 1 }));
});

test("a sync speaks for what was acknowledged before it was begun, and for nothing that came while it was under way", async () => {
  const { world, disk, owner, guests } = await openTabs(2, { settings: { durability: "memory" } });
  await settled(world, guests[0].write(1));
  disk.syncTakes = 200;
  const sync = guests[0].call({ op: "sync", db: 1 });
  await settled(world, guests[0].write(2));
  await settled(world, sync);
  owner.process.kill();
  await assert.rejects(settled(world, guests[0].call({ op: "sync", db: 1 })), { code: "OMEN_ERR_OUTCOME_UNKNOWN" }, "the second write was not durable");
  await settled(world, guests[0].call({ op: "sync", db: 1 }));
});

test("guests hear of acknowledged writes that their owner left undone, however it went, and of none that it kept", async () => {
  for (const [durability, leave, lost] of [
    ["memory", "close", true],
    ["os", "close", false],
    ["os", "freeze", true],
  ]) {
    const { world, owner, guests } = await openTabs(2, { settings: { durability } });
    await settled(world, guests[0].write(1));
    if (leave === "close") await settled(world, owner.call({ op: "close", db: 1 }));
    else owner.process.freeze();
    await settled(world, guests[0].read([], []));
    const sync = settled(world, guests[0].call({ op: "sync", db: 1 }));
    if (lost) await assert.rejects(sync, { code: "OMEN_ERR_OUTCOME_UNKNOWN" }, `${durability} ${leave}`);
    else await sync;
    await settled(world, guests[0].call({ op: "sync", db: 1 }));
  }
});

test("a write of a guest whose engine stopped has an unknown outcome, and is not made again", async () => {
  const { world, disk, guests } = await openTabs(3);
  disk.trap = true;
  await settled(world, Promise.all([guests[0].write(1), guests[1].read([], [])]));
  assert.deepEqual(guests[0].unknown, [1, "OMEN_ERR_OUTCOME_UNKNOWN"]);
  assert.deepEqual(disk.written, [1]);
  await settled(world, guests[0].write(2));
  assert.deepEqual(guests[0].acknowledged, [2]);
  assert.deepEqual(disk.written, [1, 2]);
});

test("a read that stops the engine fails and is not made again, and the engine is there for the next one", async () => {
  const { world, disk, owner, guests } = await openTabs(3);
  await settled(world, guests[0].write(1));
  for (const tab of [guests[0], owner]) {
    disk.trapsOfReads = 0;
    await assert.rejects(settled(world, tab.read([1], [1])), { code: "OMEN_ERR_INTERNAL", message: /the engine stopped \(unreachable\); it was started anew, and please report it/ });
    assert.equal(disk.trapsOfReads, 1);
    disk.trapsOfReads = -1;
    await settled(world, guests[1].read([1], [1]));
  }
});

test("who takes the place of an owner that stands still, and stands still itself, loses it in turn", async () => {
  const { world, disk, owner, guests } = await openTabs(2);
  let again = false;
  const thief = new Tab(world, disk, {
    open() {
      again = true;
      thief.process.freeze();
      return new Promise(() => {});
    },
  });
  await settled(world, thief.opened);
  owner.process.freeze();
  void thief.write(1);
  await world.run(5000, () => again);
  assert.ok(again, "the thief has taken the place");
  for (let i = 0; i < 20 && guests[0].acknowledged.length === 0; i++) {
    await settled(world, guests[0].write(100 + i));
    await world.run(500);
  }
  assert.equal(guests[0].acknowledged.length, 1);
  assert.equal(guests[0].member.info.role, "owner");
});

test("an owner that stood still and was not missed is not robbed by who comes later", async () => {
  const { world, disk, owner } = await openTabs(2);
  owner.process.freeze();
  await world.run(1000);
  owner.process.thaw();
  await world.run(1000);
  const late = new Tab(world, disk);
  await settled(world, late.opened);
  assert.equal(late.state, "open");
  assert.equal(late.member.info.role, "guest");
  assert.equal(owner.member.info.role, "owner");
});

for (const [times, role] of [[2, "owner"], [Infinity, "guest"]]) {
  test(`an owner that stood still while the browser does not say who has the lock ${role === "owner" ? "asks again" : "lets go, and every call is answered"}`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, disk, owner, guests } = await openTabs(3, { seed, fenced: seed % 2 === 0 });
      owner.process.freeze();
      await world.run(300);
      owner.process.mutedQueries = times;
      owner.process.thaw();
      await settled(world, Promise.all([owner.write(1), guests[0].write(2), guests[1].write(3)]));
      assert.deepEqual([owner, ...guests].map((tab) => numbers(tab.acknowledged)), [[1], [2], [3]], `seed ${seed}`);
      assert.deepEqual(disk.written.toSorted(), [1, 2, 3], `seed ${seed}`);
      assert.equal(owner.member.info.role, role, `seed ${seed}`);
    }
  });
}

test("a browser that does not say who has the lock keeps nobody from opening", async () => {
  const { world, disk } = await openTabs(1);
  const late = new Tab(world, disk);
  late.process.mutedQueries = Infinity;
  await settled(world, late.opened);
  assert.equal(late.state, "open");
  await settled(world, late.write(1));
  assert.deepEqual(disk.written, [1]);
});

test("a tab that wants more than the owner's durability is given it", async () => {
  const world = new World(random(undefined, 5));
  const disk = new Disk(true);
  const owner = new Tab(world, disk, { durability: "memory" });
  await settled(world, owner.opened);
  const guest = new Tab(world, disk, { durability: "full" });
  await settled(world, guest.opened);
  await settled(world, guest.write(1));
  owner.process.kill();
  await settled(world, guest.call({ op: "sync", db: 1 }));
});

test("the recipe for unknown outcomes in docs/TABS.md changes a record once, or says that it cannot know", async () => {
  const code = /```js\n((?:(?!```)[^])*changeOnce[^]*?)```/.exec(readFileSync(new URL("../../docs/TABS.md", import.meta.url), "utf8"))[1];
  const changeOnce = new Function(`${code}\nreturn changeOnce;`)();
  const unknown = () => Object.assign(new Error("nobody knows"), { code: "OMEN_ERR_OUTCOME_UNKNOWN" });
  const run = async (outcomes) => {
    const records = new Map([["a", { id: "a", count: 5, mark: "old" }]]);
    const collection = {
      get: async (id) => structuredClone(records.get(id)),
      async upsert([record]) {
        const outcome = outcomes.shift() ?? "done";
        if (outcome !== "nothing") records.set(record.id, record);
        if (outcome === "overtaken") records.set(record.id, { ...record, mark: "another", count: 50 });
        if (outcome === "failed") throw new TypeError("another error");
        if (outcome !== "done") throw unknown();
        return 1;
      },
    };
    const answer = await changeOnce(collection, "a", (record) => ({ ...record, count: record.count + 1 })).catch((error) => error.code ?? error.message);
    return [answer, records.get("a").count];
  };
  assert.deepEqual(await run(["done"]), [1, 6]);
  assert.deepEqual(await run(["happened"]), [1, 6]);
  assert.deepEqual(await run(["nothing"]), [1, 6]);
  assert.deepEqual(await run(["nothing", "nothing", "happened"]), [1, 6]);
  assert.deepEqual(await run(["overtaken"]), ["OMEN_ERR_OUTCOME_UNKNOWN", 50]);
  assert.deepEqual(await run(["failed"]), ["another error", 6]);
});

test("handles are put into a request's text, and nothing else of it is touched", async () => {
  const parts = [new Uint8Array([1, 2, 3]), new Float32Array([4, 5])];
  for (const handle of [7, 12345678901]) {
    const request = encodeRequest({ op: "get", "a\"collection": { collection: 9 }, filter: 'x = "\\"collection\\":5"', big: 9007199254740993n, collection: 3, db: 1 }, parts);
    const other = withHandles(request, headingOf(request).text, { collection: handle, db: 88 });
    const { decodeRequest } = await import("../../js/dist/wire.js");
    const decoded = decodeRequest(other);
    assert.deepEqual(decoded.json, { ...JSON.parse(headingOf(request).text), collection: handle, db: 88 });
    assert.match(headingOf(other).text, /9007199254740993/);
    assert.deepEqual([...decoded.parts[0]], [1, 2, 3]);
    assert.deepEqual([...new Float32Array(decoded.parts[1].slice().buffer)], [4, 5]);
  }
});
