/**
 * A database's connection to its engine: calls, and the maintenance that follows writes.
 *
 * Maintenance (flushing a full in-memory table, merging segments, building indexes) runs in short steps between other work, begun by
 * opening and by writes. A program that gives it no turn (one long run of code, or calls all made at once) outruns it; then the core makes writes help.
 */
import type { Engine } from "./engine/engine.js";
import type { OmenError } from "./errors.js";
import { Scratch, decodeAnswer, encodeRequest, type Message, type Part } from "./wire.js";

const STEP_US = 8000;

type Request = { op: string; [key: string]: unknown };

/** Lets timers, messages and input have their turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export class Connection {
  readonly engine: Engine;
  /** The database's handle. */
  readonly handle: number;
  #scratch: Scratch | undefined;
  #maintained: boolean;
  #closing = false;
  #running: Promise<void> | undefined;
  /** A write came after the maintenance under way had looked. */
  #again = false;
  #failure: OmenError | undefined;

  /** @param maintained whether this side calls for maintenance */
  constructor(engine: Engine, handle: number, maintained: boolean) {
    this.engine = engine;
    // The engine in WebAssembly copies a request into the module's memory before `call` returns; others keep or transfer it.
    this.#scratch = engine.kind === "wasm" ? new Scratch() : undefined;
    this.handle = handle;
    this.#maintained = maintained;
  }

  /** Makes a call; calls begin in the order they are made. @throws OmenError what the response says */
  async call(request: Request, parts: readonly Part[] = [], signal?: AbortSignal): Promise<Message> {
    return decodeAnswer(await this.engine.call(encodeRequest(request, parts, this.#scratch), signal));
  }

  /** A call that changes something: maintenance may follow. */
  async write(request: Request, parts: readonly Part[], signal?: AbortSignal): Promise<Message> {
    const answer = await this.call(request, parts, signal);
    this.wake();
    return answer;
  }

  /** Something may have come up that wants maintenance: a write, or what an opened database was left with. */
  wake(): void {
    if (!this.#maintained || this.#closing) return;
    this.#again = true;
    this.#running ??= this.#maintain();
  }

  /** What maintenance failed with last. The core refuses what it concerns, so this is for reports only. */
  get maintenanceFailure(): OmenError | undefined {
    return this.#failure;
  }

  /** Waits for maintenance under way, and begins no more. */
  async settle(): Promise<void> {
    this.#closing = true;
    await this.#running;
  }

  async #maintain(): Promise<void> {
    try {
      for (let more = true; (more || this.#again) && !this.#closing; ) {
        await turn();
        if (this.#closing) break;
        this.#again = false;
        const { json } = await this.call({ op: "maintain", db: this.handle, budgetUs: STEP_US });
        more = json["more"] === true;
      }
    } catch (error) {
      this.#failure = error as OmenError;
    }
    this.#running = undefined;
  }
}
