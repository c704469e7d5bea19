/**
 * A member's calls: kept in the order they were made until they are begun, with the tab's own handles, and what becomes of them when the owner goes.
 * One that was begun is made again when that changes nothing (requests.ts); of a write, nobody knows, and it says so.
 */
import { onAbort } from "../abort.js";
import { OmenError } from "../errors.js";
import { decodeResponse, encodeError, encodeRequest, encodeResponse, statusOf } from "../wire.js";
import { GROUP, rankOf, type Line } from "./protocol.js";
import { isRepeatable, isTask, withHandles, type Heading } from "./requests.js";

/** What calls need of their member. */
export interface CallsSide {
  /** To the owner of now. */
  line(): Line | undefined;
  closed(): boolean;
  /** Whether the owner is this member. */
  isHere(line: Line): boolean;
  now(): number;
  /** A call was made, or is to be made again. */
  wanted(): void;
  /** Nothing more is to be had of a line. `kept`: what it acknowledged is durable, or will be by the time its term is over. */
  gone(line: Line, kept: boolean): void;
  /** Resolves when there is, or was, another line. */
  change(): Promise<void>;
  /** No call is begun and unanswered any more. */
  idle(): void;
}

interface Job {
  number: number;
  heading: Heading;
  request: Uint8Array;
  signal: AbortSignal | undefined;
  answer(response: Uint8Array): void;
  /** Of a call that makes everything durable: how many writes had been acknowledged before it was begun, which is what it speaks for. */
  covers: number;
}

/** What this side calls the database. */
const DB = 1;

const cancelled = (): Uint8Array => encodeError("OMEN_ERR_CANCELLED", "the call was cancelled while it waited for the database's owner");

export class Calls {
  /** Since when calls wait for an owner; time in which one opens the storage does not count. */
  since: number | undefined;
  #name: string;
  #durability: number;
  #side: CallsSide;
  #queue: Job[] = [];
  /** Begun and not answered. */
  #flying = new Set<Job>();
  #number = 1;
  #pumping = false;
  /** Names of collections, by the tab's handles. */
  #handles = new Map<number, unknown>();
  #nextHandle = 1;
  /** The owner's handles of this term. */
  #real = new Map<number, number>();
  /** Tasks, each with the line on whose engine it runs. */
  #tasks = new Map<number, { line: Line; real: number }>();
  /** The line that acknowledged writes which its owner has not made durable yet; and such were lost with one. */
  #owed: Line | undefined;
  /** Writes that were acknowledged before they were durable, ever. */
  #owing = 0;
  #missed: OmenError | undefined;

  /** @param name the database's, for messages */
  constructor({ name, durability }: { name: string; durability: unknown }, side: CallsSide) {
    this.#name = name;
    this.#durability = rankOf(durability);
    this.#side = side;
  }

  /** Whether every call is answered. */
  get idle(): boolean {
    return this.#queue.length === 0 && this.#flying.size === 0;
  }

  make(request: Uint8Array, heading: Heading, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const job: Job = { number: this.#number++, heading, request, signal, answer: resolve, covers: 0 };
      const forget = onAbort(signal, () => {
        // A call that is begun is answered by the owner, as cancelled if it still can be.
        const at = this.#queue.indexOf(job);
        if (at < 0) return;
        this.#queue.splice(at, 1);
        job.answer(cancelled());
      });
      job.answer = (response) => {
        forget();
        resolve(response);
      };
      this.#enqueue(job);
    });
  }

  /** Answers all that waits to be begun. */
  answerAll(response: Uint8Array): void {
    const waiting = this.#queue;
    this.#queue = [];
    // Each has bytes of its own: they are transferred.
    for (const job of waiting) job.answer(response.slice());
  }

  /** The owner's handles are not those of now any more. */
  forgetLine(): void {
    this.#real.clear();
  }

  /** What the line acknowledged and has not made durable is lost: the next sync says so, once. */
  miss(line: Line): void {
    if (this.#owed !== line) return;
    this.#owed = undefined;
    this.#missed = new OmenError(
      "OMEN_ERR_OUTCOME_UNKNOWN",
      `the tab that held "${this.#name}" went with writes that the option durability let it acknowledge before they were durable; read back what they wrote`,
    );
  }

  /** What the line acknowledged is durable. */
  kept(line: Line): void {
    if (this.#owed === line) this.#owed = undefined;
  }

  takeMissed(): OmenError | undefined {
    const missed = this.#missed;
    this.#missed = undefined;
    return missed;
  }

  #enqueue(job: Job): void {
    if (job.signal?.aborted === true) return job.answer(cancelled());
    // Calls that are made again go before those that were made after them.
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.number > job.number) at--;
    this.#queue.splice(at, 0, job);
    this.#side.wanted();
    if (!this.#pumping) this.#pump();
  }

  /** Begins what can be begun; what waits for the owner's answer first is taken up again when that is there. */
  #pump(): void {
    this.#pumping = true;
    for (;;) {
      const job = this.#queue[0];
      const line = this.#side.line();
      if (job === undefined) break;
      if (line === undefined) {
        this.since ??= this.#side.now();
        void this.#side.change().then(() => this.#pump());
        return;
      }
      this.since = undefined;
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
    if (this.#side.line() !== line) return;
    if (typeof outcome === "string") return this.#side.gone(line, outcome === "refused");
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
    const missed = op === "sync" ? this.takeMissed() : undefined;
    if (missed !== undefined) return job.answer(encodeError(missed.code, missed.detail));
    if (collection !== undefined && !this.#handles.has(collection)) {
      return job.answer(op === "release" ? encodeResponse(0, {}) : encodeError("OMEN_ERR_CLOSED", "the collection is closed; open it again"));
    }
    const task = heading.task === undefined ? undefined : this.#tasks.get(heading.task);
    if (heading.task !== undefined) {
      if (op === "taskEnd") this.#tasks.delete(heading.task);
      if (task?.line !== line) {
        if (op === "taskEnd") return job.answer(encodeResponse(0, {}));
        return job.answer(encodeError("OMEN_ERR_CLOSED", `the tab that ran it for "${this.#name}" went before it was done; begin it anew`));
      }
    }
    if (op === "transfer" && !this.#side.isHere(line)) {
      // The place lies open in this tab's engine, which no longer has the database.
      return job.answer(encodeError("OMEN_ERR_UNSUPPORTED", `another tab holds "${this.#name}" now, and only that one can copy it to another place`));
    }
    const real = collection === undefined ? undefined : this.#real.get(collection);
    const handles = { db: line.db, ...(real === undefined ? {} : { collection: real }), ...(task === undefined ? {} : { task: task.real }) };
    const request = withHandles(job.request, heading.text, handles);
    if (op === "release") {
      this.#handles.delete(collection!);
      this.#real.delete(collection!);
    }
    this.#flying.add(job);
    job.covers = this.#owing;
    const outcome = await line.call(op, request, job.signal);
    this.#flying.delete(job);
    if (this.#flying.size === 0) this.#side.idle();
    if (typeof outcome === "object") return job.answer(this.#answer(line, job, outcome.response));
    this.#side.gone(line, outcome === "refused");
    if (op === "release") return job.answer(encodeResponse(0, {}));
    if (outcome === "refused" || isRepeatable(op)) {
      if (this.#side.closed()) return job.answer(encodeError("OMEN_ERR_CLOSED", "the database was closed meanwhile"));
      return this.#enqueue(job);
    }
    job.answer(
      encodeError(
        "OMEN_ERR_OUTCOME_UNKNOWN",
        `${op}: the tab that held "${this.#name}" went before it answered, so the write has happened whole or not at all; read back what it wrote, and write again if it is not there`,
      ),
    );
  }

  /** What becomes of an answer on its way to the tab: the owner's handle becomes ours. */
  #answer(line: Line, { heading, covers }: Job, response: Uint8Array): Uint8Array {
    if (statusOf(response) !== 0) return response;
    const { op, name } = heading;
    if (op === "collection") {
      const { text, json } = answerOf(response);
      const handle = this.#nextHandle++;
      this.#handles.set(handle, name);
      if (this.#side.line() === line) this.#real.set(handle, Number(json["collection"]));
      return withHandles(response, text, { collection: handle });
    }
    if (isTask(op)) {
      const { text, json } = answerOf(response);
      const handle = this.#nextHandle++;
      this.#tasks.set(handle, { line, real: Number(json["task"]) });
      return withHandles(response, text, { task: handle });
    }
    if (op === "sync" || op === "flush" || op === "compact") {
      if (covers === this.#owing) this.#owed = undefined;
    } else if (!isRepeatable(op) && Math.max(line.durability, this.#durability) < GROUP) {
      this.#owed = line;
      this.#owing++;
    }
    return response;
  }
}

/** The text of a response's JSON, and what it says. */
function answerOf(response: Uint8Array): { text: string; json: { [key: string]: unknown } } {
  const view = new DataView(response.buffer, response.byteOffset, response.byteLength);
  const at = 16 + 16 * view.getUint32(12, true);
  const text = new TextDecoder().decode(response.subarray(at, at + view.getUint32(8, true)));
  return { text, json: JSON.parse(text) as { [key: string]: unknown } };
}
