/** The types of queries and of their answers (docs/QUERIES.md). */
import type { AnyMetadata, CallOptions, Id, IndexKind, MultiVectors, ReadOptions, StoredVector, Vector } from "./types.js";

/** What a filter compares with. A Date is an instant, compared with strings of RFC 3339; a string is compared as text. */
export type FilterValue = string | number | bigint | boolean | null | Date | { readonly $date: string };

/** What fields of this type are compared with: an array by its elements. */
type Operand<T> = unknown extends T
  ? FilterValue
  : T extends readonly (infer Element)[]
    ? Operand<Element>
    : T extends string
      ? T | Date | { readonly $date: string } | null
      : T extends number | bigint
        ? number | bigint | null
        : T extends boolean
          ? boolean | null
          : null;

type Ordered<T> = Exclude<Operand<T>, null | boolean>;

/** A place: longitude and latitude, in degrees. */
export type Place = readonly [longitude: number, latitude: number];

/** Places within a circle around one, its radius in metres, or in a box (one whose west is greater than its east crosses the 180th meridian). */
export type GeoWithin = { readonly $center: readonly [centre: Place, metres: number] } | { readonly $box: readonly [southWest: Place, northEast: Place] };

/** What is asked of one field. Several operators must hold, all of them. An array matches if one of its elements does. */
export interface FilterOperators<T = unknown> {
  readonly $eq?: Operand<T>;
  /** Also where the field is missing. */
  readonly $ne?: Operand<T>;
  readonly $gt?: Ordered<T>;
  readonly $gte?: Ordered<T>;
  readonly $lt?: Ordered<T>;
  readonly $lte?: Ordered<T>;
  readonly $in?: readonly Operand<T>[];
  /** Also where the field is missing. */
  readonly $nin?: readonly Operand<T>[];
  readonly $exists?: boolean;
  /** A text that begins so. */
  readonly $prefix?: string;
  /** Of an array: an element is this; of a text: this is in it. */
  readonly $contains?: Exclude<Operand<T>, null>;
  /** Of an array: all of these are elements. */
  readonly $all?: readonly Operand<T>[];
  /** An array of so many elements. */
  readonly $size?: number;
  readonly $geoWithin?: GeoWithin;
  readonly $not?: FilterOperators<T>;
}

/** A value, which the field equals, or operators. */
export type FilterCondition<T = unknown> = Operand<T> | FilterOperators<T>;

interface FilterLogic<Metadata extends object> {
  readonly $and?: readonly FilterObject<Metadata>[];
  readonly $or?: readonly FilterObject<Metadata>[];
  readonly $nor?: readonly FilterObject<Metadata>[];
  readonly $not?: FilterObject<Metadata>;
}

/** A filter as an object: members of the metadata by name, members of members by their path (`"author.name"`), and `$and`, `$or`, `$nor`, `$not`. */
export type FilterObject<Metadata extends object = AnyMetadata> = string extends keyof Metadata
  ? { readonly [path: string]: FilterCondition | readonly FilterObject[] | FilterObject }
  : FilterLogic<Metadata> & { readonly [Name in keyof Metadata & string]?: FilterCondition<NonNullable<Metadata[Name]>> } & { readonly [path: `${string}.${string}`]: FilterCondition };

/**
 * Which records: an object, `{ year: { $gte: 2020 }, lang: { $in: ["c", "js"] } }`, or a string, `"year >= 2020 AND lang IN ('c', 'js')"`.
 * docs/QUERIES.md lists the operators and rules.
 */
export type Filter<Metadata extends object = AnyMetadata> = string | FilterObject<Metadata>;

/** Words to find. */
export interface TextQuery<Metadata extends object = AnyMetadata> {
  /**
   * `tea shop` finds records with any of the words, those with more and rarer ones first; `+word` must be there, `-word` must not, `"two words"` is a
   * phrase, `choc*` any word that begins so; `\` before `+ - " *` makes them characters.
   */
  readonly query: string;
  /** Text fields of the schema, or how much a word in each of them counts; all of them when left out. */
  readonly fields?: readonly (keyof Metadata & string | (string & {}))[] | { readonly [field: string]: number };
  /** `"and"`: every word must be there; `"or"` when left out. */
  readonly operator?: "or" | "and";
  /** Words with a typo are found too; `false` when left out. */
  readonly typos?: boolean;
  /** The last word is the beginning of one, as while somebody types. */
  readonly prefix?: boolean;
}

/** A sparse vector to compare with. */
export interface SparseQuery {
  /** The sparse field; may be left out when there is only one. */
  readonly field?: string;
  readonly indices: readonly number[] | Uint32Array;
  readonly values: readonly number[] | Float32Array;
}

/** Several vectors to compare with by MaxSim: the sum, over these vectors, of the greatest similarity that one of the record's has. */
export interface MultiQuery<Metadata extends object = AnyMetadata> {
  /** The multi field; may be left out when there is only one. */
  readonly field?: (keyof Metadata & string) | (string & {});
  /** 1 to 1,024 vectors. */
  readonly vectors: MultiVectors;
  /** How much this leg counts among several; 1 when left out. */
  readonly weight?: number;
}

/** What is counted of one path. Without `values`, `ranges`, `histogram` and `stats`: its values. */
export interface FacetRequest {
  /** The facet's name when left out. */
  readonly path?: string;
  /** Count each value. */
  readonly values?: boolean;
  /** Count half-open ranges of numbers, or of times; they may overlap. */
  readonly ranges?: readonly { readonly from?: number | string | Date | { readonly $date: string }; readonly to?: number | string | Date | { readonly $date: string } }[];
  /** Count by intervals: of numbers (10), or of times (`"month"`, `"15 minutes"`). */
  readonly histogram?: { readonly interval: number | string };
  /** Count, least, greatest, sum and mean of numbers. */
  readonly stats?: boolean;
  /** How many values are given, those of the most records first; 10 when left out. */
  readonly limit?: number;
  /** More different values are an error (`OMEN_ERR_LIMIT`); 65,536 when left out. */
  readonly maxValues?: number;
}

/** One facet of an answer: what was asked for of it. */
export interface Facet {
  /** Those of the most records first. */
  values?: { value: string | number | boolean; count: number }[];
  /** Records in which the path is missing or null. */
  missing: number;
  /** How many different values there are. */
  distinct?: number;
  ranges?: { from?: number | string; to?: number | string; count: number }[];
  /** Buckets that are not empty, ascending. */
  histogram?: { from: number | string; to: number | string; count: number }[];
  /** Values that no bucket holds, where there are any. */
  outside?: number;
  stats?: { count: number; min: number | null; max: number | null; sum: number | null; mean: number | null };
}

/** Facets by name. */
export type Facets = { [name: string]: Facet };

/** A piece of a text with words that were found. */
export interface Fragment {
  text: string;
  /** Where the words are, as `text.slice(from, to)` takes them. With `pre` or `post`, which stand around the words then, there are none. */
  marks?: [from: number, to: number][];
}

/** A search's answer. */
export interface Hit<Metadata extends object = AnyMetadata, Stored extends StoredVector = Float32Array> {
  id: Id;
  /**
   * Larger is better: l2 = 1 / (1 + distance), ip = dot product, cosine = cosine, hamming = 1 - distance / dimensions; of text the BM25 score; of several
   * legs the fused one; of several vectors the sum of the greatest similarities; with `rerank` what that gave.
   */
  score: number;
  /**
   * The metric's own value, smaller is nearer: l2 = Euclidean, ip = -dot product, cosine = 1 - cosine, hamming = differing bits. NaN where no
   * vector was asked for, or the search by vector did not list this record.
   */
  distance: number;
  /** The record's metadata; `{}` when it has none or it was not included. */
  metadata: Metadata;
  /** The vector of the searched field, where it was included. */
  vector?: Stored;
  /** With several legs, or a `rerank` by several vectors: what each gave it, by the name of the field, or `text`; without those that did not list it. */
  scores?: { [leg: string]: number };
  /** With `groupBy`: the value it was grouped by; `null` where there is none. */
  group?: string | number | boolean | null;
  /** With `highlight`: by field, the pieces that show why it was found. */
  highlights?: { [field: string]: Fragment[] };
}

/** The hits of a search, best first, and the facets where they were asked for. */
export type Hits<Metadata extends object = AnyMetadata, Stored extends StoredVector = Float32Array> = Hit<Metadata, Stored>[] & { facets?: Facets };

/** Gives each of the hits a number, larger is better. */
export type Rerank<Metadata extends object = AnyMetadata, Stored extends StoredVector = Float32Array> = (
  hits: readonly Hit<Metadata, Stored>[],
) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** What may be asked of a search. */
export interface SearchOptions<Field extends string = "vector", Metadata extends object = AnyMetadata, Stored extends StoredVector = Float32Array> extends ReadOptions {
  /** The vector to search for. */
  vector?: Vector;
  /** Several vectors to search for, one for each field that is named, instead of `vector`. */
  vectors?: { readonly [Name in Field]?: Vector };
  /** Words to find in the text fields. */
  text?: string | TextQuery<Metadata>;
  sparse?: SparseQuery;
  /** Several vectors, for a field of several vectors a record. Every record that the filter selects is compared. */
  multi?: MultiQuery<Metadata>;
  /**
   * Search for what is like these records, and unlike those, by the vectors of one field. They are left out of the answer. `"average"`, when left out, makes
   * one query vector of them; by `"best"` a record counts by the example that it is nearest to, which follows several interests at once, and compares every record.
   */
  recommend?: { readonly positive: readonly Id[]; readonly negative?: readonly Id[]; readonly field?: Field; readonly strategy?: "average" | "best" };
  /** Only records that this selects. */
  filter?: Filter<Metadata>;
  /** How many hits, 1 to 100,000; 10 when left out. More than there are records is fine. */
  topK?: number;
  /** The vector field to search; may be left out when there is only one. */
  field?: Field;
  /** How several legs become one ranking: by their scores, or by their ranks alone (reciprocal rank fusion). `"weighted"` when left out. */
  fusion?: "weighted" | "rrf";
  /** Weighted: the share of the vectors, 0 to 1; when left out, by how far the best of each leg stand out. */
  alpha?: number;
  /** The weight of each leg: by the name of a vector or sparse field, or `text`; 1 each when left out. */
  weights?: { readonly [leg: string]: number };
  /** Reciprocal rank fusion: k of 1 / (k + rank); 60 when left out. */
  rrfK?: number;
  /** No vectors farther away than this. With a `topK` that is large enough: all within that distance. */
  maxDistance?: number;
  /** No hits with a lower score. */
  minScore?: number;
  /** Hits that differ from each other by their vectors (maximal marginal relevance): `lambda` 1 is relevance alone, 0 difference alone; 0.5 when left out. */
  mmr?: { readonly lambda?: number; readonly candidates?: number };
  /** The `topK` best groups: of each value of this path the best hits, `size` of them (1); `missing: "leave"` leaves records without a value out. */
  groupBy?: string | { readonly path: string; readonly size?: number; readonly missing?: "own" | "leave" };
  /**
   * Instead of vectors or words: the first records that the filter selects, by the value at a path: booleans, then numbers, then strings, or the other way round;
   * records with anything else there, or nothing, come last. Of equal ones the ids decide. Scores are 0.
   */
  orderBy?: string | { readonly path: string; readonly direction?: "asc" | "desc" };
  /** Counts over the records that the filter and the text select, as `facets` of the answer: paths, or by name what is counted. */
  facets?: readonly string[] | { readonly [name: string]: FacetRequest };
  /** Shows where the words were found. */
  highlight?: boolean | { readonly fields?: readonly string[]; readonly length?: number; readonly fragments?: number; readonly pre?: string; readonly post?: string };
  /**
   * Orders the best candidates (4 `topK` when left out) anew: by numbers that a function gives them, a model, a rule (not with `groupBy`), or by several vectors,
   * which leaves out records that have none in that field.
   */
  rerank?:
    | Rerank<Metadata, Stored>
    | { readonly by: Rerank<Metadata, Stored>; readonly candidates?: number }
    | { readonly multi: Omit<MultiQuery<Metadata>, "weight">; readonly candidates?: number };
  /**
   * How segments are searched for vectors, where that can be done: by the index, the records that the filter selects one by one, or all of them. For finding out
   * what is best; `"auto"` when left out.
   */
  plan?: "auto" | "index" | "matches" | "scan";
  /** Gives up after so many milliseconds: `OMEN_ERR_DEADLINE`. */
  deadlineMs?: number;
  /**
   * Share of the true nearest to find, above 0 up to 1; 0.95 when left out. 1 searches exactly. Indexes know from a self-audit made
   * while they were built what effort that takes.
   */
  recall?: number;
  /** Graphs: candidates kept while walking, 1 to 100,000; at least `topK` are. Instead of `recall`. */
  ef?: number;
  /** The same as `ef`. */
  efSearch?: number;
  /** Indexes of kind `"ivf"`: lists to look into, 1 to 65,536. Instead of `recall`. */
  nprobe?: number;
  /** Compare every record. */
  exact?: boolean;
}

/**
 * A search: by vectors, text, a sparse vector, several vectors or examples (its legs), alone or together. With several legs, what each of them found becomes one ranking.
 * Without any, `orderBy` gives the first records of what the filter selects.
 */
export type SearchQuery<Field extends string = "vector", Metadata extends object = AnyMetadata, Stored extends StoredVector = Float32Array> = SearchOptions<Field, Metadata, Stored> &
  ({ vector: Vector } | { vectors: object } | { text: string | TextQuery<Metadata> } | { sparse: SparseQuery } | { multi: MultiQuery<Metadata> } | { recommend: object } | { orderBy: string | object });

/** Which records a count or a deletion is about. */
export interface Where<Metadata extends object = AnyMetadata> extends CallOptions {
  filter: Filter<Metadata>;
}

/** Which records an update is about, and what becomes of their metadata (RFC 7396: `null` removes a key). */
export interface UpdateWhere<Metadata extends object = AnyMetadata> extends Where<Metadata> {
  set: { [Key in keyof Metadata]?: Metadata[Key] | null };
}

/** What was done with one source of records, in memory or a segment. */
export interface ExplainedSource {
  /** `"memory"`, or the segment's file. */
  source: string;
  rows: number;
  deletedRows?: number;
  /** With a filter: how many rows were thought to match, and how many the columns left. */
  estimatedMatches?: number;
  matches?: number;
  /** What answered for it: `"flat"` is every record, `"matches"` those that the filter selects, each compared. */
  index: Exclude<IndexKind, "auto"> | "matches";
  /** Why that one. */
  why: string;
  /** The effort: `ef` of graphs where it was given, else `slack` (how much farther than the k-th nearest a walk goes on); `nprobe` of lists. */
  ef?: number;
  slack?: number;
  nprobe?: number;
  /** What it did: candidates, distances, blocks read, microseconds. */
  [measure: string]: unknown;
}

/** How a filter was answered. */
export interface ExplainedFilter {
  /** How many records were thought to match. */
  estimatedMatches: number;
  /** Blocks of columns that were looked through, and that their statistics decided. */
  columnBlocks: number;
  columnBlocksSkipped: number;
  /** Documents that had to be read. */
  documents: number;
  microseconds: number;
  [measure: string]: unknown;
}

/** One of the rankings that a search is made of: by a vector (with `sources`), by words or a sparse vector (with `terms`), or by several vectors (with `records`, `vectors`). */
export interface ExplainedLeg {
  /** The name of the field, or `text`. */
  leg: string;
  /** Its part of the score, 0 to 1. */
  share?: number;
  sources?: ExplainedSource[];
  terms?: { field: string; term?: string; index?: number; records: number; weight: number }[];
  [measure: string]: unknown;
}

/** How a search was answered. */
export interface Explanation {
  k: number;
  filter?: ExplainedFilter;
  recall: number;
  /** Of a search of one vector and nothing else; others have `legs`. */
  sources: ExplainedSource[];
  /** What a search of several legs, or of words alone, did in each of them. */
  legs?: ExplainedLeg[];
  /** Distances of full vectors, outside indexes. */
  exactDistances: number;
  hits: number;
  microseconds: number;
  [measure: string]: unknown;
}
