/** Signals that many calls share: one listener for each, however many calls wait for it. */

type Callback = () => void;

const waiting = new WeakMap<AbortSignal, Set<Callback>>();

/**
 * Calls back once when the signal is aborted. Answers what takes the callback away again.
 * Node.js warns of a leak when more than ten listeners hang on one signal; a hundred writes with one signal are no leak.
 */
export function onAbort(signal: AbortSignal | undefined, callback: Callback): () => void {
  if (signal === undefined) return () => {};
  let callbacks = waiting.get(signal);
  if (callbacks === undefined) {
    const all = (callbacks = new Set());
    const listener = (): void => {
      waiting.delete(signal);
      for (const one of [...all]) one();
    };
    waiting.set(signal, all);
    listeners.set(all, listener);
    signal.addEventListener("abort", listener, { once: true });
  }
  const all = callbacks;
  all.add(callback);
  return () => {
    all.delete(callback);
    const listener = listeners.get(all);
    if (all.size > 0 || listener === undefined || waiting.get(signal) !== all) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", listener);
  };
}

const listeners = new WeakMap<Set<Callback>, () => void>();
