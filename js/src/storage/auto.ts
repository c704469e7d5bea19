/** The storage of a browser when none is named: OPFS where it works, else IndexedDB. */
import { OmenError } from "../errors.js";
import type { Storage, StorageAdapter, StorageOpenOptions } from "./storage.js";

type Make = () => StorageAdapter | Promise<StorageAdapter>;

class AutoAdapter implements StorageAdapter {
  readonly kind = "auto";
  #opfs: Make;
  #indexeddb: Make;

  constructor(opfs: Make, indexeddb: Make) {
    this.#opfs = opfs;
    this.#indexeddb = indexeddb;
  }

  async open(name: string, options: StorageOpenOptions): Promise<Storage> {
    const adapter = await ((await adapterKind("auto")) === "opfs" ? this.#opfs() : this.#indexeddb());
    return adapter.open(name, options);
  }

  /** Removes it from both: an older version of the browser may have put it elsewhere. */
  async destroy(name: string): Promise<void> {
    if (typeof navigator.storage?.getDirectory === "function") {
      const opfs = await this.#opfs();
      await opfs.destroy(name).catch((error: unknown) => {
        if (!(error instanceof OmenError && error.code === "OMEN_ERR_UNSUPPORTED")) throw error;
      });
    }
    await (await this.#indexeddb()).destroy(name);
  }
}

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

/** Which storage a name stands for: what `"auto"` is here. */
export async function adapterKind(storage: string): Promise<string> {
  return storage === "auto" ? ((await hasOpfs()) ? "opfs" : "indexeddb") : storage;
}

/** Takes the two by functions, so that a page loads them only when it needs them, and a worker has them at hand. */
export function autoStorage(opfs: Make, indexeddb: Make): StorageAdapter {
  return new AutoAdapter(opfs, indexeddb);
}
