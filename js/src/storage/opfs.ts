/**
 * Storage in the origin private file system, in a worker: one folder for each database below `omendb/`, one synchronous access handle for each open file.
 * Finding and removing files waits; reading and writing does not.
 *
 * `flush` is the sync. Entries of a folder have no sync of their own: browsers record a new file before they hand out its handle. A handle is
 * exclusive, so the database cannot be opened for reading while it is open for writing either.
 */
import { OmenError, asOmenError } from "../errors.js";
import { Roll } from "./opfs-roll.js";
import type { Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage.js";
import { noLock, takeWebLock } from "./web-lock.js";

const FOLDER = "omendb";
/**
 * The writer keeps a handle of this file, which nobody else can have at the same time. A writer that was robbed of its Web Lock while it stood still has it until
 * it goes on and closes, or ends; until then nobody else opens anything. Readers ask for one first, too: a reader that only tried the files, one after the other, would
 * have the writer's manifest for a moment, in which the writer could not open it. Where handles can be shared by readers, as in Chromium, they keep it.
 */
const LOCK = "lock";

/** TypeScript's DOM types leave out what only workers have. */
interface AccessHandle {
  /** Absent where every handle is exclusive. */
  readonly mode?: string;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle(options?: { mode: string }): Promise<AccessHandle> };

const nameOf = (error: unknown): unknown => (error as { name?: unknown } | null)?.name;

/** What the browser said, as ours. */
function failed(error: unknown, doing: string): OmenError {
  const name = nameOf(error);
  if (name === "NotFoundError") return new OmenError("OMEN_ERR_NOT_FOUND", `${doing}: it is not there`, { cause: error });
  if (name === "NoModificationAllowedError") {
    return new OmenError("OMEN_ERR_BUSY", `${doing}: another tab or worker has it open; close the database there first`, { cause: error });
  }
  if (name === "SecurityError") return new OmenError("OMEN_ERR_UNSUPPORTED", `${doing}: this page may not use the file system (a private window?); use storage: "indexeddb"`, { cause: error });
  return asOmenError(error, doing);
}

class OpfsFile implements StorageFile {
  #storage: OpfsStorage;
  #handle: AccessHandle;
  #name: string;
  #writable: boolean;

  constructor(storage: OpfsStorage, handle: AccessHandle, name: string, writable: boolean) {
    this.#storage = storage;
    this.#handle = handle;
    this.#name = name;
    this.#writable = writable;
  }

  /** Firefox has no handles that only read, so that is held here. */
  #mayWrite(): void {
    if (!this.#writable) throw new OmenError("OMEN_ERR_READ_ONLY", `${this.#name} is open for reading only`);
    const lost = this.#storage.lost();
    if (lost !== undefined) throw lost;
  }

  #do<T>(doing: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw failed(error, `${doing} ${this.#name}`);
    }
  }

  size(): number {
    return this.#do("asking for the size of", () => this.#handle.getSize());
  }

  readAt(offset: number, into: Uint8Array): number {
    return this.#do("reading", () => this.#handle.read(into, { at: offset }));
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#mayWrite();
    const written = this.#do("writing", () => this.#handle.write(bytes, { at: offset }));
    // Where the quota ends, some browsers write a part and throw nothing.
    if (written !== bytes.length) throw new OmenError("OMEN_ERR_FULL", `writing ${this.#name}: the browser took ${written} of ${bytes.length} bytes; free some space`);
  }

  truncate(size: number): void {
    this.#mayWrite();
    this.#do("cutting", () => this.#handle.truncate(size));
  }

  sync(): void {
    const lost = this.#storage.lost();
    if (lost !== undefined) throw lost;
    this.#do("syncing", () => this.#handle.flush());
    this.#storage.synced(this.#name);
  }

  close(): void {
    // Chromium never comes back from closing a handle whose file was cleared away; there is nothing to let go of.
    if (this.#storage.lost() === undefined) this.#handle.close();
  }
}

async function filesOf(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  const keys = (folder as unknown as { keys(): AsyncIterable<string> }).keys();
  for await (const name of keys) if (name !== LOCK) names.push(name);
  return names;
}

class OpfsStorage implements Storage {
  readonly synchronous = false;
  #folder: FileSystemDirectoryHandle;
  #name: string;
  #release: () => Promise<void>;
  #readOnly: boolean;
  /** None of a reader. */
  #roll: Roll | undefined;
  #lost: OmenError | undefined;

  constructor(folder: FileSystemDirectoryHandle, name: string, release: () => Promise<void>, roll?: Roll) {
    this.#folder = folder;
    this.#name = name;
    this.#release = release;
    this.#readOnly = roll === undefined;
    this.#roll = roll;
  }

  list(): Promise<string[]> {
    return filesOf(this.#folder);
  }

  async openFile(name: string, mode: "read" | "write" | "create"): Promise<StorageFile> {
    if (this.#readOnly && mode !== "read") throw new OmenError("OMEN_ERR_READ_ONLY", `${name}: the storage is open for reading only`);
    try {
      if (mode === "create" && (await this.#has(name))) throw new OmenError("OMEN_ERR_EXISTS", `${name} exists already`);
      const handle = (await this.#folder.getFileHandle(name, { create: mode === "create" })) as WorkerFileHandle;
      return new OpfsFile(this, await handle.createSyncAccessHandle(mode === "read" && this.#readOnly ? { mode: "read-only" } : undefined), name, mode !== "read");
    } catch (error) {
      throw failed(error, `opening ${name}`);
    }
  }

  async #has(name: string): Promise<boolean> {
    try {
      await this.#folder.getFileHandle(name);
      return true;
    } catch (error) {
      if (nameOf(error) === "NotFoundError") return false;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    if (this.#readOnly) throw new OmenError("OMEN_ERR_READ_ONLY", `${name}: the storage is open for reading only`);
    try {
      if (this.#lost === undefined) this.#roll?.strike(name);
      await this.#folder.removeEntry(name);
    } catch (error) {
      if (nameOf(error) !== "NotFoundError") throw failed(error, `removing ${name}`);
    }
  }

  synced(name: string): void {
    this.#roll?.add(name);
  }

  syncDirectory(): void {}

  close(): Promise<void> {
    return this.#release();
  }

  lost(): OmenError | undefined {
    return this.#lost;
  }

  /** Files that were removed can be written on through their handles, to nowhere. */
  async verify(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      const parent = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
      await (await parent.getDirectoryHandle(encodeURIComponent(this.#name))).getFileHandle(LOCK);
    } catch (error) {
      if (nameOf(error) !== "NotFoundError") return; // says nothing about the files
      this.#lost = new OmenError("OMEN_ERR_DATA_EVICTED", `"${this.#name}" was removed from this origin's file system while it was open`, { cause: error });
      throw this.#lost;
    }
  }
}

/** Without the file `lock` nobody has ever written here. */
async function openReading(folder: FileSystemDirectoryHandle, name: string): Promise<Storage> {
  const file = await folder.getFileHandle(LOCK).catch((error: unknown) => {
    if (nameOf(error) !== "NotFoundError") throw error;
  });
  const lock = await (file as WorkerFileHandle | undefined)?.createSyncAccessHandle({ mode: "read-only" });
  const shared = lock?.mode === "read-only";
  if (!shared) lock?.close();
  const storage: OpfsStorage = new OpfsStorage(folder, name, async () => {
    if (shared && storage.lost() === undefined) lock.close();
  });
  return storage;
}

class OpfsAdapter implements StorageAdapter {
  readonly kind = "opfs";

  async #parent(create: boolean): Promise<FileSystemDirectoryHandle> {
    const { FileSystemFileHandle: handle } = globalThis as { FileSystemFileHandle?: { prototype: object } };
    if (handle === undefined || !("createSyncAccessHandle" in handle.prototype)) {
      throw new OmenError("OMEN_ERR_UNSUPPORTED", 'OPFS needs a dedicated worker of a newer browser; use storage: "indexeddb"');
    }
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, { create });
  }

  async open(name: string, { create, readOnly, locked, anew }: StorageOpenOptions): Promise<Storage> {
    const release = readOnly || locked === true ? noLock : await takeWebLock(this.kind, name);
    try {
      const parent = await this.#parent(create && !readOnly);
      const folder = await parent.getDirectoryHandle(encodeURIComponent(name), { create: create && !readOnly });
      if (readOnly) return await openReading(folder, name);
      const lock = await ((await folder.getFileHandle(LOCK, { create: true })) as WorkerFileHandle).createSyncAccessHandle();
      let roll: Roll;
      try {
        roll = new Roll(lock);
        const missing = roll.missing(await filesOf(folder));
        if (missing.length > 0 && !(create && anew === true)) {
          throw new OmenError(
            "OMEN_ERR_DATA_EVICTED",
            `the browser has lost a part of "${name}" (${missing.join(", ")}): readOnly: true opens what is left; create: "replace" begins anew, destroy("${name}") forgets it`,
          );
        }
        if (missing.length > 0) {
          for (const file of await filesOf(folder)) await folder.removeEntry(file);
          for (const file of missing) roll.strike(file);
        }
      } catch (error) {
        lock.close();
        throw error;
      }
      const storage: OpfsStorage = new OpfsStorage(
        folder,
        name,
        async () => {
          if (storage.lost() === undefined) lock.close();
          await release();
        },
        roll,
      );
      return storage;
    } catch (error) {
      await release();
      if (nameOf(error) === "NotFoundError") throw new OmenError("OMEN_ERR_NOT_FOUND", `there is no database "${name}" in this origin's file system`, { cause: error });
      throw failed(error, `opening "${name}"`);
    }
  }

  async destroy(name: string): Promise<void> {
    const release = await takeWebLock(this.kind, name);
    try {
      // Needs no synchronous handles, so it works in a page too.
      const parent = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
      await parent.removeEntry(encodeURIComponent(name), { recursive: true });
    } catch (error) {
      if (nameOf(error) !== "NotFoundError") throw failed(error, `removing "${name}"`);
    } finally {
      await release();
    }
  }
}

/** Storage in the origin private file system. Works in dedicated workers; in a page OmenDB runs in one by itself. */
export function opfs(): StorageAdapter {
  return new OpfsAdapter();
}
