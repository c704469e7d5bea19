/** The writer's lock of a browser's storages: a Web Lock, which goes with its tab or worker however that ends. */
import { OmenError } from "../errors.js";

/** Takes the lock of a place, or refuses at once. @returns what releases it, and resolves when it is free @throws OmenError `OMEN_ERR_BUSY` */
export function takeWebLock(kind: string, name: string): Promise<() => Promise<void>> {
  // Some private windows have none; what a storage can check by itself has to do there.
  if (navigator.locks === undefined) return Promise.resolve(() => Promise.resolve());
  return new Promise((resolve, reject) => {
    const request = navigator.locks.request(`omendb:${kind}:${name}`, { mode: "exclusive", ifAvailable: true }, (lock): Promise<void> | undefined => {
      if (lock === null) {
        reject(new OmenError("OMEN_ERR_BUSY", `"${name}" is open for writing in another tab or worker; close it there first, or open it with readOnly: true`));
        return undefined;
      }
      return new Promise<void>((release) =>
        resolve(() => {
          release();
          return held;
        }),
      );
    });
    const held: Promise<void> = request.then(() => undefined);
    held.catch(reject);
  });
}

/** For those who read only: nothing to release. */
export const noLock = (): Promise<void> => Promise.resolve();
