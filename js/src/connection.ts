/**
 * A database's connection to its engine: calls, and the maintenance that follows writes.
 *
 * Maintenance (flushing a full in-memory table, merging segments) runs in short steps between other work, begun by writes. A
 * program that writes without ever letting the event loop turn would run ahead of it, so writes wait for it once a fixed number
 * of bytes has gone in since it last had nothing to do.
 */
import type { Engine } from "./engine/engine.js";
import type { OmenError } from "./errors.js";
import { decodeAnswer, encodeRequest, type Message, type Part } from "./wire.js";

const STEP_US = 8000;
const BACKLOG = 16 * 2 ** 20;

type Request = { op: string; [key: string]: unknown };

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export class Connection {
  readonly engine: Engine;
  /** The database's handle. */
  readonly handle: number;
  #maintained: boolean;
  #closing = false;
  #running: Promise<void> | undefined;
  /** Bytes written since maintenance had nothing left to do. */
  #backlog = 0;
  #line: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #failure: OmenError | undefined;

  /** @param maintained whether this side calls for maintenance */
  constructor(engine: Engine, handle: number, maintained: boolean) {
    this.engine = engine;
    this.handle = handle;
    this.#maintained = maintained;
  }

  async call(request: Request, parts: readonly Part[] = [], signal?: AbortSignal): Promise<Message> {
    return decodeAnswer(await this.engine.call(encodeRequest(request, parts), signal));
  }

  /** A call that changes something. Such calls begin in the order they are made. */
  async write(request: Request, parts: readonly Part[], signal?: AbortSignal): Promise<Message> {
    const bytes = encodeRequest(request, parts);
    this.#backlog += bytes.length;
    const answer = await this.#begin(bytes, signal);
    if (this.#maintained) void this.#maintain();
    return decodeAnswer(answer);
  }

  /** What the last maintenance failed with; writes and reads say so themselves when it concerns them. */
  get maintenanceFailure(): OmenError | undefined {
    return this.#failure;
  }

  /** Waits for maintenance under way and begins no more. */
  async settle(): Promise<void> {
    this.#closing = true;
    await this.#line;
    await this.#running;
  }

  #begin(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (this.#waiting === 0 && !(this.#maintained && this.#backlog > BACKLOG)) return this.engine.call(bytes, signal);
    this.#waiting++;
    return new Promise((resolve) => {
      this.#line = this.#line.then(async () => {
        if (this.#backlog > BACKLOG) await this.#maintain();
        this.#waiting--;
        resolve(this.engine.call(bytes, signal));
      });
    });
  }

  #maintain(): Promise<void> {
    this.#running ??= this.#maintainAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #maintainAll(): Promise<void> {
    try {
      for (let more = true; more && !this.#closing; ) {
        await turn();
        if (this.#closing) return;
        const { json } = await this.call({ op: "maintain", db: this.handle, budgetUs: STEP_US });
        more = json["more"] === true;
      }
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error as OmenError;
    }
    this.#backlog = 0;
  }
}
