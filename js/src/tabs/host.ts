/** What the tabs' protocol needs of its surroundings: Web Locks, channels and a clock. Tests give others, with delays and seeds. */

/** As much of a `BroadcastChannel` as is used. */
export interface Channel {
  onmessage: ((event: { data: unknown }) => unknown) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** One entry of what `navigator.locks.query` answers. */
export interface LockEntry {
  name?: string;
  clientId?: string;
}

/** As much of a `LockManager` as is used. */
export interface Locks {
  request(
    name: string,
    options: { mode?: "exclusive" | "shared"; ifAvailable?: boolean; steal?: boolean; signal?: AbortSignal },
    callback: (lock: unknown) => unknown,
  ): Promise<unknown>;
  query(): Promise<{ held?: LockEntry[]; pending?: LockEntry[] }>;
}

export interface TabsHost {
  /** Undefined where there are none: then nothing is shared, and what a storage can check by itself has to do. */
  readonly locks: Locks | undefined;
  channel(name: string): Channel;
  /** Milliseconds that never go back. */
  now(): number;
  /** Calls back once after `ms`; answers what prevents it. */
  later(ms: number, callback: () => void): () => void;
  /** A name that nobody else has. */
  unique(): string;
}

/** The browser's. Pages that are not from https or localhost have no locks, and some private windows neither. */
export function browserHost(): TabsHost {
  return {
    locks: typeof BroadcastChannel === "undefined" ? undefined : (globalThis as { navigator?: { locks?: Locks } }).navigator?.locks,
    channel: (name) => new BroadcastChannel(name) as unknown as Channel,
    now: () => performance.now(),
    later(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    unique: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

/** A lock that is held until it is given back, or stolen. */
export interface HeldLock {
  /** Gives it back; resolves when it is gone. Never rejects. */
  release(): Promise<void>;
  /** Resolves when it was taken away. */
  readonly stolen: Promise<void>;
}

/** Takes a lock: waits for it, unless `ifAvailable`. @returns undefined when it is not to be had, or the signal was aborted first */
export function takeLock(locks: Locks, name: string, options: { ifAvailable?: boolean; steal?: boolean; signal?: AbortSignal } = {}): Promise<HeldLock | undefined> {
  return new Promise((resolve, reject) => {
    let granted = false;
    let released = false;
    let taken: () => void;
    const stolen = new Promise<void>((done) => (taken = done));
    const asked: Promise<unknown> = locks.request(name, { mode: "exclusive", ...options }, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      granted = true;
      return new Promise<void>((done) => {
        resolve({
          async release() {
            released = true;
            done();
            await asked.catch(() => undefined);
          },
          stolen,
        });
      });
    });
    asked.catch((error: unknown) => {
      if (granted) {
        if (!released) taken();
      } else if (options.signal?.aborted) resolve(undefined);
      else reject(error);
    });
  });
}
