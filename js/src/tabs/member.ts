/**
 * One opened database among the tabs (protocol.ts): it has its calls (calls.ts) done by the owner, in this tab or another, and takes the owner's place when
 * that is gone.
 */
import type { Engine } from "../engine/engine.js";
import { OmenError, asOmenError } from "../errors.js";
import { decodeResponse, encodeError, encodeRequest, encodeResponse, statusOf } from "../wire.js";
import { Calls } from "./calls.js";
import { GuestLine } from "./guest.js";
import { takeLock, type Channel, type HeldLock, type LockEntry, type Locks, type TabsHost } from "./host.js";
import { Owner, type Opened } from "./owner.js";
import { rankOf, type FromOwner, type Line, type PublicMessage, type ToOwner } from "./protocol.js";
import { headingOf } from "./requests.js";

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

/** How long calls wait for an owner, in timeouts. */
const PATIENCE = 3;
/** How long an owner may be busy with something that it announced, in timeouts. */
const BUSY_PATIENCE = 12;
/** How long the files of an owner that was robbed are waited for between two attempts. */
const RETRY_MS = 200;
/** How often the browser is asked who holds a lock before that counts as no answer. */
const QUERIES = 4;
/** How long the last words of an owner that is gone are waited for. */
const GRACE_MS = 50;

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
  #calls: Calls;
  #waiters = new Set<() => void>();
  #stopSeek: (() => void) | undefined;
  /** Since when an owner is looked for in vain, and which one it was. */
  #since = 0;
  #suspect: string | undefined;
  #suspecting = false;
  /** The tab that is to be the owner said that it waits for the files of the one before. */
  #stalled = false;
  #known = false;
  #failure: OmenError | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Another one has taken what is not shared. */
  #taken = false;

  constructor(host: TabsHost, settings: MemberSettings) {
    this.#host = host;
    this.#locks = host.locks;
    this.#shared = settings.shared && host.locks !== undefined;
    this.#settings = settings;
    this.id = `${settings.place}:member:${host.unique()}`;
    this.#calls = new Calls(settings, {
      line: () => this.#line,
      closed: () => this.#closed,
      isHere: (line) => line === this.#owner,
      now: () => host.now(),
      wanted: () => {
        if (this.#failure !== undefined) this.#standAgain();
      },
      gone: (line, kept) => this.#lineGone(line, kept),
      change: () => this.#change(),
      idle: () => this.#changed(),
    });
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
      this.#calls.since = this.#host.now();
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
    return heading.op === "close" ? this.#close() : this.#calls.make(request, heading, signal);
  }

  /** Lets go of everything at once, without waiting for durability. */
  async abandon(): Promise<void> {
    await this.#leave();
  }

  // ---- lines ----

  #setLine(line: Line): void {
    this.#line = line;
    this.#known = true;
    this.#failure = undefined;
    this.#calls.since = undefined;
    this.#stalled = false;
    this.#calls.forgetLine();
    this.#stopSeek?.();
    this.#stopSeek = undefined;
    this.#changed();
  }

  /** @param kept whether what the line acknowledged is durable, or will be by the time its term is over */
  #lineGone(line: Line, kept: boolean): void {
    if (!kept) this.#calls.miss(line);
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#calls.forgetLine();
    if (line === this.#guest) this.#guest = undefined;
    if (this.#owner === undefined && this.#opening === undefined) this.#seekAfresh();
    this.#changed();
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
        this.#calls.miss(guest);
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
    // A browser that does not tell refuses nobody here: it is asked again for as long as no owner answers.
    const { holder, shares } = await this.#holder(locks).catch(() => ({ holder: undefined, shares: false }));
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
    if (this.#calls.since === undefined) return;
    const now = this.#host.now();
    if (this.#opening !== undefined && this.#opening.stalled === undefined) this.#calls.since = now;
    if (now - this.#calls.since < PATIENCE * this.#settings.timeout) return;
    const error = encodeError(
      "OMEN_ERR_BUSY",
      this.#stalled || this.#opening?.stalled !== undefined
        ? `the tab that held "${this.#settings.name}" does not answer and still holds its files; close it, or try again when it goes on`
        : `no tab that has "${this.#settings.name}" open answers; try again, or close the other tabs`,
    );
    this.#calls.since = now;
    this.#calls.answerAll(error);
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
        this.#refuseAll(notShared(name));
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

  #refuseAll({ code, detail }: OmenError): void {
    this.#calls.answerAll(encodeError(code, detail));
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

  /**
   * Whether the browser says that the lock of the place is held by who holds this member's own. One that does not say is asked again; when it will not, the
   * answer is no: an owner that is none any more must not go on, and one that lets go for nothing only costs a change of owners.
   */
  async #holds(): Promise<boolean> {
    let held: LockEntry[] | undefined;
    for (let attempt = 1; held === undefined; attempt++) {
      try {
        held = (await this.#locks!.query()).held ?? [];
      } catch {
        if (attempt === QUERIES || this.#closed) return false;
        await this.#pause(this.#settings.timeout / 20);
      }
    }
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
    this.#refuseAll(error);
    this.#changed();
  }

  #standAgain(): void {
    if (this.#taken || this.#host.now() - this.#failedAt < RETRY_MS) {
      this.#refuseAll(this.#failure!);
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
      if (!message.stalled && this.#calls.since !== undefined) this.#calls.since = this.#since;
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
      if (message.kept) this.#calls.kept(guest);
      this.#lineGone(guest, message.kept);
    }
  }

  // ---- the end ----

  async #close(): Promise<Uint8Array> {
    const until = this.#host.now() + PATIENCE * this.#settings.timeout;
    // Whatever was asked for before is answered first.
    while (!this.#calls.idle && this.#host.now() < until) {
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
    const missed = this.#owner === undefined ? this.#calls.takeMissed() : undefined;
    if (missed !== undefined) response = encodeError(missed.code, missed.detail);
    await this.#leave(kept);
    return response;
  }

  /** @param kept whether everything acknowledged is durable */
  async #leave(kept = false): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#standing?.abort();
    this.#stopSeek?.();
    this.#refuseAll(new OmenError("OMEN_ERR_CLOSED", "the database was closed meanwhile"));
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
