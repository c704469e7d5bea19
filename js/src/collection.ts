/** A collection: records in, hits out. */
import { columnsBatch, recordsBatch } from "./batch.js";
import { asFloats, asOffsets, decodeId, decodeTexts, encodeIds } from "./columns.js";
import type { Connection } from "./connection.js";
import { asyncDispose } from "./dispose.js";
import { OmenError } from "./errors.js";
import { indexRequest, schemaAnswer } from "./schema.js";
import type {
  AnyMetadata,
  CallOptions,
  CollectionSchema,
  Hit,
  Id,
  Include,
  InputColumns,
  InputRecord,
  Explanation,
  IndexOptions,
  ReadOptions,
  ScrollOptions,
  SearchQuery,
  StoredRecord,
  StoredVector,
  UpdateRecord,
} from "./types.js";
import { queryPart, rowOf, type Field as VectorFieldOf } from "./vectors.js";
import type { Message, Part } from "./wire.js";

const LATER = new Set(["text", "alpha", "filter", "fusion"]);

/** Refuses what a call does not know, so that a misspelt or future option is not silently without effect. */
function checkOptions(what: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) throw new OmenError("OMEN_ERR_INVALID", `${what}: the options must be an object`);
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name) || value === undefined) continue;
    if (LATER.has(name)) throw new OmenError("OMEN_ERR_UNSUPPORTED", `${what}: "${name}" is not offered by this version`);
    throw new OmenError("OMEN_ERR_INVALID", `${what}: there is no option "${name}"; there are ${known.join(", ")}`);
  }
}

/** The names of the protocol for what answers hold. */
function includes(include: Include = ["metadata"]): string[] {
  if (!Array.isArray(include)) throw new OmenError("OMEN_ERR_INVALID", 'include must be an array of "metadata" and "vector"');
  return include.map((name: string) => {
    if (name !== "metadata" && name !== "vector") throw new OmenError("OMEN_ERR_INVALID", `include names "${name}"; there are "metadata" and "vector"`);
    return name === "metadata" ? "document" : "vector";
  });
}

function parseDocument(text: string | undefined): object {
  return text === undefined ? {} : (JSON.parse(text) as object);
}

const EFFORTS = ["recall", "ef", "efSearch", "nprobe", "exact"];

/** The effort of a search, as requests have it. */
function effort({ recall, ef, efSearch, nprobe, exact }: SearchQuery<string>): { [name: string]: unknown } {
  const integer = (name: string, value: unknown, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most)) return;
    throw new OmenError("OMEN_ERR_INVALID", `${name} is ${String(value)}; it must be an integer from 1 to ${most.toLocaleString("en")}`);
  };
  if (recall !== undefined && !(typeof recall === "number" && recall > 0 && recall <= 1)) {
    throw new OmenError("OMEN_ERR_INVALID", `recall is ${String(recall)}; it must be a number above 0, at most 1: the share of the nearest to find`);
  }
  integer("ef", ef, 100_000);
  integer("efSearch", efSearch, 100_000);
  integer("nprobe", nprobe, 65_536);
  if (ef !== undefined && efSearch !== undefined && ef !== efSearch) throw new OmenError("OMEN_ERR_INVALID", `ef is ${ef} and efSearch ${efSearch}; they are one setting, give either`);
  if (exact !== undefined && typeof exact !== "boolean") throw new OmenError("OMEN_ERR_INVALID", `exact is ${String(exact)}; it must be true or false`);
  return { recall, ef: ef ?? efSearch, nprobe, exact };
}

/**
 * Records of one shape, found by id and by nearness. Got from {@link Database.collection}. `Metadata` is the type of what records
 * hold besides id and vectors; `Field` names the vector fields; `Stored` is what vectors come back in.
 */
export class Collection<Metadata extends object = AnyMetadata, Field extends string = "vector", Stored extends StoredVector = Float32Array> {
  readonly name: string;
  readonly schema: CollectionSchema;
  #connection: Connection;
  #handle: number;

  /** @internal */
  constructor(connection: Connection, handle: number, name: string, schema: CollectionSchema) {
    this.#connection = connection;
    this.#handle = handle;
    this.name = name;
    this.schema = schema;
  }

  /**
   * Puts records, whether or not their ids are there. The batch is atomic: all of it or nothing. Resolves with the number of
   * records when they are durable as the options say.
   * @throws OmenError `OMEN_ERR_DIMENSION`, `_NOT_FINITE`, `_ZERO_VECTOR`, `_DUPLICATE_ID`, `_ID`, `_JSON`, `_TOO_LARGE`, `_FULL`, `_IO`, …
   */
  upsert(records: readonly InputRecord<Metadata, Field>[] | InputColumns<Metadata, Field>, options?: CallOptions): Promise<number> {
    return this.#write("upsert", records, options);
  }

  /** As {@link upsert}, but `OMEN_ERR_EXISTS` when an id is there already. */
  insert(records: readonly InputRecord<Metadata, Field>[] | InputColumns<Metadata, Field>, options?: CallOptions): Promise<number> {
    return this.#write("insert", records, options);
  }

  /**
   * Changes records that are there, else `OMEN_ERR_NOT_FOUND`. A vector that is left out stays; metadata is merged (RFC 7396).
   */
  update(records: readonly UpdateRecord<Metadata, Field>[] | InputColumns<object, Field>, options?: CallOptions): Promise<number> {
    return this.#write("update", records, options);
  }

  /** The record with this id, or `undefined`. */
  get(id: Id, options?: ReadOptions): Promise<StoredRecord<Metadata, Field, Stored> | undefined>;
  /** The records with these ids, in their order; `undefined` where there is none. */
  get(ids: readonly Id[], options?: ReadOptions): Promise<(StoredRecord<Metadata, Field, Stored> | undefined)[]>;
  async get(ids: Id | readonly Id[], options?: ReadOptions): Promise<StoredRecord<Metadata, Field, Stored> | undefined | (StoredRecord<Metadata, Field, Stored> | undefined)[]> {
    checkOptions("get", options, ["include", "signal"]);
    const many = Array.isArray(ids) ? (ids as readonly Id[]) : [ids as Id];
    const answer = await this.#call({ op: "get", count: many.length, include: includes(options?.include) }, encodeIds(many.length, (i) => many[i]!), options?.signal);
    const records = this.#records(answer);
    return Array.isArray(ids) ? records : records[0];
  }

  /** Deletes records; resolves with how many of the ids were there. Ids that are not there are no error. */
  async delete(ids: Id | readonly Id[], options?: CallOptions): Promise<number> {
    checkOptions("delete", options, ["signal"]);
    if (typeof ids === "object" && !Array.isArray(ids)) throw new OmenError("OMEN_ERR_UNSUPPORTED", "delete takes ids; deleting by filter is not offered by this version");
    const many = Array.isArray(ids) ? (ids as readonly Id[]) : [ids as Id];
    const parts = encodeIds(many.length, (i) => many[i]!);
    const { json } = await this.#connection.write({ op: "delete", collection: this.#handle, count: many.length }, parts, options?.signal);
    return Number(json["deleted"]);
  }

  /** How many records there are. */
  async count(options?: CallOptions): Promise<number> {
    checkOptions("count", options, ["signal"]);
    const { json } = await this.#call({ op: "count" }, [], options?.signal);
    return Number(json["count"]);
  }

  /**
   * The nearest records, nearest first, ties by id; distances are exact always. An index may miss some of the nearest: `recall` says
   * how many are to be found, `exact: true` that all are.
   * @throws OmenError `OMEN_ERR_DIMENSION`, `_NOT_FINITE`, `_ZERO_VECTOR`, `_INVALID`
   */
  async search(query: SearchQuery<Field>): Promise<Hit<Metadata, Stored>[]> {
    const searched = this.#searched("search", query);
    const { json, parts } = await this.#query("search", query, searched);
    const [idOffsets, ids, distances, scores, documentOffsets, documents, rows] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const count = Number(json["count"]);
    const at = asOffsets(idOffsets);
    const distance = asFloats(distances);
    const score = asFloats(scores);
    const texts = documents.length === 0 ? [] : decodeTexts(asOffsets(documentOffsets), documents);
    const hits: Hit<Metadata, Stored>[] = [];
    for (let i = 0; i < count; i++) {
      const hit: Hit<Metadata, Stored> = { id: decodeId(ids, at[i]!, at[i + 1]!), score: score[i]!, distance: distance[i]!, metadata: parseDocument(texts[i]) as Metadata };
      if (rows !== undefined && rows.length > 0) hit.vector = rowOf(rows, searched, i) as Stored;
      hits.push(hit);
    }
    return hits;
  }

  /**
   * Runs a search and tells how it was answered: for each source of records (memory, segment) its index, why that one, the effort,
   * and what it did.
   * @throws OmenError as {@link search}
   */
  async explain(query: SearchQuery<Field>): Promise<Explanation> {
    const { parts } = await this.#query("explain", query, this.#searched("explain", query));
    return JSON.parse(new TextDecoder().decode(parts[0])) as Explanation;
  }

  /**
   * Changes how a vector field is indexed (the only or default one when none is named). Parameters that are left out are chosen
   * from the data. Existing indexes of other parameters serve until maintenance has replaced them; `db.buildIndexes()` waits for that.
   * @throws OmenError `OMEN_ERR_INVALID` with the range, `OMEN_ERR_READ_ONLY`
   */
  async setIndex(index: IndexOptions, field?: Field, options?: CallOptions): Promise<void> {
    checkOptions("setIndex", options, ["signal"]);
    const { name } = this.#field(field);
    const request = { op: "index", collection: this.#handle, field: name, index: indexRequest(index, name) };
    const { json } = await this.#connection.write(request, [], options?.signal);
    this.schema.vectors = schemaAnswer(json["schema"]).vectors;
  }

  /**
   * All records in the order of their ids, read in batches. Each batch is a snapshot: a record that is there throughout is seen
   * exactly once; one that is written or deleted meanwhile is seen when its turn comes after that.
   */
  async *scroll(options?: ScrollOptions): AsyncGenerator<StoredRecord<Metadata, Field, Stored>, void, undefined> {
    checkOptions("scroll", options, ["include", "signal", "batch", "after"]);
    const limit = options?.batch ?? 1000;
    if (!Number.isInteger(limit) || limit < 1) throw new OmenError("OMEN_ERR_INVALID", `batch is ${limit}; it must be an integer of at least 1`);
    const include = includes(options?.include);
    let after = options?.after;
    for (;;) {
      const start: Part[] = after === undefined ? [] : encodeIds(1, () => after!);
      const answer = await this.#call({ op: "scroll", limit, include }, start, options?.signal);
      const records = this.#records(answer) as StoredRecord<Metadata, Field, Stored>[];
      yield* records;
      if (records.length < limit) return;
      after = records.at(-1)!.id;
    }
  }

  /** Lets go of the handle. The collection stays; `db.close()` does it for all. */
  async close(): Promise<void> {
    await this.#call({ op: "release" }, []);
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The vector field of this name, or the default one. */
  #field(field: string | undefined): VectorFieldOf {
    const { vectors } = this.schema;
    const found = field === undefined ? (vectors.find(({ name }) => name === "vector") ?? (vectors.length === 1 ? vectors[0] : undefined)) : vectors.find(({ name }) => name === field);
    if (found !== undefined) return found;
    const names = vectors.map(({ name }) => `"${name}"`).join(", ");
    throw new OmenError("OMEN_ERR_INVALID", `collection "${this.name}" has ${field === undefined ? "no single vector field" : `no vector field "${field}"`}; ${names === "" ? "it has none" : `field must be one of ${names}`}`);
  }

  /** The field that a query is for; refuses options that are none. */
  #searched(what: string, query: SearchQuery<Field>): VectorFieldOf {
    checkOptions(what, query ?? {}, ["vector", "topK", "field", "include", "signal", ...EFFORTS]);
    const { topK = 10, field } = query;
    if (!Number.isInteger(topK) || topK < 1 || topK > 100_000) throw new OmenError("OMEN_ERR_INVALID", `topK is ${topK}; it must be an integer from 1 to 100,000`);
    return this.#field(field);
  }

  #query(op: "search" | "explain", query: SearchQuery<Field>, searched: VectorFieldOf): Promise<Message> {
    const { vector, topK = 10, include, signal } = query;
    const request = { op, k: topK, field: searched.name, include: includes(include), ...effort(query) };
    return this.#call(request, [queryPart(vector, searched, this.name)], signal);
  }

  #call(request: { op: string; [key: string]: unknown }, parts: readonly Part[], signal?: AbortSignal): Promise<Message> {
    return this.#connection.call({ ...request, collection: this.#handle }, parts, signal);
  }

  async #write(mode: "upsert" | "insert" | "update", records: unknown, options: CallOptions | undefined): Promise<number> {
    checkOptions(mode, options, ["signal"]);
    const partial = mode === "update";
    const isColumns = typeof records === "object" && records !== null && !Array.isArray(records) && "ids" in records;
    if (!isColumns && !Array.isArray(records)) {
      throw new OmenError("OMEN_ERR_INVALID", `${mode} takes an array of records, or columns: { ids, vectors, documents }`);
    }
    const { count, fields, parts } = isColumns
      ? columnsBatch(records as InputColumns<object, string>, this.schema, this.name, partial)
      : recordsBatch(records as Parameters<typeof recordsBatch>[0], this.schema, this.name, partial);
    const { json } = await this.#connection.write({ op: "write", collection: this.#handle, mode, count, fields }, parts, options?.signal);
    return Number(json["count"]);
  }

  /** The records of a `get` or a page of a `scroll`. */
  #records({ json, parts }: Message): (StoredRecord<Metadata, Field, Stored> | undefined)[] {
    const [found, idOffsets, ids, documentOffsets, documents, ...rows] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, ...Uint8Array[]];
    const at = asOffsets(idOffsets);
    const texts = documents.length === 0 ? [] : decodeTexts(asOffsets(documentOffsets), documents);
    const records: (StoredRecord<Metadata, Field, Stored> | undefined)[] = [];
    for (let i = 0; i < Number(json["count"]); i++) {
      if (found[i] === 0) {
        records.push(undefined);
        continue;
      }
      const record: { [key: string]: unknown } = { id: decodeId(ids, at[i]!, at[i + 1]!) };
      rows.forEach((part, index) => {
        const field = this.schema.vectors[index];
        if (field !== undefined && part.length > 0) record[field.name] = rowOf(part, field, i);
      });
      records.push({ ...parseDocument(texts[i]), ...record } as StoredRecord<Metadata, Field, Stored>);
    }
    return records;
  }
}
