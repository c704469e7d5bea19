/** The owner's side of a term: one engine with the database open, serving its own tab and the others. */
import { Connection } from "../connection.js";
import type { Engine } from "../engine/engine.js";
import { OmenError, codeOf, type ErrorCode } from "../errors.js";
import { decodeResponse, encodeError, encodeRequest, statusOf } from "../wire.js";
import type { Channel, Locks, TabsHost } from "./host.js";
import { rankOf, GROUP, type FromOwner, type Line, type Outcome, type ToOwner } from "./protocol.js";
import { headingOf, isLong, isReading, isTask } from "./requests.js";

/** A database that was opened, with what it takes to let go of it. */
export interface Opened {
  engine: Engine;
  db: number;
  databaseId: string;
  /** Whether maintenance is called for from here. */
  maintained: boolean;
  /** Why the storage can no longer be used as it is, though another opening of it may; undefined while it can. */
  lost?(): OmenError | undefined;
  /** Looks whether the storage is still where it was. */
  verify?(): Promise<void>;
}

/** What the owner tells its member. */
export interface OwnerEvents {
  /** The engine cannot go on with this storage; `op` asks for more than it can do. */
  renew(reason: OmenError): void;
  /** It may have been robbed while it stood still; resolves with whether it still is the owner. */
  stillOwner(): Promise<boolean>;
}

interface OwnerSettings {
  term: string;
  place: string;
  /** Id of the member that it serves itself. */
  member: string;
  shared: boolean;
  durability: unknown;
  timeout: number;
  readOnlyFor: OmenError | undefined;
}

interface Guest {
  channel: Channel;
  durability: number;
  aborters: Map<number, AbortController>;
  collections: Set<number>;
  tasks: Set<number>;
  gone: AbortController;
}

/** After these the core writes no more until the database is opened again. */
const TROUBLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["OMEN_ERR_POISONED", "OMEN_ERR_FULL", "OMEN_ERR_IO", "OMEN_ERR_DATA_EVICTED", "OMEN_ERR_BUSY"]);
/** How often a storage without room is tried again. */
const ROOM_MS = 1000;

export class Owner implements Line {
  readonly term: string;
  readonly db: number;
  readonly databaseId: string;
  readonly durability: number;
  /** Why nothing can be written in this term: there was no room to open the storage for writing. */
  readonly readOnlyFor: OmenError | undefined;
  #opened: Opened;
  #connection: Connection;
  #host: TabsHost;
  /** Undefined when other tabs are not served. */
  #locks: Locks | undefined;
  #place: string;
  #member: string;
  #timeout: number;
  #events: OwnerEvents;
  #guests = new Map<string, Guest>();
  #running = new Set<Promise<unknown>>();
  #ending = false;
  #abandoned = false;
  /** Something that was begun has no known outcome. */
  #unsure = false;
  #sick: OmenError | undefined;
  #since: number;
  #ticked: number;
  #stopTicks: (() => void) | undefined;

  constructor(host: TabsHost, opened: Opened, settings: OwnerSettings, events: OwnerEvents) {
    this.#host = host;
    this.#locks = settings.shared ? host.locks : undefined;
    this.#place = settings.place;
    this.#member = settings.member;
    this.#opened = opened;
    this.#timeout = settings.timeout;
    this.#events = events;
    this.term = settings.term;
    this.db = opened.db;
    this.databaseId = opened.databaseId;
    this.durability = rankOf(settings.durability);
    this.readOnlyFor = settings.readOnlyFor;
    this.#connection = new Connection(opened.engine, opened.db, opened.maintained && settings.readOnlyFor === undefined);
    this.#connection.wake(); // indexes that were not finished last time
    this.#since = this.#ticked = host.now();
    this.#tick();
  }

  get guests(): number {
    return this.#guests.size;
  }

  call(op: string, request: Uint8Array, signal: AbortSignal | undefined): Promise<Outcome> {
    return this.#run(op, request, signal, this.durability);
  }

  /** A member looks for its owner. */
  welcome(member: string, durability: number): void {
    if (this.#ending || this.#locks === undefined) return;
    if (this.#stoodStill()) return void this.#confirm(); // it asks again
    let guest = this.#guests.get(member);
    if (guest === undefined) {
      guest = { channel: this.#host.channel(member), durability, aborters: new Map(), collections: new Set(), tasks: new Set(), gone: new AbortController() };
      const { channel, gone } = guest;
      channel.onmessage = ({ data }) => this.#receive(member, data as ToOwner);
      this.#guests.set(member, guest);
      // Its lock is free when it is gone, however it went.
      this.#locks.request(member, { mode: "shared", signal: gone.signal }, () => this.#forget(member)).catch(() => undefined);
    }
    this.#post(guest, { type: "here", term: this.term, owner: this.#member, db: this.db, databaseId: this.databaseId, durability: this.durability });
  }

  /** Begins nothing more, and resolves when what was begun is answered, or has had `patience` ms. */
  async finish(patience: number): Promise<void> {
    this.#ending = true;
    const settled = (async () => {
      await this.#connection.settle();
      while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    })();
    let stop: () => void;
    await Promise.race([settled, new Promise<void>((done) => (stop = this.#host.later(patience, done)))]);
    stop!();
    // What still runs is cut off by what comes next: whatever it answers then, nobody knows.
    if (this.#running.size > 0) this.#abandoned = this.#unsure = true;
  }

  /** Ends the term. What was begun and is not answered has no known outcome. `kept`: what was acknowledged is durable, whatever its durability. */
  end(kept = false): void {
    this.#ending = true;
    this.#abandoned = true;
    this.#stopTicks?.();
    const clean = this.#running.size === 0 && !this.#unsure;
    for (const member of [...this.#guests.keys()]) {
      this.#post(this.#guests.get(member)!, { type: "over", term: this.term, clean, kept });
      this.#drop(member);
    }
  }

  #tick(): void {
    this.#stopTicks = this.#host.later(this.#timeout / 5, () => {
      if (this.#ending) return;
      if (this.#stoodStill()) void this.#confirm();
      else this.#ticked = this.#host.now();
      this.#opened.verify?.().catch((error: unknown) => this.#trouble(error as OmenError));
      this.#tick();
    });
  }

  /** Whether this side has not run for so long that it may have been robbed without knowing. */
  #stoodStill(): boolean {
    return this.#locks !== undefined && this.#host.now() - this.#ticked > this.#timeout / 2;
  }

  /** It stood still, and is the owner all the same, or not. */
  async #confirm(): Promise<boolean> {
    if (!(await this.#events.stillOwner())) return false;
    this.#ticked = this.#host.now();
    return !this.#ending;
  }

  #noRoom(): Uint8Array {
    const { code, detail } = this.readOnlyFor!;
    return encodeError(code, `${detail}; reads go on, and writes do when there is room`);
  }

  #trouble(error: OmenError): void {
    if (this.#ending) return;
    this.#sick ??= error;
    // What is lost to writing for good may have nothing to read either.
    const lost = this.#opened.lost?.();
    if (lost !== undefined) this.#events.renew(lost);
  }

  async #run(op: string, request: Uint8Array, signal: AbortSignal | undefined, durability: number): Promise<Outcome> {
    if (this.#ending) return "refused";
    if (this.#stoodStill() && !(await this.#confirm())) return "refused";
    if (!isReading(op) && op !== "collection") {
      if (this.readOnlyFor !== undefined && this.#host.now() - this.#since < ROOM_MS) return { response: this.#noRoom() };
      const why = this.#sick ?? this.readOnlyFor ?? this.#opened.lost?.();
      if (why !== undefined) {
        this.#events.renew(why);
        return "refused";
      }
    }
    const work = this.#work(op, request, signal, durability);
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  async #work(op: string, request: Uint8Array, signal: AbortSignal | undefined, durability: number): Promise<Outcome> {
    const { engine } = this.#opened;
    const notBusy = isLong(op, request.length) ? this.#busy() : undefined;
    try {
      let response = await engine.call(request, signal);
      if (this.#abandoned) return "lost";
      if (isReading(op)) {
        // A read that failed because the storage went is made again with the next one.
        const lost = statusOf(response) === 0 ? undefined : this.#opened.lost?.();
        if (lost === undefined) return { response };
        this.#events.renew(lost);
        return "refused";
      }
      if (op === "collection" && statusOf(response) !== 0) {
        const code = codeOf(statusOf(response));
        if (code === "OMEN_ERR_READ_ONLY" && this.readOnlyFor !== undefined) return { response: this.#noRoom() };
        if (code === "OMEN_ERR_POISONED") {
          // It was to be created, and nothing of that was begun.
          this.#events.renew(new OmenError(code));
          return "refused";
        }
      }
      if (statusOf(response) === 0) {
        this.#connection.wake();
        // Asked for by a tab that wants more than the owner's settings give.
        if (durability > this.durability && durability >= GROUP) {
          response = await this.#synced(response);
          if (this.#abandoned) return "lost";
        }
      }
      const code = statusOf(response) === 0 ? undefined : codeOf(statusOf(response));
      if (code !== undefined && TROUBLE.has(code)) this.#trouble(new OmenError(code, String(decodeResponse(response).json["message"] ?? "")));
      return { response };
    } catch (error) {
      // The engine trapped, or was closed under the call.
      this.#unsure = true;
      if (this.#abandoned) return "lost";
      this.#events.renew(new OmenError("OMEN_ERR_INTERNAL", "the engine stopped"));
      // A read is not made again: if it is what the engine stopped at, the next one would stop at it, too, and so on for ever.
      if (!isReading(op) || !(error instanceof OmenError) || error.code !== "OMEN_ERR_INTERNAL") return "lost";
      return { response: encodeError("OMEN_ERR_INTERNAL", error.detail.replace("; reopen the database", "; it was started anew")) };
    } finally {
      notBusy?.();
    }
  }

  async #synced(response: Uint8Array): Promise<Uint8Array> {
    const sync = await this.#opened.engine.call(encodeRequest({ op: "sync", db: this.db }));
    return statusOf(sync) === 0 ? response : sync;
  }

  /** Says that pings may go unanswered for a while. The lock is asked for before the work begins, and granted by the browser during it. */
  #busy(): () => void {
    if (this.#locks === undefined) return () => {};
    let done: () => void;
    const over = new Promise<void>((resolve) => (done = resolve));
    this.#locks.request(`${this.#place}:busy`, { mode: "shared" }, () => over).catch(() => undefined);
    return () => done();
  }

  #post(guest: Guest, message: FromOwner): void {
    guest.channel.postMessage(message);
  }

  #receive(member: string, message: ToOwner): void {
    const guest = this.#guests.get(member);
    if (guest === undefined || message.term !== this.term) return;
    switch (message.type) {
      case "ping":
        if (!this.#stoodStill()) this.#post(guest, { type: "pong", term: this.term });
        return;
      case "abort":
        guest.aborters.get(message.id)?.abort();
        return;
      case "bye":
        this.#forget(member);
        return;
      case "call":
        void this.#serve(guest, message);
    }
  }

  async #serve(guest: Guest, { id, op, request }: Extract<ToOwner, { type: "call" }>): Promise<void> {
    const aborter = new AbortController();
    guest.aborters.set(id, aborter);
    const outcome = await this.#run(op, request, aborter.signal, guest.durability);
    guest.aborters.delete(id);
    if (outcome === "lost" || ![...this.#guests.values()].includes(guest)) return; // "over" says it, or nobody asks any more
    if (outcome === "refused") return this.#post(guest, { type: "refused", term: this.term, id });
    if ((op === "collection" || isTask(op)) && statusOf(outcome.response) === 0) {
      const { json } = decodeResponse(outcome.response);
      if (isTask(op)) guest.tasks.add(Number(json["task"]));
      else guest.collections.add(Number(json["collection"]));
    }
    if (op === "release") guest.collections.delete(headingOf(request).collection!);
    if (op === "taskEnd") guest.tasks.delete(headingOf(request).task!);
    this.#post(guest, { type: "answer", term: this.term, id, response: outcome.response });
  }

  /** A member is gone: what it asked for and nobody waits for is given up, its handles are released. */
  #forget(member: string): void {
    const guest = this.#guests.get(member);
    if (guest === undefined) return;
    this.#drop(member);
    for (const aborter of guest.aborters.values()) aborter.abort();
    if (this.#ending) return;
    for (const task of guest.tasks) this.#opened.engine.call(encodeRequest({ op: "taskEnd", task })).catch(() => undefined);
    for (const collection of guest.collections) this.#opened.engine.call(encodeRequest({ op: "release", collection })).catch(() => undefined);
  }

  #drop(member: string): void {
    const guest = this.#guests.get(member);
    this.#guests.delete(member);
    guest?.gone.abort();
    guest?.channel.close();
  }
}
