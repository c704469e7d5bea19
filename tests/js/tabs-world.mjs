// A world without a browser for the tabs' protocol: a clock of its own, Web Locks, channels and an engine over a disk, every step late by a
// seeded time. Members can be killed, frozen and thawed at any step. Microtasks run between two events; nothing waits for real time.
import { decodeRequest, encodeError, encodeResponse } from "../../js/dist/wire.js";
import { OmenError } from "../../js/dist/errors.js";
import { Member } from "../../js/dist/tabs/member.js";

const turn = () => new Promise((done) => setImmediate(done));

export class World {
  now = 0;
  #events = [];
  #sequence = 0;
  #random;
  locks = new LockTable(this);
  channels = new Map();
  processes = [];
  /** @param random next(n) of random.mjs */
  constructor(random) {
    this.#random = random;
  }

  random(n) {
    return n === 0 ? 0 : this.#random(n);
  }

  /** Runs `action` of `process` after `ms`: never when it is dead by then, when it thaws if it is frozen. */
  after(ms, process, action) {
    const event = { at: this.now + ms, sequence: this.#sequence++, process, action, cancelled: false };
    let i = this.#events.length;
    while (i > 0 && (this.#events[i - 1].at > event.at || (this.#events[i - 1].at === event.at && this.#events[i - 1].sequence > event.sequence))) i--;
    this.#events.splice(i, 0, event);
    return () => (event.cancelled = true);
  }

  /** Runs events until `done` says so, or for `ms`. @returns whether `done` did */
  async run(ms, done = () => false) {
    const end = this.now + ms;
    await turn();
    while (!done()) {
      const event = this.#events[0];
      if (event === undefined || event.at > end) {
        this.now = end;
        return done();
      }
      this.#events.shift();
      this.now = Math.max(this.now, event.at);
      if (event.cancelled || event.process?.dead) continue;
      if (event.process?.frozen) event.process.backlog.push(event);
      else event.action();
      await turn();
    }
    return true;
  }
}

/** A tab, or its worker. */
export class Process {
  dead = false;
  frozen = false;
  backlog = [];
  closers = [];
  /** So many times the browser will not say who holds which lock. */
  mutedQueries = 0;
  constructor(world) {
    this.world = world;
    this.id = `client-${world.processes.length}`;
    world.processes.push(this);
  }

  kill() {
    this.dead = true;
    for (const close of this.closers) close();
    this.world.locks.leave(this);
  }

  freeze() {
    this.frozen = true;
  }

  thaw() {
    this.frozen = false;
    for (const event of this.backlog.splice(0)) this.world.after(0, this, () => event.cancelled || event.action());
  }

  host() {
    const { world } = this;
    return {
      locks: {
        request: (name, options, callback) => world.locks.request(this, name, options, callback),
        query: () => this.mutedQueries-- > 0 ? new Promise((_, reject) => this.later(world.random(4), () => reject(new Error("the browser does not tell")))) : new Promise((resolve) => this.later(world.random(4), () => { const held = world.locks.snapshot(); this.later(world.random(4), () => resolve({ held })); })),
      },
      channel: (name) => new FakeChannel(this, name),
      now: () => world.now,
      later: (ms, callback) => this.later(ms, callback),
      unique: () => `u${world.random(2 ** 30)}-${world.random(2 ** 30)}`,
    };
  }

  later(ms, action) {
    return this.world.after(ms, this, action);
  }
}

class LockTable {
  #held = [];
  #queue = [];
  constructor(world) {
    this.world = world;
  }

  snapshot() {
    return this.#held.map(({ name, process }) => ({ name, clientId: process.id }));
  }

  request(process, name, { mode = "exclusive", ifAvailable = false, steal = false, signal }, callback) {
    return new Promise((resolve, reject) => {
      const one = { process, name, mode, callback, resolve, reject };
      const abort = () => {
        const at = this.#queue.indexOf(one);
        if (at >= 0) this.#queue.splice(at, 1);
        if (at >= 0 || !one.asked) process.later(0, () => reject(Object.assign(new Error("aborted"), { name: "AbortError" })));
        one.gone = true;
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      // The request itself takes a while to arrive.
      this.world.after(this.world.random(3), undefined, () => {
        if (process.dead || one.gone) return;
        one.asked = true;
        if (steal) {
          for (const held of this.#held.filter((other) => other.name === name)) {
            this.#held.splice(this.#held.indexOf(held), 1);
            held.process.later(this.world.random(4), () => held.reject(Object.assign(new Error("stolen"), { name: "AbortError" })));
          }
          this.#grant(one);
        } else if (ifAvailable && !this.#free(one)) process.later(this.world.random(3), () => resolve(callback(null)));
        else {
          this.#queue.push(one);
          this.#next();
        }
      });
    });
  }

  leave(process) {
    this.#held = this.#held.filter((one) => one.process !== process);
    this.#queue = this.#queue.filter((one) => one.process !== process);
    this.#next();
  }

  #free({ name, mode }) {
    return !this.#held.some((held) => held.name === name && (mode === "exclusive" || held.mode === "exclusive"));
  }

  #grant(one) {
    this.#held.push(one);
    one.process.later(this.world.random(4), () => {
      Promise.resolve(one.callback({ name: one.name })).then((value) => {
        const at = this.#held.indexOf(one);
        if (at < 0) return;
        this.#held.splice(at, 1);
        one.resolve(value);
        this.#next();
      });
    });
  }

  #next() {
    for (const one of [...this.#queue]) {
      // First come, first served, for each name.
      const earlier = this.#queue.slice(0, this.#queue.indexOf(one)).some((other) => other.name === one.name && (other.mode === "exclusive" || one.mode === "exclusive"));
      if (earlier || !this.#free(one)) continue;
      this.#queue.splice(this.#queue.indexOf(one), 1);
      this.#grant(one);
    }
  }
}

class FakeChannel {
  onmessage = null;
  #closed = false;
  constructor(process, name) {
    this.process = process;
    this.name = name;
    const all = process.world.channels;
    if (!all.has(name)) all.set(name, new Set());
    all.get(name).add(this);
    this.arrives = 0;
    process.closers.push(() => this.close());
  }

  postMessage(message) {
    if (this.#closed) throw new Error("a message was posted to a closed channel");
    const { world } = this.process;
    const copy = structuredClone(message);
    for (const other of world.channels.get(this.name)) {
      if (other === this) continue;
      // In order for each receiver, each a little late.
      other.arrives = Math.max(other.arrives, world.now + world.random(4));
      world.after(other.arrives - world.now, other.process, () => other.#closed || other.onmessage?.({ data: copy }));
    }
  }

  close() {
    this.#closed = true;
    this.process.world.channels.get(this.name)?.delete(this);
  }
}

/**
 * What a database would keep: numbers of writes, in order. `fenced`: like IndexedDB, a later opening shuts out the earlier ones; else like
 * OPFS, whoever has it open must close it first, which its death does too.
 */
export class Disk {
  written = [];
  opening = 0;
  holder;
  full = false;
  gone = false;
  /** The engine that writes next stops after it has written. */
  trap = false;
  /** Every read stops the engine; how many did. */
  trapsOfReads = -1;
  /** Negative control: the fence is off, and how often it would have held. */
  unfenced = false;
  trespasses = 0;
  /** How long a sync is under way. */
  syncTakes = 0;
  constructor(fenced) {
    this.fenced = fenced;
  }

  open(process, reading) {
    if (this.gone) throw new OmenError("OMEN_ERR_DATA_EVICTED", "it is gone");
    if (!this.fenced) {
      if (this.holder !== undefined && !this.holder.process.dead && !this.holder.closed) throw new OmenError("OMEN_ERR_BUSY", "its files are held");
    }
    if (this.full && !reading) throw new OmenError("OMEN_ERR_FULL", "no room");
    this.holder = { process, epoch: ++this.opening, closed: false };
    return this.holder;
  }
}

/** An engine over the disk, for the operations collection, write, get, sync and close. A poisoned one writes no more. */
export class FakeEngine {
  kind = "wasm";
  kernels = "none";
  #collections = new Map();
  #next = 1;
  #tasks = new Set();
  #poison;
  #pending = new Set();
  constructor(process, disk, handle) {
    this.process = process;
    this.disk = disk;
    this.handle = handle;
    this.seed = disk.opening * 100;
  }

  call(request, signal) {
    const { json } = decodeRequest(request);
    const { world } = this.process;
    return new Promise((resolve, reject) => {
      const finish = (response) => {
        if (!this.#pending.delete(finish)) return;
        resolve(response);
      };
      this.#pending.add(finish);
      const later = (action) => this.process.later(world.random(8), () => this.#pending.has(finish) && action());
      const answer = (object) => later(() => finish(encodeResponse(0, object)));
      if (signal?.aborted) return finish(encodeError("OMEN_ERR_CANCELLED", ""));
      switch (json.op) {
        case "collection": {
          const handle = this.seed + this.#next++;
          this.#collections.set(handle, json.name);
          return answer({ collection: handle, schema: {}, name: json.name });
        }
        case "index": // which may be repeated; a test says so of its writes to see what comes of it
        case "write": {
          if (!this.#collections.has(json.collection)) return finish(encodeError("OMEN_ERR_CLOSED", "no such handle"));
          if (this.#poison) return finish(encodeError("OMEN_ERR_POISONED", "poisoned"));
          return later(() => {
            const { disk, handle } = this;
            if (disk.holder !== handle && disk.unfenced) disk.trespasses++;
            if (handle.closed || (disk.fenced && !disk.unfenced && disk.opening !== handle.epoch)) {
              this.#poison = true;
              this.lost = new OmenError("OMEN_ERR_BUSY", "another one has it");
              return finish(encodeError("OMEN_ERR_BUSY", "another one has it"));
            }
            if (disk.full) {
              this.#poison = true;
              return finish(encodeError("OMEN_ERR_FULL", "no room"));
            }
            if (disk.holder !== handle && !disk.unfenced) throw new Error("two have the disk open");
            disk.written.push(json.number);
            if (disk.trap) {
              disk.trap = false;
              this.#pending.delete(finish);
              return reject(new Error("unreachable"));
            }
            answer({ count: 1 });
          });
        }
        case "get":
          if (!this.#collections.has(json.collection)) return finish(encodeError("OMEN_ERR_CLOSED", "no such handle"));
          return later(() => {
            if (this.disk.trapsOfReads < 0) return answer({ written: [...this.disk.written] });
            this.disk.trapsOfReads++;
            this.#pending.delete(finish);
            return reject(new OmenError("OMEN_ERR_INTERNAL", "the engine stopped (unreachable); reopen the database, and please report it"));
          });
        case "purge": {
          const task = this.seed + this.#next++;
          this.#tasks.add(task);
          return answer({ task });
        }
        case "task":
        case "taskEnd":
          if (!this.#tasks.has(json.task)) return finish(encodeError("OMEN_ERR_NOT_FOUND", "no such task"));
          if (json.op === "taskEnd") this.#tasks.delete(json.task);
          return answer({ tasks: this.#tasks.size });
        case "sync":
          return this.process.later(this.disk.syncTakes, () => answer({}));
        case "compact":
          return this.process.later(100, () => answer({}));
        default:
          return answer({ more: false });
      }
    });
  }

  async close() {
    this.handle.closed = true;
    for (const finish of [...this.#pending]) finish(encodeError("OMEN_ERR_CLOSED", "closed"));
  }
}

/** A member of a database on this disk. */
export function memberOf(process, disk, settings = {}) {
  return new Member(process.host(), {
    place: "omendb:test:db",
    name: "db",
    shared: true,
    durability: "group",
    timeout: 400,
    async open(mode) {
      await new Promise((done) => process.later(process.world.random(20), done));
      const handle = disk.open(process, mode === "reading");
      const engine = new FakeEngine(process, disk, handle);
      return { engine, db: 1 + disk.opening, databaseId: "0f", maintained: false, lost: () => engine.lost };
    },
    ...settings,
  });
}
