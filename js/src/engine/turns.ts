/**
 * Letting the event loop turn. A promise that is resolved at once goes on within the same turn, so a program that awaits one search after another on a
 * storage that answers at once would keep timers, messages and input waiting for as long as its loop runs: maintenance, backups and everything else of the
 * program's, too. Once in a while an answer is held back for one turn.
 */

/** For so long answers come within one turn. */
const TURN_MS = 8;

// Taken when the module is loaded: what a test puts in their place later may never fire.
const immediate = (globalThis as { setImmediate?: (then: () => void) => unknown }).setImmediate;
const later = globalThis.setTimeout;
const Channel = (globalThis as { MessageChannel?: typeof MessageChannel }).MessageChannel;

/** Runs `then` in a later turn, as soon as the runtime can: browsers make nested timers wait, messages not. */
function nextTurn(then: () => void): void {
  try {
    if (immediate !== undefined) immediate(then);
    else if (Channel !== undefined) {
      const { port1, port2 } = new Channel();
      port1.onmessage = () => {
        port1.close();
        then();
      };
      port2.postMessage(null);
    } else later(then, 0);
  } catch {
    then(); // a runtime that has no turns here: outside of requests, in isolates
  }
}

/** Sees to it that answers let the event loop turn. */
export class Turns {
  /** When the loop was last known to turn. */
  #turned = 0;
  /** It was asked to say when it turns next. */
  #asked = false;

  /**
   * Calls `answer`: at once, or in the next turn where the loop has not turned for too long. An answer after a pause is not held back: a first one only asks
   * whether the loop turns, and those after it wait where it does not.
   */
  answer(answer: () => void): void {
    if (performance.now() - this.#turned <= TURN_MS) return answer();
    if (this.#asked) {
      nextTurn(() => {
        this.#note();
        answer();
      });
      return;
    }
    this.#asked = true;
    nextTurn(() => this.#note());
    answer();
  }

  #note(): void {
    this.#turned = performance.now();
    this.#asked = false;
  }
}
