/** How a member opens its database when it is the owner: the storage under the lock that is held already, then the core. */
import { OmenError, asOmenError } from "../errors.js";
import type { Engine } from "../engine/engine.js";
import { adapterKind } from "../storage/auto.js";
import type { EncryptionOptions } from "../storage/encrypted.js";
import type { Storage, StorageAdapter } from "../storage/storage.js";
import { decodeAnswer, encodeRequest } from "../wire.js";
import { browserHost, type TabsHost } from "./host.js";
import { Member, type OpenMode } from "./member.js";
import type { Opened } from "./owner.js";

/** How a database is to be opened; what the core is asked for comes with the request "open". */
export interface Opening {
  storage: string;
  name: string;
  create: boolean;
  /** To begin anew where the browser says that it has removed what was there. */
  anew: boolean;
  tabs: "share" | "exclusive";
  ownerTimeoutMs: number;
  /** The kinds of storage in which the database is noted to be (witness.ts): one that does not have it has lost it. */
  known: readonly string[];
  manualMaintenance: boolean;
  encryption?: EncryptionOptions | undefined;
}

/** An engine that takes opened storages. */
export type StorageEngine = Engine & Required<Pick<Engine, "putStorage">>;

/** A database that was there and is not any more. */
export const evicted = (name: string, cause?: unknown): OmenError =>
  new OmenError(
    "OMEN_ERR_DATA_EVICTED",
    `"${name}" was in this browser and is gone: its data were cleared, by the user or for want of space; open it with create: "replace" to begin anew, or destroy("${name}") to forget it${cause instanceof OmenError ? ` (${cause.detail})` : ""}`,
    cause === undefined ? undefined : { cause },
  );

async function openStorage(adapter: StorageAdapter, { name, create, anew }: Opening, known: boolean, mode: OpenMode): Promise<Storage> {
  const open = (making: boolean): Promise<Storage> => adapter.open(name, { create: making, readOnly: mode === "reading", locked: true, anew: anew && mode === "first" });
  if (mode === "first" && !known) {
    return open(create).catch((error: unknown) => {
      if (anew && error instanceof OmenError && error.code === "OMEN_ERR_DATA_EVICTED") return open(create); // it says so once
      throw error;
    });
  }
  try {
    return await open(false);
  } catch (error) {
    throw error instanceof OmenError && error.code === "OMEN_ERR_NOT_FOUND" ? evicted(name, error) : error;
  }
}

/**
 * A member for a database in one of the browser's storages.
 * @param makeEngine an engine for each time the database is opened
 * @param options the core's, of the request "open"
 */
export async function openMember(
  storages: { readonly [name: string]: () => StorageAdapter },
  makeEngine: () => StorageEngine,
  opening: Opening,
  options: { [key: string]: unknown },
  host: TabsHost = browserHost(),
): Promise<{ member: Member; databaseId: string }> {
  const kind = await adapterKind(opening.storage);
  const make = storages[kind];
  if (make === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", `there is no storage "${kind}" in the worker`);
  const adapter = make();
  const { name } = opening;
  const known = opening.known.includes(kind);
  const member = new Member(host, {
    place: `omendb:${kind}:${name}`,
    name,
    shared: opening.tabs === "share",
    durability: options["durability"],
    timeout: opening.ownerTimeoutMs,
    async open(mode): Promise<Opened> {
      const engine = makeEngine();
      try {
        const storage = await openStorage(adapter, opening, known, mode);
        const mustBe = mode !== "first" || known;
        const core = { ...options, ...(mustBe ? { create: false } : {}), ...(mode === "reading" ? { readOnly: true } : {}) };
        const { json } = decodeAnswer(await engine.call(encodeRequest({ op: "open", slot: engine.putStorage(storage), path: `${name} (${kind})`, options: core })));
        return {
          engine,
          db: Number(json["db"]),
          databaseId: String(json["databaseId"]),
          maintained: !opening.manualMaintenance,
          lost: () => storage.lost?.(),
          ...(storage.verify === undefined ? {} : { verify: () => storage.verify!() }),
        };
      } catch (thrown) {
        await engine.close();
        const error = asOmenError(thrown, `opening "${name}" (${kind})`);
        throw error.code === "OMEN_ERR_NOT_FOUND" && (mode !== "first" || known) ? evicted(name, error) : error;
      }
    },
  });
  return { member, databaseId: await member.start() };
}
