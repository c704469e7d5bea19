/** The types of the public interface. */
import type { StorageAdapter } from "./storage/storage.js";

/**
 * A record's id: a string of 1 to 512 bytes of UTF-8, or a 64-bit integer. 7 and "7" are two ids. Integers come back as numbers
 * where they are safe integers, else as bigints.
 */
export type Id = string | number | bigint;

/** A vector going in. It is stored as 32-bit floats. */
export type Vector = Float32Array | Float64Array | readonly number[];

/** How two vectors are compared. */
export type Metric = "l2" | "ip" | "cosine";

/** One vector field of a schema. */
export interface VectorField {
  /** 1 to 65,535. */
  dimensions: number;
  /** `"cosine"` when left out. */
  metric?: Metric;
}

/** What the records of a collection look like. Everything in a record that is not its id or a vector is metadata (JSON). */
export interface Schema<Field extends string = string> {
  /** The only vector field, named "vector". */
  vector?: VectorField;
  /** Several, by name. */
  vectors?: { readonly [Name in Field]: VectorField };
  /** Names of the full-text fields of the metadata. */
  text?: readonly string[];
}

/** A schema as a collection has it. */
export interface CollectionSchema {
  vectors: { name: string; dimensions: number; metric: Metric }[];
  text: string[];
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
  /** Rows one after the other; for several fields, by field name. */
  vectors?: Float32Array | { readonly [Name in Field]?: Float32Array };
  /** Metadata of each record: an object, its JSON text, or nothing. */
  documents?: readonly (Metadata | string | null | undefined)[];
}

/** A record coming out: its id, metadata, and vectors where they were included. */
export type StoredRecord<Metadata extends object = AnyMetadata, Field extends string = "vector"> = { id: Id } & {
  [Name in Field]?: Float32Array;
} & Metadata;

/** A search's answer. */
export interface Hit<Metadata extends object = AnyMetadata> {
  id: Id;
  /** Larger is better: l2 = 1 / (1 + distance), ip = dot product, cosine = cosine. */
  score: number;
  /** The metric's own value, smaller is nearer: l2 = Euclidean, ip = -dot product, cosine = 1 - cosine. */
  distance: number;
  /** The record's metadata; `{}` when it has none or it was not included. */
  metadata: Metadata;
  /** The vector of the searched field, where it was included. */
  vector?: Float32Array;
}

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

export interface SearchQuery<Field extends string = "vector"> extends ReadOptions {
  vector: Vector;
  /** How many hits, 1 to 100,000; 10 when left out. More than there are records is fine. */
  topK?: number;
  /** The vector field to search; may be left out when there is only one. */
  field?: Field;
}

export interface ScrollOptions extends ReadOptions {
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
  /** Create the database when it is absent; `true` when left out. */
  create?: boolean;
  readOnly?: boolean;
  /** No maintenance happens by itself: call `db.maintain()`. */
  manualMaintenance?: boolean;
  /** Budget of the block pool. */
  poolBytes?: Bytes;
  /** An in-memory table is written to a segment at this size. */
  memtableBytes?: Bytes;
  /** Hard limit of all memory of the database; 0 is none. */
  memoryBytes?: Bytes;
  /** 32 hex digits: the id of a new database, for reproducible files. */
  databaseId?: string;
}

/** A level of log lines. */
export type LogLevel = "error" | "warn" | "info" | "debug";

export interface OpenOptions extends DatabaseOptions, CallOptions {
  /** `"memory"`, `"fs"`, `"opfs"`, `"indexeddb"` (as the platform has them), or an adapter. */
  storage?: string | StorageAdapter;
  /** `"auto"` takes the native engine where there is one for the platform, else WebAssembly. */
  engine?: "auto" | "wasm" | "native";
  /** A JSON file (or a URL of one, in browsers) with any of these settings; `profiles` in it holds more for each profile. */
  config?: string | URL;
  /** Lines that the engine logs; without it, errors and warnings go to the console. */
  log?: (level: LogLevel, line: string) => void;
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
