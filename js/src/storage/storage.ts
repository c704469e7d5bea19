/**
 * The storage contract: what a place for a database must offer. It is `omen_storage_ops` of `include/omendb_host.h` in
 * JavaScript; every adapter passes the one conformance suite (`tests/conformance`).
 *
 * A method may answer at once or with a promise. Adapters that always answer at once (`synchronous: true`) are never waited for
 * and never cost a turn of the event loop. Errors are thrown (or rejected) as {@link OmenError} with a stable code.
 */
import type { OmenError } from "../errors.js";

export type MaybePromise<T> = T | Promise<T>;

/** One open file of a storage. */
export interface StorageFile {
  /** Bytes in the file, staged writes included. */
  size(): number;
  /** Reads up to `into.length` bytes at `offset`; answers how many; fewer only at the end of the file. Sees staged writes. */
  readAt(offset: number, into: Uint8Array): MaybePromise<number>;
  /** Writes all of `bytes` at `offset`. `bytes` is borrowed: it is copied or handed to the system before this returns. */
  writeAt(offset: number, bytes: Uint8Array): void;
  truncate(size: number): void;
  /** Resolves when every write and truncate made before the call is durable. Never retried after a failure. */
  sync(): MaybePromise<void>;
  close(): void;
}

/** How a storage is opened. */
export interface StorageOpenOptions {
  /** Create the place when it is absent; otherwise absent is `OMEN_ERR_NOT_FOUND`. */
  create: boolean;
  /** No writer's lock is taken, and nothing is written. */
  readOnly: boolean;
  /** The caller holds the writer's lock; the adapter takes none. */
  locked?: boolean;
  /** With `create`, where a part of what was there is lost: removes the rest, and begins anew. */
  anew?: boolean;
  /** `OMEN_ERR_INVALID` where the place would lie inside of a database's folder; adapters without folders pass it over. */
  apart?: boolean;
  signal?: AbortSignal;
}

/** An opened storage of one database: flat file names, `[a-z0-9-.]`, 1 to 63 bytes. */
export interface Storage {
  /** `true`: no method of it or of its files ever answers with a promise. */
  readonly synchronous: boolean;
  list(): MaybePromise<string[]>;
  /** Opens (`"read"`, `"write"`: must exist) or creates (`"create"`: must not exist) a file. */
  openFile(name: string, mode: "read" | "write" | "create"): MaybePromise<StorageFile>;
  /** Removes a closed file; a missing one is fine. */
  remove(name: string): MaybePromise<void>;
  /** Resolves when creations and removals made before the call are durable. */
  syncDirectory(): MaybePromise<void>;
  /** Releases the writer's lock and everything else. Called once; all files are closed. */
  close(): MaybePromise<void>;
  /** Why it can no longer be used, though another opening of it may; undefined while it can. */
  lost?(): OmenError | undefined;
  /** Looks whether the place is still there. @throws OmenError `OMEN_ERR_DATA_EVICTED`, which {@link lost} tells from then on */
  verify?(): Promise<void>;
}

/** Opens storages by name: what `open(name, { storage })` is given. */
export interface StorageAdapter {
  /** `"memory"`, `"fs"`, `"indexeddb"`, `"opfs"`, … as it appears in messages and metrics. */
  readonly kind: string;
  /** Opens the place `name` and, unless `readOnly`, takes the writer's lock: `OMEN_ERR_BUSY` when another writer has it. */
  open(name: string, options: StorageOpenOptions): Promise<Storage>;
  /** Removes a closed database whole. `OMEN_ERR_BUSY` when it is open; absent is fine. */
  destroy(name: string): Promise<void>;
}
