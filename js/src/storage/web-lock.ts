/** The writer's lock of a browser's storages: a Web Lock, which goes with its tab or worker however that ends. */
import { OmenError } from "../errors.js";

/** Takes the lock of a place, or refuses at once. @returns what releases it @throws OmenError `OMEN_ERR_BUSY` */
export function takeWebLock(kind: string, name: string): Promise<() => void> {
  // Some private windows have none; what a storage can check by itself has to do there.
  if (navigator.locks === undefined) return Promise.resolve(() => undefined);
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`omendb:${kind}:${name}`, { mode: "exclusive", ifAvailable: true }, (lock) => {
        if (lock === null) {
          reject(new OmenError("OMEN_ERR_BUSY", `"${name}" is open for writing in another tab or worker; close it there first, or open it with readOnly: true`));
          return;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}
