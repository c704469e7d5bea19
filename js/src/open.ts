/** Opening a database: settings, engine and storage brought together, as the platform has them. */
import { Connection } from "./connection.js";
import { Database } from "./database.js";
import type { Engine } from "./engine/engine.js";
import { OmenError, asOmenError } from "./errors.js";
import { coreOptions, resolveSettings, type Settings, type SettingsSource } from "./options.js";
import { languageLoader, type LanguageLoader, type LanguageSource } from "./languages.js";
import type { EncryptionOptions } from "./storage/encrypted.js";
import type { StorageAdapter } from "./storage/storage.js";
import { openPlace } from "./transfer.js";
import type { CallOptions, LogLevel, OpenOptions } from "./types.js";
import { decodeAnswer, encodeRequest } from "./wire.js";

/** What a platform is asked for. */
export interface ConnectRequest {
  name: string;
  storage: string | StorageAdapter;
  engine: "auto" | "wasm" | "native";
  create: boolean;
  readOnly: boolean;
  /** What is there is no database, and tabs do not share it: a place of backups. */
  apart?: boolean;
  /** As the user gave them. */
  settings: Settings;
  encryption: EncryptionOptions | undefined;
  log: (level: LogLevel, line: string) => void;
  signal: AbortSignal | undefined;
  /** For engines in WebAssembly. */
  language: LanguageLoader;
}

/** An engine that can reach the place. The `open` request names it by path or by slot. */
export interface Connected {
  engine: Engine;
  /** For engines that encrypt by themselves: keys as docs/CALLS.md has them, wiped when they have been sent. */
  keys?: Uint8Array;
  place: { path: string } | { slot: number; path?: string };
}

/** What messages call a place that is not a path: its name, and what it is in. */
export const placeName = (name: string, kind: string): string => `${name} (${kind})`;

/** What differs between the runtimes; each has one file in platform/. */
export interface Platform extends SettingsSource {
  /** Its name in messages. */
  readonly name: string;
  /** The storage when none is named. */
  defaultStorage(): string | Promise<string>;
  /** Adapters by name. */
  readonly storages: { readonly [name: string]: () => StorageAdapter | Promise<StorageAdapter> };
  /** Modules of languages. */
  readonly languages: LanguageSource;
  connect(request: ConnectRequest): Promise<Connected>;
  /** Takes note of a database that was opened. */
  opened?(name: string, databaseId: string, engine: Engine): void;
  /** Takes note of one that was to be opened and is `OMEN_ERR_DATA_EVICTED`. */
  lost?(name: string, error: OmenError, engine: Engine): void;
  /** Takes note of one that was removed. */
  destroyed?(kind: string, name: string): void;
}

/** The adapter of a name, or the one that was given. Unknown names are refused. */
export async function adapterOf(platform: Pick<Platform, "name" | "storages">, storage: string | StorageAdapter): Promise<StorageAdapter> {
  if (typeof storage !== "string") {
    if (typeof storage?.open !== "function") throw new OmenError("OMEN_ERR_INVALID", "storage is neither a name nor a storage adapter");
    return storage;
  }
  const make = Object.hasOwn(platform.storages, storage) ? platform.storages[storage] : undefined;
  if (make === undefined) {
    const names = Object.keys(platform.storages).map((name) => `"${name}"`);
    throw new OmenError("OMEN_ERR_UNSUPPORTED", `there is no storage "${storage}" on ${platform.name}; there are ${names.join(", ")}, or give an adapter`);
  }
  return make();
}

/** A WebAssembly engine with the adapter's storage in its slot. */
export async function connectLocally(
  makeEngine: (options: Pick<ConnectRequest, "log" | "language">) => Promise<Engine>,
  given: StorageAdapter,
  { name, create, readOnly, signal, encryption, log, language }: ConnectRequest,
): Promise<Connected> {
  const adapter = encryption === undefined ? given : (await import("./storage/encrypted.js")).encrypted(given, encryption);
  const engine = await makeEngine({ log, language });
  try {
    const storage = await adapter.open(name, { create, readOnly, ...(signal === undefined ? {} : { signal }) });
    return { engine, place: { slot: engine.putStorage!(storage), path: placeName(name, adapter.kind) } };
  } catch (error) {
    await engine.close();
    throw asOmenError(error, `opening "${name}" (${adapter.kind})`);
  }
}

function logToConsole(level: LogLevel, line: string): void {
  if (level === "error") console.error(`omendb: ${line}`);
  else if (level === "warn") console.warn(`omendb: ${line}`);
}

/** Makes the `open` of a platform. */
export function createOpen(platform: Platform) {
  const languages = new Map<string, Promise<WebAssembly.Module>>();
  return async function open(name: string, options: OpenOptions = {}): Promise<Database> {
    if (typeof name !== "string" || name === "") throw new OmenError("OMEN_ERR_NAME", "open needs a name or path of at least one character");
    const settings: Settings = await resolveSettings(options, platform);
    const create = settings.create !== false;
    const readOnly = settings.readOnly === true;
    const { engine, place, keys } = await platform.connect({
      name,
      storage: options.storage ?? (settings.storage as string | undefined) ?? (await platform.defaultStorage()),
      engine: (settings.engine as ConnectRequest["engine"] | undefined) ?? "auto",
      create,
      readOnly,
      settings,
      encryption: options.encryption,
      log: options.log ?? logToConsole,
      signal: options.signal,
      language: languageLoader(platform.languages, languages, options.languages),
    });
    try {
      // WebAssembly has no thread of its own: there maintenance is called for from here.
      const driven = engine.kind !== "native";
      const core = { ...coreOptions(settings), ...(driven ? { manualMaintenance: true } : {}) };
      const request = encodeRequest({ op: "open", ...place, options: core }, keys === undefined ? [] : [keys]);
      let response: Uint8Array;
      try {
        response = await engine.call(request, options.signal);
      } finally {
        if (keys !== undefined) for (const bytes of [keys, request]) bytes.fill(0);
      }
      const { json } = decodeAnswer(response);
      const connection = new Connection(engine, Number(json["db"]), driven && engine.maintains !== true && !readOnly && settings.manualMaintenance !== true);
      connection.wake(); // indexes that were not finished last time
      platform.opened?.(name, String(json["databaseId"]), engine);
      return new Database(name, String(json["databaseId"]), connection, {
        encrypted: options.encryption !== undefined,
        open: (other, flags) => openPlace(platform, adapterOf, engine, other, flags),
      });
    } catch (error) {
      if (error instanceof OmenError && error.code === "OMEN_ERR_DATA_EVICTED") platform.lost?.(name, error, engine);
      await engine.close();
      throw error;
    }
  };
}

/** Makes the `destroy` of a platform. */
export function createDestroy(platform: Pick<Platform, "name" | "storages" | "defaultStorage" | "destroyed">) {
  return async function destroy(name: string, options: { storage?: string | StorageAdapter } & CallOptions = {}): Promise<void> {
    const adapter = await adapterOf(platform, options.storage ?? (await platform.defaultStorage()));
    await adapter.destroy(name);
    platform.destroyed?.(adapter.kind, name);
  };
}
