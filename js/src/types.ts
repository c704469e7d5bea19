/** The types of the public interface. */
import type { WasmModule } from "./globals.js";
import type { Filter } from "./queries.js";
import type { EncryptionOptions } from "./storage/encrypted.js";
import type { StorageAdapter } from "./storage/storage.js";

/**
 * A record's id: a string of 1 to 512 bytes of UTF-8, or a 64-bit integer. 7 and "7" are two ids. Integers come back as numbers
 * where they are safe integers, else as bigints.
 */
export type Id = string | number | bigint;

/**
 * A vector going in, as the field's type says: numbers for `"f32"` and `"f16"`, an Int8Array or integers from -128 to 127 for
 * `"i8"`, a Uint8Array or bytes for `"bit"` (dimension 0 is the lowest bit of the first byte).
 */
export type Vector = Float32Array | Float64Array | Int8Array | Uint8Array | readonly number[];

/** A vector coming out: a Float32Array for `"f32"` and `"f16"`, an Int8Array for `"i8"`, a Uint8Array for `"bit"`. */
export type StoredVector = Float32Array | Int8Array | Uint8Array;

/**
 * What a vector consists of, in storage and in memory: 32-bit or 16-bit floats, 8-bit integers, or bits. `"f16"` takes half the
 * room: numbers are rounded to 11 significant bits and reach to 65,504.
 */
export type VectorType = "f32" | "f16" | "i8" | "bit";

/** How two vectors are compared. `"hamming"`, the number of differing bits, is for type `"bit"`, which has no other. */
export type Metric = "l2" | "ip" | "cosine" | "hamming";

/**
 * How a field is searched once its records lie in segments. Records that are in no index yet are always searched too, exactly.
 * - `"auto"`: chosen for each segment by records, dimensions and memory; `collection.explain` says why
 * - `"flat"`: every record, exactly
 * - `"hnsw"`: a graph over 8-bit codes in memory, re-ranked exactly
 * - `"ivf"`: lists of codes around centroids, re-ranked exactly: little memory
 * - `"disk"`: a graph whose blocks are read on demand: for data larger than memory
 */
export type IndexKind = "auto" | "flat" | "hnsw" | "ivf" | "disk";

/** What an index of kind `"ivf"` keeps of a vector: a byte a dimension, 1 to 8 bits a dimension, or 4 bits a group of dimensions. */
export type IndexCodec = "auto" | "sq8" | "rabitq" | "pq";

/** An index with its parameters; what is left out is chosen from the data. */
export interface IndexParameters {
  kind: IndexKind;
  /** Graphs: most neighbours of a record, 4 to 128. */
  m?: number;
  /** Graphs: candidates looked at for a new record, 8 to 2,000. */
  efConstruction?: number;
  /** `"ivf"` only. */
  codec?: IndexCodec;
  /** `"ivf"`: 1 to 65,536. */
  lists?: number;
  /** Codec `"rabitq"`: bits a dimension, 1 to 8. */
  bits?: number;
}

/** An index by its kind, or with parameters. */
export type IndexOptions = IndexKind | IndexParameters;

/** One vector field of a schema. */
export interface VectorField {
  /** 1 to 65,535. */
  dimensions: number;
  /** `"cosine"` when left out, of bits `"hamming"`. */
  metric?: Metric;
  /** `"f32"` when left out. The dimensions of `"bit"` are a multiple of 8. */
  type?: VectorType;
  /** `"auto"` when left out. Counts when the collection is created; later, `collection.setIndex` changes it. */
  index?: IndexOptions;
}

/** A full-text field of the metadata: a string there, or an array of strings. */
export interface TextField {
  /** Where it is: `"title"`, or `"book.title"` for a member of a member. */
  name: string;
  /** What stems its words and has stop words: a code (`"de"`) or an English name (`"german"`); `"en"` when left out. `"none"`: words stay as they are. */
  language?: string;
  /** What a hit in it counts where a query does not say; 1 when left out. */
  weight?: number;
  /** `"drop"` when left out: words such as "the" are not searched for. */
  stopWords?: "keep" | "drop";
  /** `"fold"` when left out: "résumé" and "resume" are one word. */
  accents?: "fold" | "keep";
}

/** A field of several vectors a record, such as one for each token of a text: records are compared by MaxSim (late interaction). */
export interface MultiField {
  /** 1 to 65,535. */
  dimensions: number;
  /** `"cosine"` when left out: each vector is scaled to length 1. */
  metric?: "cosine" | "ip";
  /** What they are compared as, `"f32"` when left out; the metadata keeps the numbers as they were given. */
  type?: "f32" | "f16";
}

/** The value of such a field in the metadata: 1 to 1,024 vectors. They come back as arrays of numbers. */
export type MultiVectors = readonly (readonly number[] | Float32Array | Float64Array)[];

/** What the records of a collection look like. Everything in a record that is not its id or a vector is metadata (JSON). */
export interface Schema<Field extends string = string> {
  /** The only vector field, named "vector". */
  vector?: VectorField;
  /** Several, by name. */
  vectors?: { readonly [Name in Field]: VectorField };
  /** The full-text fields of the metadata: a name alone is English. */
  text?: readonly (string | TextField)[];
  /** Names of the fields of the metadata that are sparse vectors: `{ indices: [3, 17], values: [0.5, 1.25] }`. */
  sparse?: readonly string[];
  /** Fields of the metadata that are several vectors, `[[0.1, 0.2], [0.3, 0.4]]`, by name (`"tokens"`, or `"page.tokens"` for a member of a member); at most 8. */
  multi?: { readonly [name: string]: MultiField };
  /**
   * Time to live: the path of a time in the metadata (a string of RFC 3339) after which no read sees the record any more;
   * `collection.expire()` removes what is over. Records without a time there stay.
   */
  ttl?: string;
}

/** A schema as a collection has it. */
export interface CollectionSchema {
  vectors: { name: string; dimensions: number; metric: Metric; type: VectorType; index: IndexParameters }[];
  text: (string | TextField)[];
  /** Where there are any. */
  sparse?: string[];
  /** Where there are any. */
  multi?: { name: string; dimensions: number; metric: "cosine" | "ip"; type: "f32" | "f16" }[];
  /** Where there is one. */
  ttl?: string;
}

/** Metadata when nothing more is known of it. */
export type AnyMetadata = { [key: string]: unknown };

/** A record going in: its id, its vectors by field name, and metadata. */
export type InputRecord<Metadata extends object = AnyMetadata, Field extends string = "vector"> = { id: Id } & {
  [Name in Field]?: Vector;
} & Metadata;

/** A record of an update: what is left out stays; metadata is merged (RFC 7396: `null` removes a key). */
export type UpdateRecord<Metadata extends object = AnyMetadata, Field extends string = "vector"> = { id: Id } & {
  [Name in Field]?: Vector;
} & { [Key in keyof Metadata]?: Metadata[Key] | null };

/** Many records as columns: the fastest way in. */
export interface InputColumns<Metadata extends object = AnyMetadata, Field extends string = "vector"> {
  ids: readonly Id[] | Int32Array | Uint32Array | BigInt64Array;
  /** Rows one after the other, in the array that the field's vectors come out in; for several fields, by field name. */
  vectors?: StoredVector | { readonly [Name in Field]?: StoredVector };
  /** Metadata of each record: an object, its JSON text, or nothing. */
  documents?: readonly (Metadata | string | null | undefined)[];
}

/** A record coming out: its id, metadata, and vectors where they were included. */
export type StoredRecord<Metadata extends object = AnyMetadata, Field extends string = "vector", Stored extends StoredVector = Float32Array> = { id: Id } & {
  [Name in Field]?: Stored;
} & Metadata;

/** What answers hold besides ids: `["metadata"]` when left out. */
export type Include = readonly ("metadata" | "vector")[];

/** For calls that may take long. */
export interface CallOptions {
  /** Rejects the call with `OMEN_ERR_CANCELLED`. A write that had begun may or may not have happened. */
  signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  include?: Include;
}

/** An index that is being built. */
export interface IndexProgress {
  collection: string;
  field: string;
  /** The segment's file. */
  segment: string;
  /** 0 to 1. */
  progress: number;
}

export interface BuildOptions extends CallOptions {
  /**
   * Called again and again while indexes are built: progress never falls while one is, and is 1 once searches have it. An index that is given up
   * (its segment was merged meanwhile, or the build failed) does not come to 1.
   */
  onProgress?: (progress: IndexProgress) => void;
}

export interface ScrollOptions<Metadata extends object = AnyMetadata> extends ReadOptions {
  /** Only records that this selects. */
  filter?: Filter<Metadata>;
  /** Records read at a time; 1,000 when left out. */
  batch?: number;
  /** Begin after this id. */
  after?: Id;
}

/** Size of something in bytes: a number, or text such as `"64MiB"`. */
export type Bytes = number | string;

/** Settings of a database. They come from the code, then from OMENDB_* variables, then from a JSON file, then from the profile. */
export interface DatabaseOptions {
  /** Sets the defaults: `"developer"`, `"production"` or `"edge"` (100 MiB of memory). */
  profile?: "developer" | "production" | "edge";
  /**
   * What an acknowledged write has survived: `"memory"` nothing, `"os"` the program's end, `"group"` (when left out) a power loss,
   * synced together with what else is waiting, `"full"` the same, synced by itself.
   */
  durability?: "memory" | "os" | "group" | "full";
  /**
   * Create the database when it is absent; `true` when left out. In browsers a database that was there and is gone is `OMEN_ERR_DATA_EVICTED`, and
   * `"replace"` creates an empty one in its place. What is there is never replaced.
   */
  create?: boolean | "replace";
  /**
   * In browsers: whether other tabs and workers may have it open at the same time (docs/TABS.md). `"share"`, when left out: one of them holds the
   * database, the others do everything through it. `"exclusive"`: they are refused with `OMEN_ERR_BUSY`.
   */
  tabs?: "share" | "exclusive";
  /** In browsers: a tab that holds the database and does not answer for so many milliseconds loses it to another; 5,000 when left out. */
  ownerTimeoutMs?: number;
  /**
   * In browsers: ask that the browser never removes the origin's data for want of space; some put the question to the user. `true` and `"ask"` differ in
   * that `true` writes a warning to the log when it is refused. `db.info()` says what came of it.
   */
  persist?: boolean | "ask";
  readOnly?: boolean;
  /** No maintenance happens by itself: call `db.maintain()`. */
  manualMaintenance?: boolean;
  /** Budget of the block pool. */
  poolBytes?: Bytes;
  /** Budget of what indexes keep in memory beside the pool. */
  indexBytes?: Bytes;
  /** An in-memory table is written to a segment at this size. */
  memtableBytes?: Bytes;
  /** Hard limit of all memory of the database; 0 is none. */
  memoryBytes?: Bytes;
  /** 32 hex digits: the id of a new database, for reproducible files. */
  databaseId?: string;
}

/** The module of a language (`omendb/lang/de.wasm` of this package): compiled, or where it is. */
export type LanguageModule = WasmModule | URL | string;

/** A level of log lines. */
export type LogLevel = "error" | "warn" | "info" | "debug";

export interface OpenOptions extends DatabaseOptions, CallOptions {
  /** `"memory"`, `"fs"`, `"opfs"`, `"indexeddb"` (as the platform has them), or an adapter. */
  storage?: string | StorageAdapter;
  /** `"auto"` takes the native engine where there is one for the platform, else WebAssembly. */
  engine?: "auto" | "wasm" | "native";
  /** A JSON file (or a URL of one, in browsers) with any of these settings; `profiles` in it holds more for each profile. */
  config?: string | URL;
  /**
   * Modules of languages of text fields, by code, for WebAssembly where they cannot be loaded from the package (edge isolates), or are served
   * elsewhere: `{ de: module }`. The native engine has all languages inside.
   */
  languages?: { readonly [code: string]: LanguageModule };
  /** Lines that the engine logs; without it, errors and warnings go to the console. */
  log?: (level: LogLevel, line: string) => void;
  /** Encryption at rest, AES-256-GCM (docs/ENCRYPTION.md): every file is encrypted under this key, or the database is not opened with it. */
  encryption?: EncryptionOptions;
}

/** Names and values that tell the series of a family apart: `db_id`, `kind`, and the labels that were asked for. */
export type MetricLabels = { [name: string]: string };

/** A number that only rises until it is reset (counter), or one that goes up and down (gauge). */
export interface NumberFamily {
  type: "counter" | "gauge";
  help: string;
  series: { labels: MetricLabels; value: number }[];
}

/** Durations in seconds. Quantiles are interpolated within buckets that are an eighth to a quarter of their value wide. */
export interface HistogramFamily {
  type: "histogram";
  help: string;
  series: {
    labels: MetricLabels;
    count: number;
    sum: number;
    p50: number;
    p90: number;
    p99: number;
    p999: number;
    /** Those that hold something: upper bound in seconds (`null`: none), how many lie in this bucket alone. */
    buckets: [upper: number | null, count: number][];
  }[];
}

export type MetricFamily = NumberFamily | HistogramFamily;

/** What metrics are, as an object: families by name, as docs/METRICS.md lists them. */
export type Metrics = { [name: string]: MetricFamily };

/** What the database holds: collections, segments, sizes. */
export type Stats = { [name: string]: unknown };

/**
 * A part of a segment's or an index's file (docs/DURABILITY.md#parts-of-a-file says what each is). Where one of the first group is damaged, records are lost; the others
 * are made again from ids, documents and vectors. `"unknown"`: of a later version.
 */
export type DamagedSection =
  | "meta" | "id offsets" | "ids" | "document offsets" | "documents" | "vectors" | "deleted rows of older segments"
  | "order of ids" | "places of ids" | "model of ids" | "filter of ids" | "tags of ids" | "norms" | "columns" | "statistics of columns"
  | "data of columns" | "vectors of fields of several" | "offsets of fields of several" | "text: meta" | "text: top of the terms" | "text: terms"
  | "text: heads of lists" | "text: lists" | "text: positions" | "text: lengths" | "index: meta" | "index: quantiser" | "index: codes"
  | "index: links" | "index: upper links" | "index: centroids" | "index: lists" | "index: nodes" | "index: entries"
  | "unknown";

/** A place that is damaged. What a place does not have is left out. */
export interface Damage {
  /** Missing where it is no single file: an index that is not built yet, a log that is gone. */
  readonly file?: string;
  readonly kind: "manifest" | "log" | "segment" | "index";
  readonly section?: DamagedSection;
  /** With `section`: of which vector or text field it is, counted from 0; 0 where it is of none. */
  readonly field?: number;
  /** With `section`: which block of it, counted from 0. */
  readonly block?: number;
  /** Where in the file. */
  readonly offset?: number;
  /** With `offset`: how many bytes there. */
  readonly bytes?: number;
  /** What was kept there, in words. */
  readonly holds?: string;
  readonly collection?: string;
  /** Whether records are lost with it; everything else is made again from vectors and metadata. */
  readonly loses: boolean;
  readonly message: string;
}

/** A gap in the log. */
export interface LostLog {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** The first and the last write that is lost: one number (LSN) for each record. */
  readonly fromLsn: number;
  readonly toLsn: number;
}

/** What `checkReport` tells. */
export interface CheckReport {
  /** Nothing is damaged. */
  readonly ok: boolean;
  /** Whether a repair has written it anew: `false` of a check. */
  readonly written: boolean;
  readonly damage: readonly Damage[];
  readonly lost: LostRecords;
  /** What is no damage: a write that was cut off, or what comes back. */
  readonly notes: readonly string[];
  readonly checked: Checked;
}

/** An id that is lost. An integer beyond 2^53 is rounded, as JSON.parse does. */
export interface LostId {
  readonly collection: string;
  readonly id: string | number;
}

/** A segment that is lost whole. */
export interface LostSegment {
  readonly file: string;
  readonly collection: string;
}

/** What is lost with the damage. */
export interface LostRecords {
  readonly records: number;
  /** Of those, the ones whose ids cannot be read. */
  readonly unnamed: number;
  /** The first 10,000 of the others. */
  readonly ids: readonly LostId[];
  readonly log: readonly LostLog[];
  /** Their records are not counted in `records`. */
  readonly segments: readonly LostSegment[];
}

/** How much was read. */
export interface Checked {
  readonly segments: number;
  readonly rows: number;
  readonly indexes: number;
  readonly bytes: number;
}
