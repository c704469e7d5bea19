/**
 * The worker in which a browser's database lives: one engine, one database (engine/worker-protocol.ts). The page makes it; nothing
 * here runs before its first message.
 */
import { WasmEngine } from "./engine/wasm.js";
import type { FromWorker, ToWorker } from "./engine/worker-protocol.js";
import { ERRORS, OmenError, asOmenError, type ErrorCode } from "./errors.js";
import { adapterKind, autoStorage } from "./storage/auto.js";
import type { EncryptionOptions } from "./storage/encrypted.js";
import { indexeddb } from "./storage/indexeddb.js";
import { memory } from "./storage/memory.js";
import { opfs } from "./storage/opfs.js";
import type { StorageAdapter } from "./storage/storage.js";
import type { Member } from "./tabs/member.js";
import { openMember, type Opening } from "./tabs/opening.js";
import { decodeRequest, encodeError, encodeResponse } from "./wire.js";

/** As much of a worker's global scope as is used here. */
interface Scope {
  onmessage: ((event: MessageEvent) => unknown) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}
const scope = globalThis as unknown as Scope;

const storages: { readonly [name: string]: () => StorageAdapter } = { auto: () => autoStorage(opfs, indexeddb), opfs, indexeddb, memory };

let engine: WasmEngine | undefined;
let compiled: WebAssembly.Module;
/** A database that is shared among tabs: as it is to be opened, until the request "open" comes; then what is opened. */
let joining: Opening | undefined;
let member: Member | undefined;
let storageKind = "";
const aborters = new Map<number, AbortController>();

/** The storages as a database's options have them. */
async function storagesFor(encryption: EncryptionOptions | undefined): Promise<{ readonly [name: string]: () => StorageAdapter }> {
  if (encryption === undefined) return storages;
  const { encrypted } = await import("./storage/encrypted.js");
  return Object.fromEntries(Object.entries(storages).map(([name, make]) => [name, () => encrypted(make(), encryption)]));
}

/** The engine, or a refusal: calls before "start" or after "close" are a mistake of the page's. */
function started(): WasmEngine {
  if (engine === undefined) throw new OmenError("OMEN_ERR_CLOSED", "the worker has no engine; open the database again");
  return engine;
}

/** The engine that has the database open: a second place (of a backup) must be where it is. */
function engineOf(shared: Member): WasmEngine {
  const here = shared.engine;
  if (!(here instanceof WasmEngine)) {
    throw new OmenError("OMEN_ERR_UNSUPPORTED", "another tab holds the database (db.info() says so), and only that one can copy it to another place; ask there, or close the database in the other tabs");
  }
  return here;
}

/** Questions for modules of languages, which the page answers. */
const languages = new Map<number, { resolve(module: WebAssembly.Module): void; reject(error: OmenError): void }>();
let nextLanguage = 1;

const language = (code: string): Promise<WebAssembly.Module> =>
  new Promise((resolve, reject) => {
    const id = nextLanguage++;
    languages.set(id, { resolve, reject });
    scope.postMessage({ type: "language", id, language: code });
  });

function takeLanguage(message: Extract<ToWorker, { type: "language" | "noLanguage" }>): void {
  const question = languages.get(message.id);
  languages.delete(message.id);
  if (message.type === "language") question?.resolve(message.module);
  else question?.reject(new OmenError(Object.hasOwn(ERRORS, message.code) ? (message.code as ErrorCode) : "OMEN_ERR_INTERNAL", message.message));
}

const makeEngine = (): WasmEngine => new WasmEngine(compiled, { log: (level, line) => scope.postMessage({ type: "log", level, line }), language, turning: true });

/** The engine of "start" serves the first time that the database is opened here. */
function takeEngine(): WasmEngine {
  const first = engine;
  engine = undefined;
  return first ?? makeEngine();
}

function start(module: WebAssembly.Module): void {
  try {
    compiled = module;
    engine = makeEngine();
    scope.postMessage({ type: "started", kernels: engine.kernels });
  } catch (error) {
    const { code, detail } = asOmenError(error, "starting the engine");
    scope.postMessage({ type: "failed", code, message: detail });
  }
}

async function call(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  if (member !== undefined) return member.call(request, signal);
  if (joining === undefined) return started().call(request, signal);
  const opening = joining;
  joining = undefined;
  try {
    const { op, options } = decodeRequest(request).json;
    if (op !== "open") throw new OmenError("OMEN_ERR_INTERNAL", `the first request to a shared database is "${String(op)}"`);
    const joined = await openMember(await storagesFor(opening.encryption), takeEngine, opening, (options ?? {}) as { [key: string]: unknown });
    member = joined.member;
    return encodeResponse(0, { db: 1, databaseId: joined.databaseId });
  } catch (error) {
    const { code, detail } = asOmenError(error);
    return encodeError(code, detail);
  }
}

async function answer(message: Exclude<ToWorker, { type: "start" | "abort" | "language" | "noLanguage" }>): Promise<void> {
  const { id } = message;
  switch (message.type) {
    case "open": {
      const make = (await storagesFor(message.encryption))[message.storage];
      if (make === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", `there is no storage "${message.storage}" in the worker`);
      const target = member === undefined ? started() : engineOf(member);
      await target.released(); // a place that was just used is free again
      const storage = await make().open(message.name, { create: message.create, readOnly: message.readOnly });
      scope.postMessage({ type: "opened", id, slot: target.putStorage(storage) });
      return;
    }
    case "join":
      storageKind = await adapterKind(message.storage);
      joining = message;
      scope.postMessage({ type: "opened", id, slot: 0 });
      return;
    case "describe":
      if (member === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "the database is in memory, or open for reading only");
      scope.postMessage({ type: "described", id, info: { ...member.info, storage: storageKind } });
      return;
    case "call": {
      const aborter = new AbortController();
      aborters.set(id, aborter);
      try {
        const response = await call(message.request, aborter.signal);
        scope.postMessage({ type: "answer", id, response }, [response.buffer as ArrayBuffer]);
      } finally {
        aborters.delete(id);
      }
      return;
    }
    case "close":
      await member?.abandon();
      await engine?.close();
      engine = undefined;
      scope.postMessage({ type: "closed", id });
  }
}

scope.onmessage = ({ data }: MessageEvent) => {
  const message = data as ToWorker;
  if (message.type === "start") start(message.module);
  else if (message.type === "abort") aborters.get(message.id)?.abort();
  else if (message.type === "language" || message.type === "noLanguage") takeLanguage(message);
  else {
    answer(message).catch((error: unknown) => {
      const { code, detail } = asOmenError(error);
      scope.postMessage({ type: "error", id: message.id, code, message: detail });
    });
  }
};
