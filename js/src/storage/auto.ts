/** The storage of a browser when none is named: OPFS where it works, else IndexedDB. */
import { OmenError } from "../errors.js";
import type { Storage, StorageAdapter, StorageOpenOptions } from "./storage.js";

class AutoAdapter implements StorageAdapter {
  readonly kind = "auto";

  async open(name: string, options: StorageOpenOptions): Promise<Storage> {
    if (await hasOpfs()) return (await opfsAdapter()).open(name, options);
    return (await indexeddbAdapter()).open(name, options);
  }

  /** Removes it from both: an older version of the browser may have put it elsewhere. */
  async destroy(name: string): Promise<void> {
    if (typeof navigator.storage?.getDirectory === "function") {
      await (await opfsAdapter()).destroy(name).catch((error: unknown) => {
        if (!(error instanceof OmenError && error.code === "OMEN_ERR_UNSUPPORTED")) throw error;
      });
    }
    await (await indexeddbAdapter()).destroy(name);
  }
}

const opfsAdapter = async (): Promise<StorageAdapter> => (await import("./opfs.js")).opfs();
const indexeddbAdapter = async (): Promise<StorageAdapter> => (await import("./indexeddb.js")).indexeddb();

/** Whether files can be read and written synchronously here: only in workers, and not in every private window. */
async function hasOpfs(): Promise<boolean> {
  const { FileSystemFileHandle: handle } = globalThis as { FileSystemFileHandle?: { prototype: object } };
  if (handle === undefined || !("createSyncAccessHandle" in handle.prototype)) return false;
  try {
    await navigator.storage.getDirectory();
    return true;
  } catch {
    return false;
  }
}

export function autoStorage(): StorageAdapter {
  return new AutoAdapter();
}
