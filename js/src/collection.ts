/** A collection: records in, hits out. */
import { columnsBatch, recordsBatch } from "./batch.js";
import { asOffsets, decodeId, decodeTexts, encodeIds } from "./columns.js";
import type { Connection } from "./connection.js";
import { asyncDispose } from "./dispose.js";
import { OmenError } from "./errors.js";
import { decodeAll, decodeHits, parseDocument } from "./hits.js";
import type { Explanation, Hit, Hits, SearchOptions, SearchQuery, UpdateWhere, Where } from "./queries.js";
import { callMany, inQuery, type SearchPlan } from "./many.js";
import { checkTask, runTask, type PurgeReport } from "./transfer.js";
import { checkOptions, checkTopK, effort, fieldOf, filterOfWrite, filterRequest, includes, isPlain, planQuery, rerankOf, reranked } from "./query.js";
import { indexRequest, schemaAnswer } from "./schema.js";
import type {
  AnyMetadata,
  CallOptions,
  CollectionSchema,
  Id,
  InputColumns,
  InputRecord,
  IndexOptions,
  ReadOptions,
  ScrollOptions,
  StoredRecord,
  StoredVector,
  UpdateRecord,
} from "./types.js";
import { queryPart, rowOf } from "./vectors.js";
import type { Message, Part } from "./wire.js";

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
  update(records: readonly UpdateRecord<Metadata, Field>[] | InputColumns<object, Field>, options?: CallOptions): Promise<number>;
  /**
   * Changes the metadata of the records that a filter selects at that moment, all in one batch; resolves with how many they were.
   * `update({ filter: "stock = 0", set: { sold: true } })`
   */
  update(where: UpdateWhere<Metadata>, options?: CallOptions): Promise<number>;
  async update(records: readonly UpdateRecord<Metadata, Field>[] | InputColumns<object, Field> | UpdateWhere<Metadata>, options?: CallOptions): Promise<number> {
    if (typeof records !== "object" || records === null || Array.isArray(records) || !("filter" in records || "set" in records)) return this.#write("update", records, options);
    const { filter, set, signal } = records as UpdateWhere<Metadata>;
    checkOptions("update", records, ["filter", "set", "signal"]);
    checkOptions("update", options, ["signal"]);
    if (typeof set !== "object" || set === null || Array.isArray(set)) throw new OmenError("OMEN_ERR_INVALID", "update: set must be an object of what becomes of the metadata: { sold: true }");
    const other = Object.keys(set).find((name) => name === "id" || this.schema.vectors.some((field) => field.name === name));
    if (other !== undefined) throw new OmenError("OMEN_ERR_INVALID", `update: set holds "${other}"; by filter only metadata is changed`);
    const { json } = await this.#connection.write({ op: "updateWhere", collection: this.#handle, filter: filterOfWrite("update", filter), patch: set }, [], options?.signal ?? signal);
    return Number(json["count"]);
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
  delete(ids: Id | readonly Id[], options?: CallOptions): Promise<number>;
  /** Deletes the records that a filter selects at that moment, all in one batch; resolves with how many they were. */
  delete(where: Where<Metadata>, options?: CallOptions): Promise<number>;
  async delete(ids: Id | readonly Id[] | Where<Metadata>, options?: CallOptions): Promise<number> {
    checkOptions("delete", options, ["signal"]);
    if (typeof ids === "object" && ids !== null && !Array.isArray(ids)) {
      const { filter, signal } = ids as Where<Metadata>;
      checkOptions("delete", ids, ["filter", "signal"]);
      const { json } = await this.#connection.write({ op: "deleteWhere", collection: this.#handle, filter: filterOfWrite("delete", filter) }, [], options?.signal ?? signal);
      return Number(json["deleted"]);
    }
    const many = Array.isArray(ids) ? (ids as readonly Id[]) : [ids as Id];
    const parts = encodeIds(many.length, (i) => many[i]!);
    const { json } = await this.#connection.write({ op: "delete", collection: this.#handle, count: many.length }, parts, options?.signal);
    return Number(json["deleted"]);
  }

  /**
   * Erases the records with these ids (at most 65,536) for good: deletes them, rewrites every segment and log that still has bytes of any version of
   * them, removes the old files, and scans what is left. Ids that are not there are no error: what was deleted before is erased. Backups keep what
   * they have: remove them. Other programs that have had the database open since before keep removed files until they close it. What a storage or a disk keeps of overwritten bytes is not in its power (docs/BACKUP.md).
   * @throws OmenError `OMEN_ERR_BUSY` when a reader or a backup keeps an old file: the records are deleted; purge again when it is done
   */
  async purge(ids: Id | readonly Id[], options?: CallOptions): Promise<PurgeReport> {
    checkOptions("purge", options, ["signal"]);
    const many = Array.isArray(ids) ? (ids as readonly Id[]) : [ids as Id];
    const parts = encodeIds(many.length, (i) => many[i]!);
    checkTask(options);
    const report = await runTask(this.#connection.engine, { op: "purge", collection: this.#handle, count: many.length }, parts, options);
    this.#connection.wake();
    return report as PurgeReport;
  }

  /** Deletes the records whose time to live (`ttl` of the schema) is over; resolves with how many they were. */
  async expire(options?: CallOptions): Promise<number> {
    checkOptions("expire", options, ["signal"]);
    const { json } = await this.#connection.write({ op: "expire", collection: this.#handle }, [], options?.signal);
    return Number(json["deleted"]);
  }

  /** How many records there are, or how many a filter selects. */
  async count(options?: Partial<Where<Metadata>>): Promise<number> {
    checkOptions("count", options, ["filter", "signal"]);
    const filter = options?.filter === undefined ? {} : { filter: filterRequest(options.filter) };
    const { json } = await this.#call({ op: "count", ...filter }, [], options?.signal);
    return Number(json["count"]);
  }

  /**
   * The best records, best first, ties by id: the nearest to a vector, those that have words, or both (docs/QUERIES.md). Distances are
   * exact always. An index may miss some of the nearest: `recall` says how many are to be found, `exact: true` that all are.
   * @throws OmenError `OMEN_ERR_DIMENSION`, `_NOT_FINITE`, `_ZERO_VECTOR`, `_INVALID`, `_DEADLINE`
   */
  async search(query: SearchQuery<Field, Metadata, Stored>): Promise<Hits<Metadata, Stored>> {
    const { request, parts, read } = this.#plan(query);
    return read(await this.#call({ op: "search", ...request }, parts, query.signal));
  }

  /**
   * Several searches in one request: their answers in the same order, each what it would be alone, and all of the same moment but for more than 64 at once.
   * When one fails, the failure of the first such query is thrown, and says which it is: `query 3: …`, counted from 0; what a `rerank` function throws comes as it is.
   * @throws OmenError as {@link search}
   */
  async searchMany(queries: readonly SearchQuery<Field, Metadata, Stored>[]): Promise<Hits<Metadata, Stored>[]> {
    if (!Array.isArray(queries)) throw new OmenError("OMEN_ERR_INVALID", "searchMany takes an array of queries");
    const plans = queries.map((query: SearchQuery<Field, Metadata, Stored>, i) => inQuery(i, () => ({ ...this.#plan(query), signal: query.signal })));
    const answers = await callMany(this.#connection, this.#handle, plans);
    const outcomes = await Promise.allSettled(plans.map(({ read }, i) => inQuery(i, () => read(answers[i]!))));
    return outcomes.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason; // the first in order, whichever failed first in time
      return outcome.value;
    });
  }

  /**
   * Runs a search and tells how it was answered: what became of its filter, and for each source of records (memory, segment) its
   * index, why that one, the effort, and what it did.
   * @throws OmenError as {@link search}
   */
  async explain(query: SearchQuery<Field, Metadata, Stored>): Promise<Explanation> {
    isPlain("explain", query);
    const topK = checkTopK(query.topK);
    const { request, parts } = planQuery(query, rerankOf(query, topK)?.candidates ?? topK, this.schema, this.name);
    const answer = await this.#call({ op: "explain", ...request }, parts, query.signal);
    return JSON.parse(new TextDecoder().decode(answer.parts[0])) as Explanation;
  }

  /**
   * Changes how a vector field is indexed (the only or default one when none is named). Parameters that are left out are chosen
   * from the data. Existing indexes of other parameters serve until maintenance has replaced them; `db.buildIndexes()` waits for that.
   * @throws OmenError `OMEN_ERR_INVALID` with the range, `OMEN_ERR_READ_ONLY`
   */
  async setIndex(index: IndexOptions, field?: Field, options?: CallOptions): Promise<void> {
    checkOptions("setIndex", options, ["signal"]);
    const { name } = fieldOf(this.schema, this.name, field);
    const request = { op: "index", collection: this.#handle, field: name, index: indexRequest(index, name) };
    const { json } = await this.#connection.write(request, [], options?.signal);
    this.schema.vectors = schemaAnswer(json["schema"]).vectors;
  }

  /**
   * All records, or those that a filter selects, in the order of their ids, read in batches. Each batch is a snapshot: a record that is there throughout is seen
   * exactly once; one that is written or deleted meanwhile is seen when its turn comes after that.
   */
  async *scroll(options?: ScrollOptions<Metadata>): AsyncGenerator<StoredRecord<Metadata, Field, Stored>, void, undefined> {
    checkOptions("scroll", options, ["filter", "include", "signal", "batch", "after"]);
    const limit = options?.batch ?? 1000;
    if (!Number.isInteger(limit) || limit < 1) throw new OmenError("OMEN_ERR_INVALID", `batch is ${limit}; it must be an integer of at least 1`);
    const include = includes(options?.include);
    const filter = options?.filter === undefined ? {} : { filter: filterRequest(options.filter) };
    let after = options?.after;
    for (;;) {
      const start: Part[] = after === undefined ? [] : encodeIds(1, () => after!);
      const answer = await this.#call({ op: "scroll", limit, include, ...filter }, start, options?.signal);
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

  /** A search as a request, and what reads its answer. */
  #plan(query: SearchQuery<Field, Metadata, Stored>): SearchPlan & { read(answer: Message): Hits<Metadata, Stored> | Promise<Hits<Metadata, Stored>> } {
    if (isPlain("search", query)) {
      const searched = fieldOf(this.schema, this.name, query.field);
      const request = { k: checkTopK(query.topK), field: searched.name, include: includes(query.include), ...effort(query) };
      return { request, parts: [queryPart(query.vector, searched, this.name)], read: (answer) => decodeHits<Metadata, Stored>(answer, searched) };
    }
    const asked: SearchOptions<Field, Metadata, Stored> = query;
    const topK = checkTopK(asked.topK);
    const reranking = rerankOf<Hit<Metadata, Stored>>(asked, topK);
    const { request, parts, searched } = planQuery(asked, reranking?.candidates ?? topK, this.schema, this.name);
    const read = async (answer: Message): Promise<Hits<Metadata, Stored>> => {
      const hits = decodeAll<Metadata, Stored>(answer, searched);
      if (reranking === undefined) return hits;
      const best: Hits<Metadata, Stored> = await reranked(hits, topK, reranking);
      if (hits.facets !== undefined) best.facets = hits.facets;
      return best;
    };
    return { request, parts, read };
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
