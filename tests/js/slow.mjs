// A storage around another that answers everything late and in random order, as a browser's or a network's would.
import { OmenError } from "../../js/dist/errors.js";

/** @param next next(n) of random.mjs @param fail optional: fail(operation) answers an error to throw, or undefined */
export function slow(adapter, next, fail = () => undefined) {
  const counts = { list: 0, open: 0, read: 0, sync: 0, syncDirectory: 0, remove: 0, write: 0 };
  const wait = async () => {
    const turns = next(4);
    if (turns === 3) await new Promise((resolve) => setTimeout(resolve, next(3)));
    else for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const check = (operation) => {
    counts[operation]++;
    const error = fail(operation, counts[operation]);
    if (error !== undefined) throw error;
  };
  const late = async (operation, action) => {
    await wait();
    check(operation);
    const answer = await action();
    await wait();
    return answer;
  };
  const file = (inner) => ({
    size: () => inner.size(),
    readAt: (offset, into) => late("read", () => inner.readAt(offset, into)),
    writeAt(offset, bytes) {
      check("write");
      inner.writeAt(offset, bytes);
    },
    truncate: (size) => inner.truncate(size),
    sync: () => late("sync", () => inner.sync()),
    close: () => inner.close(),
  });
  return {
    kind: "slow",
    counts,
    async open(name, options) {
      await wait();
      const storage = await adapter.open(name, options);
      return {
        synchronous: false,
        list: () => late("list", () => storage.list()),
        openFile: (name_, mode) => late("open", async () => file(await storage.openFile(name_, mode))),
        remove: (name_) => late("remove", () => storage.remove(name_)),
        syncDirectory: () => late("syncDirectory", () => storage.syncDirectory()),
        close: () => wait().then(() => storage.close()),
      };
    },
    destroy: (name) => adapter.destroy(name),
  };
}

export const diskFull = () => new OmenError("OMEN_ERR_FULL", "no space left on the test's disk");
