/** A member's way to an owner in another tab: calls over the member's own channel, with pings while answers are missing. */
import { onAbort } from "../abort.js";
import type { Channel, TabsHost } from "./host.js";
import type { FromOwner, Line, Outcome, ToOwner } from "./protocol.js";

/** Calls of no two lines have the same number: terms may be heard again. */
let next = 1;

export class GuestLine implements Line {
  readonly term: string;
  /** The member that is the owner. */
  readonly owner: string;
  readonly db: number;
  readonly databaseId: string;
  readonly durability: number;
  #host: TabsHost;
  #channel: Channel;
  #timeout: number;
  #onSilence: () => void;
  #pending = new Map<number, (outcome: Outcome) => void>();
  #heard = 0;
  #stopWatch: (() => void) | undefined;
  #over = false;

  /** @param onSilence called, again and again, while the owner has not answered for `timeout` ms */
  constructor(host: TabsHost, channel: Channel, here: Extract<FromOwner, { type: "here" }>, timeout: number, onSilence: () => void) {
    this.#host = host;
    this.#channel = channel;
    this.#timeout = timeout;
    this.#onSilence = onSilence;
    ({ term: this.term, owner: this.owner, db: this.db, databaseId: this.databaseId, durability: this.durability } = here);
  }

  /** How long the owner has been owing a word. */
  get silence(): number {
    return this.#pending.size === 0 ? 0 : this.#host.now() - this.#heard;
  }

  call(op: string, request: Uint8Array, signal: AbortSignal | undefined): Promise<Outcome> {
    if (this.#over) return Promise.resolve("refused");
    const id = next++;
    return new Promise((resolve) => {
      const forget = onAbort(signal, () => this.#post({ type: "abort", term: this.term, id }));
      this.#pending.set(id, (outcome) => {
        forget();
        resolve(outcome);
      });
      this.#post({ type: "call", term: this.term, id, op, request });
      if (this.#stopWatch === undefined) {
        this.#heard = this.#host.now();
        this.#watch();
      }
    });
  }

  receive(message: FromOwner): void {
    if (message.type === "wait" || message.term !== this.term) return;
    this.#heard = this.#host.now();
    if (message.type === "answer") this.#settle(message.id, { response: message.response });
    else if (message.type === "refused") this.#settle(message.id, "refused");
    else if (message.type === "over") this.end(message.clean);
  }

  /** Nothing more will come. `clean`: the owner has answered all that it began. */
  end(clean: boolean): void {
    this.#over = true;
    this.#stopWatch?.();
    for (const id of [...this.#pending.keys()]) this.#settle(id, clean ? "refused" : "lost");
  }

  bye(): void {
    this.#post({ type: "bye", term: this.term });
    this.end(false);
  }

  #settle(id: number, outcome: Outcome): void {
    const resolve = this.#pending.get(id);
    this.#pending.delete(id);
    resolve?.(outcome);
  }

  #post(message: ToOwner): void {
    this.#channel.postMessage(message);
  }

  /** Pings while something is unanswered. */
  #watch(): void {
    const step = this.#timeout / 4;
    const began = this.#host.now();
    this.#stopWatch = this.#host.later(step, () => {
      this.#stopWatch = undefined;
      if (this.#over || this.#pending.size === 0) return;
      const now = this.#host.now();
      // It was this side that stood still: what the owner said meanwhile has yet to come in.
      if (now - began > 2 * step) this.#heard = now;
      if (now - this.#heard > this.#timeout) this.#onSilence();
      if (this.#over) return;
      this.#post({ type: "ping", term: this.term });
      this.#watch();
    });
  }
}
