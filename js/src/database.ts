/** A database: collections, maintenance, reports. */
import { BuildProgress } from "./build_progress.js";
import { Collection } from "./collection.js";
import { Connection, turn } from "./connection.js";
import { asyncDispose } from "./dispose.js";
import type { DatabasePlace, Engine } from "./engine/engine.js";
import { OmenError } from "./errors.js";
import { schemaAnswer, schemaRequest } from "./schema.js";
import { checkTask, namedPlace, runTransfer, type BackupOptions, type CloneOptions, type Place, type PlaceOpener, type TransferReport } from "./transfer.js";
import { checkOptions } from "./query.js";
import type { AnyMetadata, BuildOptions, CallOptions, CheckReport, CollectionSchema, Metrics, Schema, Stats, StoredVector } from "./types.js";

const decoder = new TextDecoder();

/** About how long one call builds indexes; a step of a build takes up to a tenth of a second. */
const BUILD_US = 20_000;

/** What `db.info()` answers. */
export interface DatabaseInfo extends DatabasePlace {
  /** Whether the browser has promised to keep the origin's data. */
  persisted: boolean;
  /** What the origin uses, and what it may use, as the browser estimates it. */
  usageBytes: number | undefined;
  quotaBytes: number | undefined;
}

/** An open database. Got from `open`; close it, or write `await using db = await open(…)`. */
export class Database {
  /** The name or path it was opened with. */
  readonly name: string;
  /** 32 hex digits, given to the database when it was created. */
  readonly id: string;
  #connection: Connection;
  #places: { encrypted: boolean; open: PlaceOpener } | undefined;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(name: string, id: string, connection: Connection, places?: { encrypted: boolean; open: PlaceOpener }) {
    this.#places = places;
    this.name = name;
    this.id = id;
    this.#connection = connection;
  }

  /** Which engine runs it: `kind` is `"wasm"`, `"native"` or `"worker"`, `kernels` the instruction set in use. */
  get engine(): Pick<Engine, "kind" | "kernels"> {
    const { kind, kernels } = this.#connection.engine;
    return { kind, kernels };
  }

  /**
   * Opens a collection; creates it when it is absent and a schema is given. `Stored` is what its vectors come back in: for
   * `type: "i8"` name Int8Array, for `"bit"` Uint8Array.
   * @throws OmenError `OMEN_ERR_NOT_FOUND` without a schema, `OMEN_ERR_SCHEMA` when it exists with another one, `OMEN_ERR_NAME`
   */
  async collection<Metadata extends object = AnyMetadata, Field extends string = "vector", Stored extends StoredVector = Float32Array>(
    name: string,
    schema?: Schema<Field>,
    options?: CallOptions,
  ): Promise<Collection<Metadata, Field, Stored>> {
    if (typeof name !== "string") throw new OmenError("OMEN_ERR_NAME", `the name of a collection is of type ${typeof name}; give a string`);
    const request = { op: "collection", db: this.#connection.handle, name, ...(schema === undefined ? {} : { schema: schemaRequest(schema as Schema) }) };
    const { json } = await this.#connection.call(request, [], options?.signal);
    return new Collection(this.#connection, Number(json["collection"]), name, schemaAnswer(json["schema"]));
  }

  /** Names and schemas of all collections. */
  async collections(options?: CallOptions): Promise<{ name: string; schema: CollectionSchema }[]> {
    const { json } = await this.#op("collections", {}, options);
    return (json["collections"] as { name: string; schema: unknown }[]).map(({ name, schema }) => ({ name, schema: schemaAnswer(schema) }));
  }

  /** Removes a collection with all its records. @throws OmenError `OMEN_ERR_NOT_FOUND` */
  async drop(name: string, options?: CallOptions): Promise<void> {
    await this.#connection.write({ op: "drop", db: this.#connection.handle, name }, [], options?.signal);
  }

  /** Resolves when every write so far is durable, whatever the option `durability` says. */
  async sync(options?: CallOptions): Promise<void> {
    await this.#op("sync", {}, options);
  }

  /** Writes the in-memory tables to segments, durably. */
  async flush(options?: CallOptions): Promise<void> {
    await this.#op("flush", {}, options);
  }

  /** Flushes, then merges every collection's segments into one and drops deleted records. */
  async compact(options?: CallOptions): Promise<void> {
    await this.#op("compact", {}, options);
  }

  /**
   * Flushes, then builds every index that is due. They are built in the background anyway; this waits for them, in steps between
   * which other calls have their turn. What is written meanwhile is not waited for.
   * @throws OmenError `OMEN_ERR_CANCELLED` when the signal is aborted: what is built stays, and the rest goes on in the background
   */
  async buildIndexes(options?: BuildOptions): Promise<void> {
    const { signal, onProgress } = options ?? {};
    if (onProgress !== undefined && typeof onProgress !== "function") throw new OmenError("OMEN_ERR_INVALID", "onProgress must be a function");
    const progress = onProgress === undefined ? undefined : new BuildProgress(await this.stats(options), onProgress);
    await this.#op("flush", {}, options);
    let until: unknown = 0;
    for (let more = true; more; ) {
      const { json } = await this.#op("buildIndexes", { budgetUs: BUILD_US, until }, options);
      more = json["more"] === true;
      until = json["until"];
      progress?.take(await this.stats(options));
      await turn();
      if (signal?.aborted) throw new OmenError("OMEN_ERR_CANCELLED", "building indexes was cancelled; what is built stays");
    }
  }

  /**
   * Copies the database as it is at this moment, while it is read and written, and adds it to the backups at `target`, which is made when it is
   * absent. Files that an earlier backup has are not copied again; each that is copied is read back and compared. When it fails or is cancelled,
   * earlier backups are as they were, and the next one goes on where it stopped. `restore` makes a database of one, `backups` lists them.
   * @throws OmenError `OMEN_ERR_FOREIGN` when the place holds something else, or another database's backups; `OMEN_ERR_BUSY`, `OMEN_ERR_CANCELLED`,
   * `OMEN_ERR_FULL`; `OMEN_ERR_CORRUPT` when a file of the database is damaged
   */
  async backup(target: Place, options?: BackupOptions): Promise<TransferReport> {
    checkOptions("backup", options, ["verify", "plain", "signal", "onProgress"]);
    return this.#copy("backup", "backups", target, { verify: options?.verify === true, plain: options?.plain === true }, options);
  }

  /**
   * Makes a database with an id of its own of this one as it is at this moment, at a place that is absent or empty.
   * @throws OmenError `OMEN_ERR_EXISTS` or `OMEN_ERR_FOREIGN` when the place is neither: nothing is changed; and as {@link backup}
   */
  async clone(target: Place, options?: CloneOptions): Promise<TransferReport> {
    checkOptions("clone", options, ["plain", "signal", "onProgress"]);
    return this.#copy("clone", "place", target, { plain: options?.plain === true }, options);
  }

  async #copy(kind: string, role: "backups" | "place", target: Place, args: { plain: boolean; verify?: boolean }, options?: BackupOptions): Promise<TransferReport> {
    const named = namedPlace(target, "the target");
    checkTask(options);
    if (this.#places === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "this database copies nothing to other places");
    if (this.#places.encrypted && named.encryption === undefined && !args.plain)
      throw new OmenError("OMEN_ERR_KEY", "the database is encrypted: give a key for the copy too ({ name, encryption }), or say that it is to be plain");
    const place = await this.#places.open(named, { create: true, readOnly: false, apart: true });
    return (await runTransfer(this.#connection.engine, kind, { db: this.#connection.handle, ...args }, { [role]: place }, options)) as TransferReport;
  }

  /** Reads everything and verifies every checksum and invariant. @throws OmenError `OMEN_ERR_CORRUPT` with the first place */
  async check(options?: CallOptions): Promise<void> {
    await this.#op("check", {}, options);
  }

  /** The same, but goes on past the first damage and tells all of it: every place, and what is lost with it. */
  async checkReport(options?: CallOptions): Promise<CheckReport> {
    const { parts } = await this.#op("checkReport", {}, options);
    return JSON.parse(decoder.decode(parts[0])) as CheckReport;
  }

  /** Does waiting maintenance for about `budgetMs` (one step when 0). Resolves with whether some is left. */
  async maintain(options?: { budgetMs?: number } & CallOptions): Promise<boolean> {
    const { json } = await this.#op("maintain", { budgetUs: Math.round((options?.budgetMs ?? 0) * 1000) }, options);
    return json["more"] === true;
  }

  /** Counters, gauges and latencies as an object. */
  metrics(options?: { format?: "json"; labels?: { readonly [name: string]: string } } & CallOptions): Promise<Metrics>;
  /** The same as Prometheus text. `labels` are added to every series. */
  metrics(options: { format: "prometheus"; labels?: { readonly [name: string]: string } } & CallOptions): Promise<string>;
  async metrics(options?: { format?: "json" | "prometheus"; labels?: { readonly [name: string]: string } } & CallOptions): Promise<Metrics | string> {
    const { format = "json", labels } = options ?? {};
    if (format !== "json" && format !== "prometheus") throw new OmenError("OMEN_ERR_INVALID", `format is ${String(format)}; it must be "json" or "prometheus"`);
    const { parts } = await this.#op("metrics", { format, ...(labels === undefined ? {} : { labels }) }, options);
    const text = decoder.decode(parts[0]);
    return format === "json" ? (JSON.parse(text) as Metrics) : text;
  }

  /** Sets counters and latencies back to zero. */
  async resetMetrics(): Promise<void> {
    await this.#op("metricsReset");
  }

  /** Collections, segments, sizes. */
  async stats(options?: CallOptions): Promise<Stats> {
    const { parts } = await this.#op("stats", {}, options);
    return JSON.parse(decoder.decode(parts[0])) as Stats;
  }

  /**
   * In browsers: where the database is, which tab holds it, whether the browser keeps it when space runs out, and how much room there is.
   * @throws OmenError `OMEN_ERR_UNSUPPORTED` elsewhere, and of databases in memory or open for reading only
   */
  async info(): Promise<DatabaseInfo> {
    const { engine } = this.#connection;
    if (engine.describe === undefined) throw new OmenError("OMEN_ERR_UNSUPPORTED", "info is for databases in a browser's own storage");
    const place = await engine.describe();
    const [persisted, estimate] = await Promise.all([navigator.storage?.persisted?.(), navigator.storage?.estimate?.()]);
    return { ...place, persisted: persisted === true, usageBytes: estimate?.usage, quotaBytes: estimate?.quota };
  }

  /** Waits until what was written is durable (not at durability `"memory"`), then lets go of the storage. Calling it again is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#connection.settle();
      await this.#op("close");
    } finally {
      await this.#connection.engine.close();
    }
  }

  #op(op: string, args: object = {}, options?: CallOptions) {
    return this.#connection.call({ op, db: this.#connection.handle, ...args }, [], options?.signal);
  }
}
