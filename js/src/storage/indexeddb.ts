/**
 * Storage in IndexedDB: one IndexedDB database for each of ours. A write is one record, so a batch in the log is one record; a sync is one transaction
 * of everything staged, in the order it was staged, in whatever file. Thus log and manifest change together, and what a crash leaves is always the
 * state after some sync.
 *
 *   store `files`    name -> size
 *   store `chunks`   [name, sequence, offset, length] -> the bytes; where chunks overlap, the higher sequence counts
 *   store `state`    "epoch" -> number of the last writer. Every writing transaction reads it first: a writer that lost its lock unknowingly (a frozen
 *                    tab) finds another number there, and its transaction is aborted
 *
 * The keys of `chunks` are read when the storage is opened; contents stay where they are. One that only reads takes no lock: a writer beside it removes files and writes
 * others, so it reads the keys anew whenever files are listed, and what it misses of a file is no loss, but a reason to list again.
 */
import { OmenError, asOmenError } from "../errors.js";
import { turnLog } from "./indexeddb-log.js";
import type { Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage.js";
import { noLock, takeWebLock } from "./web-lock.js";

type ChunkKey = [name: string, sequence: number, offset: number, length: number];

interface Chunk {
  sequence: number;
  offset: number;
  length: number;
  /** The bytes while they are not committed. */
  data: Uint8Array | undefined;
}

/** A change that the next transaction makes. */
type Change =
  | { put: ChunkKey; chunk: Chunk }
  | { cut: ChunkKey; to: ChunkKey; length: number }
  | { drop: ChunkKey }
  | { size: string; bytes: number }
  | { forget: string };

/** Staged bytes beyond this are handed to the browser before anyone waits for them, so that memory stays bounded. */
const STAGE_BYTES = 4 << 20;
const PREFIX = "omendb:";

const request = <T>(r: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error ?? new Error("IndexedDB gave no reason"));
  });

const keyOf = (name: string, c: Chunk): ChunkKey => [name, c.sequence, c.offset, c.length];

/** One file: its size and where its bytes lie. Lives as long as the storage, open or not. */
class Content {
  readonly name: string;
  size = 0;
  /** In the order of sequence. */
  chunks: Chunk[] = [];
  /** Whether each chunk begins where the one before ends: then a place is found by bisection. */
  #gapless = true;

  constructor(name: string) {
    this.name = name;
  }

  add(chunk: Chunk): void {
    const last = this.chunks.at(-1);
    this.#gapless &&= chunk.offset === (last === undefined ? 0 : last.offset + last.length);
    this.chunks.push(chunk);
  }

  /** Takes out the chunks that do not pass, and answers them. */
  filter(keep: (c: Chunk) => boolean): Chunk[] {
    const gone = this.chunks.filter((c) => !keep(c));
    if (gone.length === 0) return gone;
    this.chunks = this.chunks.filter(keep);
    this.#gapless = this.chunks.every((c, i) => c.offset === (i === 0 ? 0 : this.chunks[i - 1]!.offset + this.chunks[i - 1]!.length));
    return gone;
  }

  /** The chunks that hold something of [from, to), in the order of sequence. */
  within(from: number, to: number): Chunk[] {
    if (!this.#gapless) return this.chunks.filter((c) => c.offset < to && c.offset + c.length > from);
    let low = 0;
    for (let high = this.chunks.length; low < high; ) {
      const middle = (low + high) >> 1;
      const c = this.chunks[middle]!;
      if (c.offset + c.length <= from) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < this.chunks.length && this.chunks[end]!.offset < to) end++;
    return this.chunks.slice(low, end);
  }
}

class IndexedDbStorage implements Storage {
  readonly synchronous = false;
  readonly readOnly: boolean;
  #db: IDBDatabase;
  #name: string;
  #epoch: number;
  #release: () => Promise<void>;
  #contents = new Map<string, Content>();
  #sequence = 1;
  #staged: Change[] = [];
  #stagedBytes = 0;
  /** The transactions begun so far, one after another. */
  #tail: Promise<void> = Promise.resolve();
  /** Why nothing can be written any more. */
  #lost: OmenError | undefined;

  constructor(db: IDBDatabase, name: string, epoch: number, readOnly: boolean, release: () => Promise<void>) {
    this.#db = db;
    this.#name = name;
    this.#epoch = epoch;
    this.readOnly = readOnly;
    this.#release = release;
    db.onclose = () => {
      this.#lost ??= new OmenError("OMEN_ERR_IO", `the browser closed the connection to "${name}"; open it again`);
    };
    // Somebody deletes the database or needs a newer form of it: step aside, as the standard asks.
    db.onversionchange = () => {
      this.#lost ??= new OmenError("OMEN_ERR_DATA_EVICTED", `"${name}" is being removed by another tab`);
      db.close();
    };
  }

  /** Reads what is there. */
  async load(): Promise<void> {
    const tx = this.#db.transaction(["files", "chunks"], "readonly");
    const [names, sizes, keys] = await Promise.all([
      request(tx.objectStore("files").getAllKeys()),
      request(tx.objectStore("files").getAll() as IDBRequest<number[]>),
      request(tx.objectStore("chunks").getAllKeys() as IDBRequest<IDBValidKey[]>),
    ]);
    this.#contents = new Map(); // files that are open keep theirs
    names.forEach((name, i) => {
      const content = new Content(name as string);
      content.size = sizes[i]!;
      this.#contents.set(content.name, content);
    });
    // Keys come in order of name, then sequence.
    for (const [name, sequence, offset, length] of keys as unknown as ChunkKey[]) {
      this.#contents.get(name)?.add({ sequence, offset, length, data: undefined });
      if (sequence >= this.#sequence) this.#sequence = sequence + 1;
    }
  }

  async list(): Promise<string[]> {
    if (this.readOnly) {
      await this.load().catch((error: unknown) => {
        throw this.#lost ?? asOmenError(error, `reading IndexedDB "${this.#name}"`);
      });
    }
    return [...this.#contents.keys()];
  }

  openFile(name: string, mode: "read" | "write" | "create"): StorageFile {
    let content = this.#contents.get(name);
    if (mode === "create") {
      this.mayWrite(name);
      if (content !== undefined) throw new OmenError("OMEN_ERR_EXISTS", `${name} exists already`);
      content = new Content(name);
      this.#contents.set(name, content);
      this.stage({ size: name, bytes: 0 }, 0);
    }
    if (content === undefined) throw new OmenError("OMEN_ERR_NOT_FOUND", `${name}: there is no such file`);
    if (mode === "write") this.mayWrite(name);
    return new IndexedDbFile(this, content, mode !== "read");
  }

  remove(name: string): void {
    this.mayWrite(name);
    const content = this.#contents.get(name);
    if (content === undefined) return;
    this.#contents.delete(name);
    for (const c of content.chunks) this.stage({ drop: keyOf(name, c) }, 0);
    this.stage({ forget: name }, 0);
  }

  syncDirectory(): Promise<void> {
    return this.commit();
  }

  async close(): Promise<void> {
    await this.#tail.catch(() => undefined);
    this.#db.onclose = this.#db.onversionchange = null;
    this.#db.close();
    await this.#release();
  }

  lost(): OmenError | undefined {
    return this.#lost;
  }

  async verify(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
  }

  mayWrite(name: string): void {
    if (this.readOnly) throw new OmenError("OMEN_ERR_READ_ONLY", `${name}: the storage is open for reading only`);
    if (this.#lost !== undefined) throw this.#lost;
  }

  nextSequence(): number {
    return this.#sequence++;
  }

  stage(change: Change, bytes: number): void {
    this.#staged.push(change);
    this.#stagedBytes += bytes;
    // What it fails with, the next sync tells.
    if (this.#stagedBytes > STAGE_BYTES) this.commit().catch(() => undefined);
  }

  /** Resolves when all that is staged now is durable. A failure is final: what was not written is not known any more. */
  commit(): Promise<void> {
    const changes = this.#staged;
    this.#staged = [];
    this.#stagedBytes = 0;
    this.#tail = this.#tail.then(async () => {
      if (this.#lost !== undefined) throw this.#lost;
      if (changes.length === 0) return;
      try {
        await this.#write(changes);
      } catch (error) {
        this.#lost ??= asOmenError(error, `writing to IndexedDB "${this.#name}"`);
        throw this.#lost;
      }
    });
    return this.#tail;
  }

  #write(changes: Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const tx = this.#db.transaction(["files", "chunks", "state"], "readwrite", { durability: "strict" });
      const files = tx.objectStore("files");
      const chunks = tx.objectStore("chunks");
      let reason: unknown;
      tx.oncomplete = () => {
        for (const change of changes) if ("put" in change) change.chunk.data = undefined;
        resolve();
      };
      tx.onabort = () => reject(reason ?? tx.error ?? new Error("the transaction was aborted"));
      const epoch = tx.objectStore("state").get("epoch");
      epoch.onsuccess = () => {
        if (epoch.result !== this.#epoch) {
          reason = new OmenError("OMEN_ERR_BUSY", `another tab has opened "${this.#name}" for writing since; reload to go on here`);
          tx.abort();
          return;
        }
        // In order: what follows a cut may cut or drop what the cut puts there.
        const next = (from: number): void => {
          for (let i = from; i < changes.length; i++) {
            const change = changes[i]!;
            if ("put" in change) chunks.put(change.chunk.data!, change.put);
            else if ("drop" in change) chunks.delete(change.drop);
            else if ("size" in change) files.put(change.bytes, change.size);
            else if ("forget" in change) files.delete(change.forget);
            else {
              const old = chunks.get(change.cut);
              old.onsuccess = () => {
                chunks.delete(change.cut);
                if (old.result !== undefined) chunks.put((old.result as Uint8Array).slice(0, change.length), change.to);
                next(i + 1);
              };
              return;
            }
          }
        };
        next(0);
      };
    });
  }

  /** The bytes of one chunk. */
  async fetch(name: string, chunk: Chunk): Promise<Uint8Array> {
    if (chunk.data !== undefined) return chunk.data;
    // A cut that is still staged goes first: the chunk does not have its new name before.
    if (this.#staged.some((change) => "cut" in change && change.to[1] === chunk.sequence)) await this.commit();
    else await this.#tail;
    try {
      const bytes = (await request(this.#db.transaction("chunks", "readonly").objectStore("chunks").get(keyOf(name, chunk)))) as Uint8Array | undefined;
      if (bytes === undefined) {
        if (this.readOnly) throw new OmenError("OMEN_ERR_IO", `another tab has written "${this.#name}" since, and ${name} is not as it was any more; open it again`);
        throw new OmenError("OMEN_ERR_DATA_EVICTED", `IndexedDB no longer holds a part of ${name} that it held before`);
      }
      return bytes;
    } catch (error) {
      const failure = asOmenError(error, `reading ${name} from IndexedDB "${this.#name}"`);
      // The browser has closed the connection, and perhaps not said so.
      if ((error as { name?: unknown }).name === "InvalidStateError") this.#lost ??= failure;
      throw this.#lost ?? failure;
    }
  }
}

class IndexedDbFile implements StorageFile {
  #storage: IndexedDbStorage;
  #content: Content;
  #writable: boolean;

  constructor(storage: IndexedDbStorage, content: Content, writable: boolean) {
    this.#storage = storage;
    this.#content = content;
    this.#writable = writable;
  }

  size(): number {
    return this.#content.size;
  }

  readAt(offset: number, into: Uint8Array): number | Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.#content.size - offset));
    const chunks = this.#content.within(offset, offset + length);
    const place = (c: Chunk, data: Uint8Array): void => {
      const from = Math.max(offset, c.offset);
      const to = Math.min(offset + length, c.offset + c.length);
      into.set(data.subarray(from - c.offset, to - c.offset), from - offset);
    };
    into.fill(0, 0, length); // holes
    if (chunks.every((c) => c.data !== undefined)) {
      for (const c of chunks) place(c, c.data!);
      return length;
    }
    return Promise.all(chunks.map((c) => this.#storage.fetch(this.#content.name, c))).then((data) => {
      chunks.forEach((c, i) => place(c, data[i]!));
      return length;
    });
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#mayWrite();
    const { name } = this.#content;
    const end = offset + bytes.length;
    if (bytes.length === 0) return;
    for (const c of this.#content.filter((old) => old.offset < offset || old.offset + old.length > end)) this.#storage.stage({ drop: keyOf(name, c) }, 0);
    const chunk: Chunk = { sequence: this.#storage.nextSequence(), offset, length: bytes.length, data: bytes.slice() };
    this.#content.add(chunk);
    this.#storage.stage({ put: keyOf(name, chunk), chunk }, bytes.length);
    if (end > this.#content.size) this.#resize(end);
  }

  truncate(size: number): void {
    this.#mayWrite();
    const { name } = this.#content;
    if (size >= this.#content.size) return;
    for (const c of this.#content.filter((old) => old.offset < size)) this.#storage.stage({ drop: keyOf(name, c) }, 0);
    for (const c of this.#content.chunks) {
      if (c.offset + c.length <= size) continue;
      // Cut in place, in memory and, when it has been written, in the store.
      const old = keyOf(name, c);
      c.length = size - c.offset;
      c.data = c.data?.slice(0, c.length);
      this.#storage.stage({ cut: old, to: keyOf(name, c), length: c.length }, 0);
    }
    this.#resize(size);
  }

  #resize(size: number): void {
    this.#content.size = size;
    this.#storage.stage({ size: this.#content.name, bytes: size }, 0);
  }

  sync(): Promise<void> {
    return this.#storage.commit();
  }

  close(): void {}

  #mayWrite(): void {
    if (!this.#writable) throw new OmenError("OMEN_ERR_READ_ONLY", `${this.#content.name} is open for reading only`);
    this.#storage.mayWrite(this.#content.name);
  }
}

/**
 * Opens the IndexedDB database. @throws OmenError `OMEN_ERR_NOT_FOUND` when it is not there and is not to be created; `OMEN_ERR_DATA_EVICTED` when the browser says
 * that it has removed what was there, which Chromium does once
 */
function connect(name: string, create: boolean): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(PREFIX + name, 1);
    let refused: OmenError | undefined;
    opening.onupgradeneeded = (event) => {
      const { dataLoss, dataLossMessage } = event as { dataLoss?: string; dataLossMessage?: string };
      if (dataLoss === "total") {
        refused = new OmenError(
          "OMEN_ERR_DATA_EVICTED",
          `the browser found its files of this origin's IndexedDB damaged and has removed all databases there (${dataLossMessage}): "${name}" is gone if it was one of them; ` +
            `open it with create: "replace" to begin anew, or destroy("${name}") to forget it`,
        );
      } else if (!create) refused = new OmenError("OMEN_ERR_NOT_FOUND", `there is no database "${name}" in this origin's IndexedDB`);
      if (refused !== undefined) {
        opening.transaction!.abort();
        return;
      }
      for (const store of ["files", "chunks", "state"]) opening.result.createObjectStore(store);
    };
    opening.onblocked = () => reject(new OmenError("OMEN_ERR_BUSY", `"${name}" is being removed by another tab; try again when it is done`));
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(refused ?? opening.error);
  });
}

class IndexedDbAdapter implements StorageAdapter {
  readonly kind = "indexeddb";

  async open(name: string, { create, readOnly, locked }: StorageOpenOptions): Promise<Storage> {
    if (typeof indexedDB === "undefined") throw new OmenError("OMEN_ERR_UNSUPPORTED", 'there is no IndexedDB here; use storage: "memory"');
    const release = readOnly || locked === true ? noLock : await takeWebLock(this.kind, name);
    try {
      const db = await connect(name, create && !readOnly);
      try {
        if (!readOnly) await turnLog(name);
        const storage = new IndexedDbStorage(db, name, readOnly ? 0 : await nextEpoch(db), readOnly, release);
        await storage.load();
        return storage;
      } catch (error) {
        db.close(); // or nobody could ever remove it
        throw error;
      }
    } catch (error) {
      await release();
      throw asOmenError(error, `opening "${name}" in IndexedDB`);
    }
  }

  async destroy(name: string): Promise<void> {
    const release = await takeWebLock(this.kind, name);
    try {
      await request(indexedDB.deleteDatabase(PREFIX + name));
    } catch (error) {
      throw asOmenError(error, `removing "${name}" from IndexedDB`);
    } finally {
      await release();
    }
  }
}

/** A new writer's number, after which every earlier writer's transactions are refused. */
async function nextEpoch(db: IDBDatabase): Promise<number> {
  const tx = db.transaction("state", "readwrite", { durability: "strict" });
  const done = new Promise<void>((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
  });
  done.catch(() => undefined); // heard below, unless the request fails first
  const state = tx.objectStore("state");
  const epoch = (((await request(state.get("epoch"))) as number | undefined) ?? 0) + 1;
  state.put(epoch, "epoch");
  await done;
  return epoch;
}

/** Storage in IndexedDB: for browsers, in pages and in workers. */
export function indexeddb(): StorageAdapter {
  return new IndexedDbAdapter();
}
