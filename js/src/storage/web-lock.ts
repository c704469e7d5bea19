/** The writer's lock of a browser's storages: a Web Lock, which goes with its tab or worker however that ends. */
import { OmenError } from "../errors.js";

/** Gives a lock back; resolves when another one can take it, which Firefox needs a moment for. Never rejects. */
export type ReleaseLock = () => Promise<void>;

/** What a reader has instead of a lock. */
export const noLock: ReleaseLock = () => Promise.resolve();

/** Takes the lock of a place, or refuses at once. @returns what releases it @throws OmenError `OMEN_ERR_BUSY` */
export function takeWebLock(kind: string, name: string): Promise<ReleaseLock> {
  // Some private windows have none; what a storage can check by itself has to do there.
  if (navigator.locks === undefined) return Promise.resolve(noLock);
  return new Promise((resolve, reject) => {
    const held: Promise<unknown> = navigator.locks.request(`omendb:${kind}:${name}`, { mode: "exclusive", ifAvailable: true }, (lock) => {
      if (lock === null) {
        reject(new OmenError("OMEN_ERR_BUSY", `"${name}" is open for writing in another tab or worker; close it there first, or open it with readOnly: true`));
        return;
      }
      return new Promise<void>((release) => {
        resolve(async () => {
          release();
          // A lock that was stolen rejects; it is gone all the same.
          await held.catch(() => undefined);
        });
      });
    });
    held.catch(reject);
  });
}
