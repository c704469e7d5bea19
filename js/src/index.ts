/** What every platform's entry exports besides `open` and `destroy`. */
export { Collection } from "./collection.js";
export { Database } from "./database.js";
export { ERRORS, OmenError, type ErrorCode } from "./errors.js";
export type { Engine } from "./engine/engine.js";
export type { MaybePromise, Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage/storage.js";
export type * from "./queries.js";
export type { BackupInfo, BackupOptions, CloneOptions, ListOptions, Place, PurgeReport, RestoreOptions, TransferOptions, TransferProgress, TransferReport } from "./transfer.js";
export type * from "./types.js";
