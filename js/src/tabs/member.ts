/**
 * One opened database among the tabs (protocol.ts): it has its calls done by the owner, in this tab or another, and takes the owner's place when that is
 * gone. Calls are kept in the order they were made until they are begun. One that was begun and whose owner went is made again when that changes nothing
 * (requests.ts); of a write, nobody knows, and it says so.
 */
import { onAbort } from "../abort.js";
import type { Engine } from "../engine/engine.js";
import { OmenError, asOmenError } from "../errors.js";
import { decodeResponse, encodeError, encodeRequest, encodeResponse, statusOf } from "../wire.js";
import { GuestLine } from "./guest.js";
import { takeLock, type Channel, type HeldLock, type Locks, type TabsHost } from "./host.js";
import { Owner, type Opened } from "./owner.js";
import { GROUP, rankOf, type FromOwner, type Line, type PublicMessage, type ToOwner } from "./protocol.js";
import { headingOf, isRepeatable, isTask, withHandles, type Heading } from "./requests.js";

/** `"first"`: as the user's options say. `"again"`: it was there, and must be. `"reading"`: the same, and nothing is written. */
export type OpenMode = "first" | "again" | "reading";

export interface MemberSettings {
  /** `omendb:KIND:NAME`. */
  place: string;
  /** The database's name, for messages. */
  name: string;
  /** Whether other tabs may have it open, too. */
  shared: boolean;
  durability: unknown;
  /** An owner that does not answer for so many ms is robbed. */
  timeout: number;
  /** Opens storage and database; the lock is held. */
  open(mode: OpenMode): Promise<Opened>;
}

/** What `describe` answers. */
export interface MemberInfo {
  role: "owner" | "guest" | "none";
  /** Other tabs that the owner serves; 0 of a guest. */
  guests: number;
  term: string | undefined;
}

interface Job {
  number: number;
  heading: Heading;
  request: Uint8Array;
  signal: AbortSignal | undefined;
  answer(response: Uint8Array): void;
}

/** How long calls wait for an owner, in timeouts. */
const PATIENCE = 3;
/** How long an owner may be busy with something that it announced, in timeouts. */
const BUSY_PATIENCE = 12;
/** How long the files of an owner that was robbed are waited for between two attempts. */
const RETRY_MS = 200;
/** How long the last words of an owner that is gone are waited for. */
const GRACE_MS = 50;
/** What this side calls the database. */
const DB = 1;

export class Member {
  readonly id: string;
  #host: TabsHost;
  #locks: Locks | undefined;
  #shared: boolean;
  #settings: MemberSettings;
  #channel: Channel | undefined;
  #own: Channel | undefined;
  #alive: HeldLock | undefined;
  #lock: HeldLock | undefined;
  /** Ends the waiting for the owner's lock. */
  #standing: AbortController | undefined;
  #line: Line | undefined;
  #guest: GuestLine | undefined;
  /** Lines to owners in other tabs on which answers may still come: the one in use, and those of terms that are ending. */
  #guests = new Set<GuestLine>();
  #owner: Owner | undefined;
  #opened: Opened | undefined;
  /** While this side opens the storage; `stalled` when another one still has it. */
  #opening: { stalled: OmenError | undefined } | undefined;
  /** The last of these. */
  #begun: Promise<void> | undefined;
  #queue: Job[] = [];
  /** Calls that are begun and not answered. */
  #flying = new Set<Job>();
  #number = 1;
  #pumping = false;
  #handles = new Map<number, unknown>();
  #nextHandle = 1;
  /** The owner's handles of this term. */
  #real = new Map<number, number>();
  /** Tasks, each with the line on whose engine it runs. */
  #tasks = new Map<number, { line: Line; real: number }>();
  #waiters = new Set<() => void>();
  #stopSeek: (() => void) | undefined;
  /** Since when an owner is looked for in vain, and which one it was. */
  #since = 0;
  #suspect: string | undefined;
  #suspecting = false;
  /** Since when calls wait for an owner; time in which one opens the storage does not count. */
  #patience: number | undefined;
  /** The tab that is to be the owner said that it waits for the files of the one before. */
  #stalled = false;
  #known = false;
  #failure: OmenError | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Another one has taken what is not shared. */
  #taken = false;
  /** The line that acknowledged writes which its owner has not made durable yet; and such were lost with one. */
  #owed: Line | undefined;
  #missed: OmenError | undefined;

  constructor(host: TabsHost, settings: MemberSettings) {
    this.#host = host;
    this.#locks = host.locks;
    this.#shared = settings.shared && host.locks !== undefined;
    this.#settings = settings;
    this.id = `${settings.place}:member:${host.unique()}`;
  }

  get info(): MemberInfo {
    return { role: this.#owner !== undefined ? "owner" : this.#line !== undefined ? "guest" : "none", guests: this.#owner?.guests ?? 0, term: this.#line?.term };
  }

  /** The engine, while the database is held here. */
  get engine(): Engine | undefined {
    return this.#owner === undefined ? undefined : this.#opened?.engine;
  }

  /** Resolves with the database's id when it is open, here or in another tab. @throws OmenError what opening it failed with */
  async start(): Promise<string> {
    try {
      this.#patience = this.#host.now();
      if (this.#shared) await this.#join(this.#locks!);
      else await this.#openAlone();
      while (this.#line === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        await this.#change();
      }
      return this.#line.databaseId;
    } catch (error) {
      await this.#leave();
      throw error;
    }
  }

  /** Makes a call. The response is the engine's, but for handles. */
  call(request: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#closed) return Promise.resolve(encodeError("OMEN_ERR_CLOSED", "the database is closed; open it again"));
    if (signal?.aborted) return Promise.resolve(encodeError("OMEN_ERR_CANCELLED", "the call was cancelled before it began"));
    const heading = headingOf(request);
    if (heading.op === "close") return this.#close();
    return new Promise((resolve) => {
      const job: Job = { number: this.#number++, heading, request, signal, answer: resolve };
      const forget = onAbort(signal, () => {
        // A call that is begun is answered by the owner, as cancelled if it still can be.
        const at = this.#queue.indexOf(job);
        if (at < 0) return;
        this.#queue.splice(at, 1);
        job.answer(encodeError("OMEN_ERR_CANCELLED", "the call was cancelled while it waited for the database's owner"));
      });
      job.answer = (response) => {
        forget();
        resolve(response);
      };
      this.#enqueue(job);
    });
  }

  /** Lets go of everything at once, without waiting for durability. */
  async abandon(): Promise<void> {
    await this.#leave();
  }

  // ---- calls ----

  #enqueue(job: Job): void {
    if (job.signal?.aborted === true) return job.answer(encodeError("OMEN_ERR_CANCELLED", "the call was cancelled while it waited for the database's owner"));
    // Calls that are made again go before those that were made after them.
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.number > job.number) at--;
    this.#queue.splice(at, 0, job);
    if (this.#failure !== undefined) this.#standAgain();
    if (!this.#pumping) this.#pump();
  }

  /** Begins what can be begun; what waits for the owner's answer first is taken up again when that is there. */
  #pump(): void {
    this.#pumping = true;
    for (;;) {
      const job = this.#queue[0];
      const line = this.#line;
      if (job === undefined) break;
      if (line === undefined) {
        this.#patience ??= this.#host.now();
        void this.#change().then(() => this.#pump());
        return;
      }
      this.#patience = undefined;
      const { collection } = job.heading;
      if (collection !== undefined && this.#handles.has(collection) && !this.#real.has(collection)) {
        void this.#resolve(line, job, collection).finally(() => this.#pump());
        return;
      }
      this.#queue.shift();
      void this.#begin(line, job);
    }
    this.#pumping = false;
  }

  /** Opens a collection on a new line that was opened on an earlier one. */
  async #resolve(line: Line, job: Job, collection: number): Promise<void> {
    const outcome = await line.call("collection", encodeRequest({ op: "collection", db: line.db, name: this.#handles.get(collection) }), undefined);
    if (this.#line !== line) return;
    if (typeof outcome === "string") return this.#lineGone(line, outcome === "refused");
    if (statusOf(outcome.response) === 0) this.#real.set(collection, Number(decodeResponse(outcome.response).json["collection"]));
    else if (this.#queue[0] === job) {
      this.#queue.shift();
      job.answer(outcome.response);
    }
  }

  async #begin(line: Line, job: Job): Promise<void> {
    const { heading } = job;
    const { op, collection } = heading;
    if (op === "open") return job.answer(encodeResponse(0, { db: DB, databaseId: line.databaseId }));
    if (op === "sync" && this.#missed !== undefined) {
      const missed = this.#missed;
      this.#missed = undefined;
      return job.answer(encodeError(missed.code, missed.detail));
    }
    if (collection !== undefined && !this.#handles.has(collection)) {
      return job.answer(op === "release" ? encodeResponse(0, {}) : encodeError("OMEN_ERR_CLOSED", "the collection is closed; open it again"));
    }
    const task = heading.task === undefined ? undefined : this.#tasks.get(heading.task);
    if (heading.task !== undefined) {
      if (op === "taskEnd") this.#tasks.delete(heading.task);
      if (task?.line !== line) {
        if (op === "taskEnd") return job.answer(encodeResponse(0, {}));
        return job.answer(encodeError("OMEN_ERR_CLOSED", `the tab that ran it for "${this.#settings.name}" went before it was done; begin it anew`));
      }
    }
    if (op === "transfer" && line !== this.#owner) {
      // The place lies open in this tab's engine, which no longer has the database.
      return job.answer(encodeError("OMEN_ERR_UNSUPPORTED", `another tab holds "${this.#settings.name}" now, and only that one can copy it to another place`));
    }
    const real = collection === undefined ? undefined : this.#real.get(collection);
    const handles = { db: line.db, ...(real === undefined ? {} : { collection: real }), ...(task === undefined ? {} : { task: task.real }) };
    const request = withHandles(job.request, heading.text, handles);
    if (op === "release") {
      this.#handles.delete(collection!);
      this.#real.delete(collection!);
    }
    this.#flying.add(job);
    const outcome = await line.call(op, request, job.signal);
    this.#flying.delete(job);
    if (this.#flying.size === 0) this.#changed();
    if (typeof outcome === "object") return job.answer(this.#answer(line, job, outcome.response));
    this.#lineGone(line, outcome === "refused");
    if (op === "release") return job.answer(encodeResponse(0, {}));
    if (outcome === "refused" || isRepeatable(op)) {
      if (this.#closed) return job.answer(encodeError("OMEN_ERR_CLOSED", "the database was closed meanwhile"));
      return this.#enqueue(job);
    }
    job.answer(
      encodeError(
        "OMEN_ERR_OUTCOME_UNKNOWN",
        `${op}: the tab that held "${this.#settings.name}" went before it answered, so the write has happened whole or not at all; read back what it wrote, and write again if it is not there`,
      ),
    );
  }

  /** What becomes of an answer on its way to the tab: the owner's handle becomes ours. */
  #answer(line: Line, { heading }: Job, response: Uint8Array): Uint8Array {
    if (statusOf(response) !== 0) return response;
    const { op, name } = heading;
    if (op === "collection") {
      const { text, json } = answerOf(response);
      const handle = this.#nextHandle++;
      this.#handles.set(handle, name);
      if (this.#line === line) this.#real.set(handle, Number(json["collection"]));
      return withHandles(response, text, { collection: handle });
    }
    if (isTask(op)) {
      const { text, json } = answerOf(response);
      const handle = this.#nextHandle++;
      this.#tasks.set(handle, { line, real: Number(json["task"]) });
      return withHandles(response, text, { task: handle });
    }
    if (op === "sync" || op === "flush" || op === "compact") this.#owed = undefined;
    else if (!isRepeatable(op) && Math.max(line.durability, rankOf(this.#settings.durability)) < GROUP) this.#owed = line;
    return response;
  }

  // ---- lines ----

  #setLine(line: Line): void {
    this.#line = line;
    this.#known = true;
    this.#failure = undefined;
    this.#patience = undefined;
    this.#stalled = false;
    this.#real.clear();
    this.#stopSeek?.();
    this.#stopSeek = undefined;
    this.#changed();
  }

  /** @param kept whether what the line acknowledged is durable, or will be by the time its term is over */
  #lineGone(line: Line, kept: boolean): void {
    if (!kept) this.#miss(line);
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#real.clear();
    if (line === this.#guest) this.#guest = undefined;
    if (this.#owner === undefined && this.#opening === undefined) this.#seekAfresh();
    this.#changed();
  }

  #miss(line: Line): void {
    if (this.#owed !== line) return;
    this.#owed = undefined;
    this.#missed = new OmenError(
      "OMEN_ERR_OUTCOME_UNKNOWN",
      `the tab that held "${this.#settings.name}" went with writes that the option durability let it acknowledge before they were durable; read back what they wrote`,
    );
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  #changed(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  /** Ends the lines that are not in use, a moment later: an owner's last words come by another channel than what its successor says. */
  #endGuests(): void {
    for (const guest of this.#guests) {
      if (guest === this.#guest) continue;
      void this.#pause(GRACE_MS).then(() => {
        guest.end(false);
        this.#miss(guest);
        this.#guests.delete(guest);
      });
    }
  }

  // ---- the election ----

  async #join(locks: Locks): Promise<void> {
    const { place, name } = this.#settings;
    this.#alive = await takeLock(locks, this.id);
    this.#channel = this.#host.channel(place);
    this.#channel.onmessage = ({ data }) => this.#hear(data as PublicMessage);
    this.#own = this.#host.channel(this.id);
    this.#own.onmessage = ({ data }) => this.#receive(data as FromOwner | ToOwner);
    this.#stand(locks);
    this.#seekAfresh();
    const { holder, shares } = await this.#holder(locks);
    if (holder !== undefined && !shares) throw notShared(name);
  }

  /** Waits for the owner's lock, and becomes the owner when it comes. */
  #stand(locks: Locks): void {
    const standing = (this.#standing = new AbortController());
    takeLock(locks, this.#settings.place, { signal: standing.signal }).then(
      async (lock) => {
        if (lock === undefined) return;
        if (standing.signal.aborted) return lock.release();
        await this.#become(lock);
      },
      (error: unknown) => this.#fail(asOmenError(error, `waiting for the lock of "${this.#settings.name}"`)),
    );
  }

  /** Who has the owner's lock, by the browser's name for it; whether it is a member; whether it is the owner of the line that is in use. */
  async #holder(locks: Locks): Promise<{ holder: string | undefined; shares: boolean; busy: boolean; ours: boolean }> {
    const { place } = this.#settings;
    const held = (await locks.query()).held ?? [];
    const holder = held.find((lock) => lock.name === place)?.clientId;
    return {
      holder,
      shares: held.some((lock) => lock.clientId === holder && lock.name?.startsWith(`${place}:member:`) === true),
      busy: held.some((lock) => lock.name === `${place}:busy`),
      ours: held.some((lock) => lock.clientId === holder && lock.name === this.#guest?.owner),
    };
  }

  #seekAfresh(): void {
    if (!this.#shared || this.#closed) return;
    this.#since = this.#host.now();
    this.#suspect = undefined;
    this.#seek();
  }

  #seek(): void {
    this.#stopSeek?.();
    this.#stopSeek = undefined;
    if (this.#closed || this.#line !== undefined || this.#owner !== undefined) return;
    const step = this.#settings.timeout / 4;
    const began = this.#host.now();
    if (this.#opening === undefined) this.#channel?.postMessage({ type: "seek", member: this.id, durability: rankOf(this.#settings.durability) } satisfies PublicMessage);
    this.#stopSeek = this.#host.later(step, () => {
      const now = this.#host.now();
      // What was said while this side stood still has yet to come in.
      if (now - began > 2 * step) this.#since = now;
      this.#expire();
      void this.#doubt();
      this.#seek();
    });
  }

  /** Calls that have waited for an owner for too long say so. */
  #expire(): void {
    if (this.#patience === undefined) return;
    const now = this.#host.now();
    if (this.#opening !== undefined && this.#opening.stalled === undefined) this.#patience = now;
    if (now - this.#patience < PATIENCE * this.#settings.timeout) return;
    const error = encodeError(
      "OMEN_ERR_BUSY",
      this.#stalled || this.#opening?.stalled !== undefined
        ? `the tab that held "${this.#settings.name}" does not answer and still holds its files; close it, or try again when it goes on`
        : `no tab that has "${this.#settings.name}" open answers; try again, or close the other tabs`,
    );
    this.#patience = now;
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.answer(error);
    if (!this.#known) this.#fail(new OmenError("OMEN_ERR_BUSY", String(decodeResponse(error).json["message"])));
  }

  /** Robs an owner that has not answered for too long. */
  async #doubt(): Promise<void> {
    const locks = this.#locks!;
    if (this.#suspecting || this.#opening !== undefined || this.#owner !== undefined || this.#closed) return;
    this.#suspecting = true;
    try {
      const { timeout, place, name } = this.#settings;
      const { holder, shares, busy, ours } = await this.#holder(locks);
      if (this.#owner !== undefined || this.#closed || this.#opening !== undefined) return;
      const guest = this.#guest;
      if (guest !== undefined && holder !== undefined && !ours) {
        // Somebody else has robbed it already.
        this.#lineGone(guest, false);
        this.#endGuests();
        return;
      }
      const silence = guest === undefined ? this.#host.now() - this.#since : guest.silence;
      if (holder === undefined || holder !== this.#suspect) {
        // Another one than before, who has yet to speak; or nobody, and somebody's turn has come.
        this.#suspect = holder;
        if (this.#line === undefined) this.#since = this.#host.now();
        return;
      }
      if (!shares) {
        this.#answerAll(notShared(name));
        return;
      }
      if (silence < timeout * (busy ? BUSY_PATIENCE : 1)) return;
      const thief = await takeLock(locks, `${place}:thief`, { ifAvailable: true });
      if (thief === undefined) return;
      let lock: HeldLock | undefined;
      try {
        if ((await this.#holder(locks)).holder !== holder || this.#closed || this.#opening !== undefined) return;
        this.#standing?.abort();
        lock = await takeLock(locks, place, { steal: true });
      } finally {
        await thief.release(); // before the storage is opened: a thief that stands still then may be robbed, too
      }
      if (lock !== undefined) await this.#become(lock);
    } catch {
      // Asked again with the next step.
    } finally {
      this.#suspecting = false;
    }
  }

  #answerAll(error: OmenError): void {
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.answer(encodeError(error.code, error.detail));
  }

  /** The lock is ours: opens the database and serves. */
  async #become(lock: HeldLock): Promise<void> {
    if (this.#closed) return lock.release();
    this.#lock = lock;
    // The owner before is gone or robbed, so whatever it still says comes within a moment; then it is over.
    if (this.#guest !== undefined) this.#lineGone(this.#guest, false);
    this.#endGuests();
    void lock.stolen.then(() => this.#robbed(lock));
    await this.#openTerm(lock, this.#known ? "again" : "first");
  }

  #openTerm(lock: HeldLock | undefined, mode: OpenMode, reason?: OmenError): Promise<void> {
    return (this.#begun = this.#beginTerm(lock, mode, reason));
  }

  async #beginTerm(lock: HeldLock | undefined, mode: OpenMode, reason: OmenError | undefined): Promise<void> {
    const opening = (this.#opening = { stalled: undefined as OmenError | undefined });
    const mine = (): boolean => this.#opening === opening && !this.#closed;
    if (this.#shared) this.#seek();
    let opened: Opened | undefined;
    let readOnlyFor: OmenError | undefined;
    while (mine()) {
      const notBusy = this.#busy();
      try {
        opened = await this.#settings.open(readOnlyFor === undefined ? mode : "reading");
        break;
      } catch (thrown) {
        const error = asOmenError(thrown, `opening "${this.#settings.name}"`);
        if (!mine()) break;
        if (error.code === "OMEN_ERR_BUSY" && this.#shared) {
          opening.stalled = error;
          notBusy();
          await this.#pause(RETRY_MS);
        } else if (reason !== undefined && readOnlyFor === undefined && (error.code === "OMEN_ERR_FULL" || error.code === "OMEN_ERR_IO")) {
          readOnlyFor = error;
        } else {
          this.#opening = undefined;
          await this.#release(lock);
          this.#fail(readOnlyFor ?? error);
          return;
        }
      } finally {
        notBusy();
      }
    }
    if (!mine()) {
      // Robbed or closed meanwhile.
      await opened?.engine.close().catch(() => undefined);
      return;
    }
    this.#opening = undefined;
    this.#opened = opened!;
    const settings = { ...this.#settings, shared: this.#shared, member: this.id, term: this.#host.unique(), readOnlyFor };
    const owner: Owner = new Owner(this.#host, opened!, settings, {
      renew: (why) => void this.#renew(owner, why),
      stillOwner: (): Promise<boolean> => this.#stillOwner(owner),
    });
    this.#owner = owner;
    this.#setLine(owner);
    this.#channel?.postMessage({ type: "owner", term: owner.term } satisfies PublicMessage);
  }

  /** Opens the storage anew under the same lock, because the engine cannot go on with it. */
  async #renew(owner: Owner, reason: OmenError): Promise<void> {
    if (this.#owner !== owner) return;
    const opening = (this.#opening = { stalled: undefined });
    this.#owner = undefined;
    this.#lineGone(owner, false);
    await owner.finish(this.#settings.timeout);
    const old = this.#opened;
    this.#opened = undefined;
    owner.end();
    await old?.engine.close().catch(() => undefined);
    if (this.#opening !== opening || this.#closed) return;
    if (reason.code === "OMEN_ERR_BUSY" && !(this.#shared && (await this.#holds()))) {
      // The fence held: it was robbed and did not know. Opening again would shut out the one that has it now.
      this.#robbed(this.#lock);
      return;
    }
    await this.#openTerm(this.#lock, "again", reason);
  }

  async #stillOwner(owner: Owner): Promise<boolean> {
    if (this.#owner !== owner) return false;
    if (!(await this.#holds()) && this.#owner === owner) this.#robbed(this.#lock);
    return this.#owner === owner;
  }

  /** Whether the browser says that the lock of the place is held by who holds this member's own. */
  async #holds(): Promise<boolean> {
    const held = (await this.#locks!.query()).held ?? [];
    const me = held.find((lock) => lock.name === this.id)?.clientId;
    return me !== undefined && held.some((lock) => lock.name === this.#settings.place && lock.clientId === me);
  }

  /** Another tab has taken the lock: this one writes nothing more, and goes over to it. */
  #robbed(lock: HeldLock | undefined): void {
    if (this.#closed || this.#lock !== lock || (lock === undefined && this.#shared)) return;
    this.#lock = undefined;
    this.#opening = undefined;
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.end();
    const opened = this.#opened;
    this.#opened = undefined;
    // Its files are closed before anything else: the new owner waits for them. Where the lock was not taken at all, it is let go of.
    void Promise.resolve(opened?.engine.close())
      .catch(() => undefined)
      .then(() => lock?.release());
    if (owner !== undefined) this.#lineGone(owner, false);
    if (this.#shared) {
      this.#seekAfresh();
      this.#stand(this.#locks!);
    } else {
      this.#taken = true;
      this.#fail(new OmenError("OMEN_ERR_BUSY", `another tab has taken "${this.#settings.name}" over; close it there and open it again here, or open it with tabs: "share"`));
    }
  }

  /** Opening failed here: the next one in the line may have more luck, and the next call tries again. */
  #fail(error: OmenError): void {
    if (this.#closed) return;
    this.#failure = error;
    this.#failedAt = this.#host.now();
    this.#stopSeek?.();
    this.#stopSeek = undefined;
    this.#answerAll(error);
    this.#changed();
  }

  #standAgain(): void {
    if (this.#taken || this.#host.now() - this.#failedAt < RETRY_MS) {
      this.#answerAll(this.#failure!);
      return;
    }
    this.#failure = undefined;
    if (this.#shared) {
      this.#stand(this.#locks!);
      this.#seekAfresh();
    } else void this.#openAlone().catch((error: unknown) => this.#fail(asOmenError(error)));
  }

  /** Without other tabs: the lock must be free. */
  async #openAlone(): Promise<void> {
    const { place, name } = this.#settings;
    if (this.#locks !== undefined) {
      const lock = await takeLock(this.#locks, place, { ifAvailable: true });
      if (lock === undefined) throw new OmenError("OMEN_ERR_BUSY", `"${name}" is open for writing in another tab or worker; close it there first, or open it with readOnly: true`);
      this.#lock = lock;
      void lock.stolen.then(() => this.#robbed(lock));
    }
    await this.#openTerm(this.#lock, this.#known ? "again" : "first");
  }

  #busy(): () => void {
    if (!this.#shared) return () => {};
    let done: () => void;
    const over = new Promise<void>((resolve) => (done = resolve));
    this.#locks!.request(`${this.#settings.place}:busy`, { mode: "shared" }, () => over).catch(() => undefined);
    return () => done();
  }

  // ---- messages ----

  #hear(message: PublicMessage): void {
    if (message.type === "seek") {
      if (this.#owner !== undefined) this.#owner.welcome(message.member, message.durability);
      else if (this.#opening !== undefined) this.#tellToWait(message.member);
      return;
    }
    if (this.#owner !== undefined || this.#opening !== undefined) return;
    if (this.#guest?.term === message.term) return;
    if (this.#guest === undefined) this.#seekAfresh();
    else this.#lineGone(this.#guest, false);
    this.#endGuests();
  }

  #tellToWait(member: string): void {
    const channel = this.#host.channel(member);
    channel.postMessage({ type: "wait", stalled: this.#opening?.stalled !== undefined } satisfies FromOwner);
    channel.close();
  }

  #receive(message: FromOwner | ToOwner): void {
    if (this.#closed) return;
    if (message.type === "wait") {
      this.#since = this.#host.now();
      this.#stalled = message.stalled;
      if (!message.stalled && this.#patience !== undefined) this.#patience = this.#since;
      return;
    }
    if (message.type === "here") {
      if (this.#owner !== undefined || this.#opening !== undefined || this.#guest?.term === message.term) return;
      if (this.#guest !== undefined) this.#lineGone(this.#guest, false);
      this.#guest = new GuestLine(this.#host, this.#own!, message, this.#settings.timeout, () => void this.#doubt());
      this.#guests.add(this.#guest);
      this.#endGuests();
      this.#setLine(this.#guest);
      return;
    }
    if (message.type === "call" || message.type === "abort" || message.type === "ping" || message.type === "bye") return;
    for (const guest of this.#guests) {
      guest.receive(message);
      if (message.type !== "over" || guest.term !== message.term) continue;
      this.#guests.delete(guest);
      if (message.kept && this.#owed === guest) this.#owed = undefined;
      this.#lineGone(guest, message.kept);
    }
  }

  // ---- the end ----

  async #close(): Promise<Uint8Array> {
    const until = this.#host.now() + PATIENCE * this.#settings.timeout;
    // Whatever was asked for before is answered first.
    while ((this.#queue.length > 0 || this.#flying.size > 0) && this.#host.now() < until) {
      await Promise.race([this.#change(), this.#pause(this.#settings.timeout / 4)]);
    }
    const owner = this.#owner;
    const opened = this.#opened;
    let response: Uint8Array = encodeResponse(0, {});
    let kept = false;
    if (owner !== undefined && opened !== undefined) {
      await owner.finish(Math.max(0, until - this.#host.now()));
      // Undefined when it was robbed meanwhile: then there is nothing left to close.
      const last = async (op: string): Promise<Uint8Array | undefined> => {
        if (this.#owner !== owner) return undefined;
        const answer = await opened.engine.call(encodeRequest({ op, db: opened.db })).catch((error: unknown) => encodeError("OMEN_ERR_INTERNAL", String(error)));
        return this.#owner === owner ? answer : undefined;
      };
      // At "memory" closing makes nothing durable, and of a handle that failed once it is no failure.
      const synced = owner.durability > rankOf("memory") ? await last("sync") : undefined;
      const closed = await last("close");
      kept = synced !== undefined && statusOf(synced) === 0 && closed !== undefined && statusOf(closed) === 0;
      if (closed !== undefined) response = closed;
    }
    if (this.#owner === undefined && this.#missed !== undefined) response = encodeError(this.#missed.code, this.#missed.detail);
    await this.#leave(kept);
    return response;
  }

  /** @param kept whether everything acknowledged is durable */
  async #leave(kept = false): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#standing?.abort();
    this.#stopSeek?.();
    this.#answerAll(new OmenError("OMEN_ERR_CLOSED", "the database was closed meanwhile"));
    for (const guest of this.#guests) guest.bye();
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.end(kept);
    await this.#opened?.engine.close().catch(() => undefined);
    // What is being opened would be the younger writer than whoever has the lock next: it is closed first.
    if (this.#opening !== undefined) await Promise.race([this.#begun, this.#pause(this.#settings.timeout)]);
    await this.#release(this.#lock);
    this.#channel?.close();
    this.#own?.close();
    await this.#alive?.release();
    this.#changed();
  }

  async #release(lock: HeldLock | undefined): Promise<void> {
    if (lock !== undefined && this.#lock === lock) this.#lock = undefined;
    await lock?.release();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#host.later(ms, resolve));
  }
}

const notShared = (name: string): OmenError =>
  new OmenError("OMEN_ERR_BUSY", `"${name}" is open in another tab or worker that does not share it; close it there, or open it with tabs: "share" everywhere`);

/** The text of a response's JSON, and what it says. */
function answerOf(response: Uint8Array): { text: string; json: { [key: string]: unknown } } {
  const view = new DataView(response.buffer, response.byteOffset, response.byteLength);
  const at = 16 + 16 * view.getUint32(12, true);
  const text = new TextDecoder().decode(response.subarray(at, at + view.getUint32(8, true)));
  return { text, json: JSON.parse(text) as { [key: string]: unknown } };
}
