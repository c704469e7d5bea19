/** Backups, restoring, clones and purges: places opened in an engine, and tasks that run there in pieces. */
import { placeName, type ConnectRequest, type Platform } from "./open.js";
import { turn } from "./connection.js";
import type { Engine } from "./engine/engine.js";
import type { WorkerEngine } from "./engine/worker.js";
import { OmenError, asOmenError } from "./errors.js";
import { languageLoader } from "./languages.js";
import { resolveSettings } from "./options.js";
import { checkOptions } from "./query.js";
import type { EncryptionOptions } from "./storage/encrypted.js";
import type { StorageAdapter } from "./storage/storage.js";
import type { CallOptions } from "./types.js";
import { decodeAnswer, encodeRequest, type Part } from "./wire.js";

/** About how long one piece takes. */
const STEP_US = 20_000;

/** Where backups are, or where a database is to be: a name or path on the platform's storage, or more precisely. */
export type Place = string | { name: string; storage?: string | StorageAdapter; encryption?: EncryptionOptions };

export interface TransferProgress {
  doneBytes: number;
  totalBytes: number;
}

export interface TransferOptions extends CallOptions {
  /** Called between pieces of the work. */
  onProgress?: (progress: TransferProgress) => void;
}

export interface BackupOptions extends TransferOptions {
  /** What earlier backups put there is read and compared too, and mended. */
  verify?: boolean;
  /** The copy of an encrypted database is meant to be plain; without it a key must be given. */
  plain?: boolean;
}

export interface CloneOptions extends TransferOptions {
  /** As of {@link BackupOptions}. */
  plain?: boolean;
}

export interface RestoreOptions extends TransferOptions {
  /** The number of the backup; the latest when left out. */
  backup?: number;
  /** What is restored of an encrypted backup is meant to be plain; without it a key must be given. */
  plain?: boolean;
  engine?: "auto" | "wasm" | "native";
}

export interface ListOptions extends CallOptions {
  /** Everything is read: `state` and `damage` tell what was found. */
  verify?: boolean;
  engine?: "auto" | "wasm" | "native";
}

/** What was copied. */
export interface TransferReport {
  /** The backup's number, from 1; of a clone 0. */
  backup: number;
  /** Of which the database consists. */
  files: number;
  bytes: number;
  /** Of those: not there before. */
  copiedFiles: number;
  copiedBytes: number;
  /** The last write that is in it. */
  lastLsn: number;
  databaseId: string;
}

/** One of the backups of a place. */
export interface BackupInfo {
  backup: number;
  state: "complete" | "unfinished" | "damaged" | "newer";
  damage?: string;
  databaseId?: string;
  /** Milliseconds since 1970. */
  created?: number;
  lastLsn?: number;
  files?: number;
  bytes?: number;
}

/** What a purge did, and what it looked at to prove it. */
export interface PurgeReport {
  /** Records that were there. */
  deleted: number;
  segmentsRewritten: number;
  filesScanned: number;
  bytesScanned: number;
  rowsScanned: number;
  /** Records that were written under one of the ids meanwhile: new ones, which stay. */
  writtenAgain: number;
  /**
   * Ids, documents and vectors that logs were not searched for: of less than 9 bytes, which are in many places by chance, or beyond 4 MiB in all. The logs that held
   * them are removed, all the same.
   */
  notSearched: number;
}

type Named = Exclude<Place, string>;
type Json = { [key: string]: unknown };

/** A place as requests name it, with the keys that it needs. */
interface OpenedPlace {
  json: Json;
  keys: Uint8Array | undefined;
}

/** Opens places in the engine of a database. */
export type PlaceOpener = (place: Place, flags: PlaceFlags) => Promise<OpenedPlace>;

interface PlaceFlags {
  create: boolean;
  readOnly: boolean;
  /** Not inside of a database's folder. */
  apart?: boolean;
}

export function namedPlace(place: Place, what: string): Named {
  const named = typeof place === "string" ? { name: place } : place;
  if (typeof named !== "object" || named === null || typeof named.name !== "string" || named.name === "")
    throw new OmenError("OMEN_ERR_INVALID", `${what} must be a name or path, or { name, storage }`);
  checkOptions(what, named, ["name", "storage", "encryption"]);
  return named;
}

type Places = Pick<Platform, "name" | "storages" | "defaultStorage">;

/** Opens a place in an engine: a folder that it opens itself, or a storage in a slot. */
export async function openPlace(
  platform: Places,
  adapterOf: (platform: Places, storage: string | StorageAdapter) => Promise<StorageAdapter>,
  engine: Engine,
  place: Place,
  flags: PlaceFlags,
): Promise<OpenedPlace> {
  const { name, storage = await platform.defaultStorage(), encryption } = namedPlace(place, "the place");
  if (engine.kind === "worker") {
    if (typeof storage !== "string")
      throw new OmenError("OMEN_ERR_UNSUPPORTED", 'the database is in a worker, which no adapter of the page reaches; name the storage of the place, such as "opfs", or open the database with an adapter too');
    return { json: { slot: await (engine as WorkerEngine).openStorage(storage, name, { ...flags, encryption }), path: placeName(name, storage) }, keys: undefined };
  }
  const adapter = await adapterOf(platform, storage);
  if (engine.kind === "native") {
    if (!("folderOf" in adapter)) throw new OmenError("OMEN_ERR_UNSUPPORTED", `the native engine opens folders, not storage "${adapter.kind}"; use storage: "fs", or open the database with engine: "wasm"`);
    const json = { path: (adapter as StorageAdapter & { folderOf(name: string): string }).folderOf(name) };
    if (encryption === undefined) return { json, keys: undefined };
    const keys = (await import("./storage/encrypted.js")).packKeys(encryption);
    if (keys === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "the native engine takes keys as bytes; give the key as 32 bytes, or open the database with engine: \"wasm\"");
    return { json, keys };
  }
  const around = encryption === undefined ? adapter : (await import("./storage/encrypted.js")).encrypted(adapter, encryption);
  try {
    return { json: { slot: engine.putStorage!(await around.open(name, flags)), path: placeName(name, adapter.kind) }, keys: undefined };
  } catch (error) {
    throw asOmenError(error, `opening "${name}" (${adapter.kind})`);
  }
}

/** Before anything is opened: what is wrong with the options of a task, or that it is not to be done any more. */
export function checkTask({ signal, onProgress }: TransferOptions = {}): void {
  if (onProgress !== undefined && typeof onProgress !== "function") throw new OmenError("OMEN_ERR_INVALID", "onProgress must be a function");
  if (signal?.aborted) throw new OmenError("OMEN_ERR_CANCELLED", "it was cancelled before it began");
}

/** Begins a task, steps it to its end, and answers its report. */
export async function runTask(engine: Engine, request: Json & { op: string }, parts: readonly Part[], options: TransferOptions | undefined): Promise<unknown> {
  const { signal, onProgress } = options ?? {};
  const call = async (json: Json & { op: string }, bytes: readonly Part[] = []): Promise<Json> => {
    const message = encodeRequest(json, bytes);
    try {
      return decodeAnswer(await engine.call(message)).json as Json;
    } finally {
      if (bytes.length !== 0 && message.length !== 0) message.fill(0); // keys may be in it; one that was transferred is empty, and has none: workers are given no keys here
    }
  };
  const task = Number((await call(request, parts))["task"]);
  try {
    for (;;) {
      const answer = await call({ op: "task", task, budgetUs: STEP_US });
      onProgress?.({ doneBytes: Number(answer["done"]), totalBytes: Number(answer["total"]) });
      if (answer["more"] !== true) return answer["report"];
      if (answer["waiting"] === true) await new Promise((resolve) => setTimeout(resolve, 10));
      else await turn();
      if (signal?.aborted && answer["ending"] !== true) throw new OmenError("OMEN_ERR_CANCELLED", "it was cancelled; what was copied stays, and the next time goes on from there");
    }
  } finally {
    await call({ op: "taskEnd", task }).catch(() => undefined); // the database may be closed
    await engine.released?.();
  }
}

/** A transfer between places that are open already. */
export async function runTransfer(engine: Engine, kind: string, args: Json, places: { backups?: OpenedPlace; place?: OpenedPlace }, options?: TransferOptions): Promise<unknown> {
  const parts: Uint8Array[] = [];
  const named: Json = {};
  for (const [role, place] of Object.entries(places)) {
    named[role] = place.keys === undefined ? place.json : { ...place.json, keys: parts.push(place.keys) - 1 };
  }
  try {
    return await runTask(engine, { op: "transfer", kind, ...args, ...named }, parts, options);
  } finally {
    for (const keys of parts) keys.fill(0);
  }
}

function quiet(level: string, line: string): void {
  if (level === "error") console.error(`omendb: ${line}`);
}

/** A backup's number; the latest is never meant by a slip. */
function checkNumber(backup: unknown): void {
  if (!Number.isSafeInteger(backup) || (backup as number) < 1) throw new OmenError("OMEN_ERR_INVALID", `a backup's number is an integer from 1, not ${String(backup)}`);
}

/** Makes `restore`, `backups` and `removeBackup` of a platform. */
export function createTransfers(platform: Platform, adapterOf: (platform: Places, storage: string | StorageAdapter) => Promise<StorageAdapter>) {
  /** An engine with the place of backups open in it. */
  async function begin(place: Place, readOnly: boolean, engineName: ConnectRequest["engine"] | undefined, signal: AbortSignal | undefined) {
    checkTask({ ...(signal === undefined ? {} : { signal }) });
    const { name, storage, encryption } = namedPlace(place, "the place of backups");
    const settings = await resolveSettings(engineName === undefined ? {} : { engine: engineName }, platform);
    const { engine, place: opened, keys } = await platform.connect({
      name,
      storage: storage ?? (await platform.defaultStorage()),
      engine: (settings.engine as ConnectRequest["engine"] | undefined) ?? "auto",
      create: false,
      readOnly,
      apart: true,
      settings,
      encryption,
      log: quiet,
      signal,
      language: languageLoader(platform.languages, new Map(), undefined),
    });
    return { engine, backups: { json: opened as Json, keys } };
  }

  async function within<T>(engine: Engine, work: () => Promise<unknown>): Promise<T> {
    try {
      return (await work()) as T;
    } finally {
      await engine.close();
    }
  }

  return {
    /**
     * Makes a database of a backup at a place that is absent or empty. It has the id of the original; everything is verified. One that broke off
     * goes on when it is called again.
     * @throws OmenError `OMEN_ERR_NOT_FOUND`, `OMEN_ERR_EXISTS` or `OMEN_ERR_FOREIGN` when the place is neither (nothing is changed),
     * `OMEN_ERR_CORRUPT` when the backup is damaged, `OMEN_ERR_KEY` when it is encrypted and the database is neither given a key nor meant to be plain, `OMEN_ERR_CANCELLED`
     */
    async restore(from: Place, to: Place, options: RestoreOptions = {}): Promise<TransferReport> {
      checkOptions("restore", options, ["backup", "plain", "engine", "signal", "onProgress"]);
      const named = namedPlace(to, "the place of the database");
      const source = namedPlace(from, "the place of backups");
      const plain = options.plain === true;
      if (source.encryption !== undefined && named.encryption === undefined && !plain)
        throw new OmenError("OMEN_ERR_KEY", "the backup is encrypted: give a key for the restored database too ({ name, encryption }), or say that it is to be plain");
      checkTask(options);
      if (options.backup !== undefined) checkNumber(options.backup);
      const { engine, backups } = await begin(from, true, options.engine, options.signal);
      return within(engine, async () => {
        let place: OpenedPlace;
        try {
          place = await openPlace(platform, adapterOf, engine, to, { create: true, readOnly: false, apart: true });
        } catch (error) {
          backups.keys?.fill(0);
          throw error;
        }
        return runTransfer(engine, "restore", { plain, ...(options.backup === undefined ? {} : { backup: options.backup }) }, { backups, place }, options);
      });
    },
    /** Which backups are at a place, ascending by number. @throws OmenError `OMEN_ERR_NOT_FOUND`, `OMEN_ERR_FOREIGN` */
    async backups(place: Place, options: ListOptions = {}): Promise<BackupInfo[]> {
      checkOptions("backups", options, ["verify", "engine", "signal"]);
      const { engine, backups } = await begin(place, true, options.engine, options.signal);
      const report = await within<{ backups: BackupInfo[] }>(engine, () => runTransfer(engine, "list", { verify: options.verify === true }, { backups }, options));
      return report.backups;
    },
    /** Removes one backup, and the files that no other one has; resolves with how many they were. @throws OmenError `OMEN_ERR_NOT_FOUND` */
    async removeBackup(place: Place, backup: number, options: Pick<RestoreOptions, "engine" | "signal"> = {}): Promise<number> {
      checkOptions("removeBackup", options, ["engine", "signal"]);
      checkNumber(backup);
      const { engine, backups } = await begin(place, false, options.engine, options.signal);
      return (await within<TransferReport>(engine, () => runTransfer(engine, "remove", { backup }, { backups }, options))).files;
    },
  };
}
