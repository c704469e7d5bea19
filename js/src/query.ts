/** Queries, as users give them, into requests (docs/QUERIES.md, docs/CALLS.md). What only C can judge is left to C. */
import { printId } from "./columns.js";
import { OmenError } from "./errors.js";
import type { SearchOptions } from "./queries.js";
import type { CollectionSchema, Include } from "./types.js";
import { checkVector, queryPart, vectorRows, type Field } from "./vectors.js";
import type { Part } from "./wire.js";

const invalid = (message: string): OmenError => new OmenError("OMEN_ERR_INVALID", message);

/** What a search of one vector may have besides: such a query takes the short way. */
const PLAIN = new Set(["vector", "topK", "field", "include", "signal", "recall", "ef", "efSearch", "nprobe", "exact"]);
/** Members that go into the request as they are. */
const PASSED = ["text", "fusion", "alpha", "weights", "rrfK", "maxDistance", "minScore", "mmr", "groupBy", "orderBy", "highlight", "plan", "deadlineMs"] as const;
const MORE = new Set<string>(["vectors", "sparse", "multi", "recommend", "filter", "facets", "rerank", ...PASSED]);

/** A query as it comes: nothing of it has been checked. */
type Given = { readonly [Name in keyof SearchOptions]?: unknown };

const MOST_HITS = 100_000;
const DEEPEST = 200;

/** Refuses what a call does not know, so that a misspelt or future option is not silently without effect. */
export function checkOptions(what: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) throw invalid(`${what}: the options must be an object`);
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name) || value === undefined) continue;
    throw invalid(`${what}: there is no option "${name}"; there are ${known.join(", ")}`);
  }
}

/**
 * Whether a query is of one vector and asks for nothing but the nearest; refuses options that are none.
 * @throws OmenError `OMEN_ERR_INVALID`
 */
export function isPlain(what: string, query: object | undefined): boolean {
  if (typeof query !== "object" || query === null) throw invalid(`${what}: the query must be an object: { vector, topK }`);
  let plain = true;
  for (const name in query) {
    if (PLAIN.has(name) || (query as { [name: string]: unknown })[name] === undefined) continue;
    if (!MORE.has(name)) throw invalid(`${what}: there is no option "${name}"; there are ${[...PLAIN, ...MORE].join(", ")}`);
    plain = false;
  }
  return plain;
}

/** The names of the protocol for what answers hold. */
export function includes(include: Include = ["metadata"]): string[] {
  if (!Array.isArray(include)) throw invalid('include must be an array of "metadata" and "vector"');
  return include.map((name: string) => {
    if (name !== "metadata" && name !== "vector") throw invalid(`include names "${name}"; there are "metadata" and "vector"`);
    return name === "metadata" ? "document" : "vector";
  });
}

/** The effort of a search, as requests have it. */
export function effort({ recall, ef, efSearch, nprobe, exact }: Given): { [name: string]: unknown } {
  const integer = (name: string, value: unknown, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most)) return;
    throw invalid(`${name} is ${String(value)}; it must be an integer from 1 to ${most.toLocaleString("en")}`);
  };
  if (recall !== undefined && !(typeof recall === "number" && recall > 0 && recall <= 1)) {
    throw invalid(`recall is ${String(recall)}; it must be a number above 0, at most 1: the share of the nearest to find`);
  }
  integer("ef", ef, 100_000);
  integer("efSearch", efSearch, 100_000);
  integer("nprobe", nprobe, 65_536);
  if (ef !== undefined && efSearch !== undefined && ef !== efSearch) throw invalid(`ef is ${String(ef)} and efSearch ${String(efSearch)}; they are one setting, give either`);
  if (exact !== undefined && typeof exact !== "boolean") throw invalid(`exact is ${String(exact)}; it must be true or false`);
  if (exact === true && (ef ?? efSearch ?? nprobe) !== undefined) throw invalid("exact: true compares every record, so it takes neither ef nor nprobe; leave one of the two out");
  return { recall, ef: ef ?? efSearch, nprobe, exact };
}

/** `topK`, or what it is when left out. */
export function checkTopK(topK: unknown = 10): number {
  if (!Number.isInteger(topK) || (topK as number) < 1 || (topK as number) > MOST_HITS) throw invalid(`topK is ${String(topK)}; it must be an integer from 1 to 100,000`);
  return topK as number;
}

/** The vector field of this name, or the default one. */
export function fieldOf(schema: CollectionSchema, collection: string, field: unknown): Field {
  const { vectors } = schema;
  const found = field === undefined ? defaultField(schema) : vectors.find(({ name }) => name === field);
  if (found !== undefined) return found;
  const names = vectors.map(({ name }) => `"${name}"`).join(", ");
  throw invalid(`collection "${collection}" has ${field === undefined ? "no single vector field" : `no vector field "${String(field)}"`}; ${names === "" ? "it has none" : `field must be one of ${names}`}`);
}

const defaultField = ({ vectors }: CollectionSchema): Field | undefined => vectors.find(({ name }) => name === "vector") ?? (vectors.length === 1 ? vectors[0] : undefined);

/**
 * A part of a query with what JSON does not have: dates become instants; what would be lost on the way (`undefined`, NaN, functions, maps) is refused:
 * a filter without its condition would select everything.
 */
function toJson(value: unknown, path: string, depth = 0): unknown {
  if (depth > DEEPEST) throw invalid(`${path.slice(0, 60)}… is nested too deep`);
  switch (typeof value) {
    case "string":
    case "boolean":
    case "bigint":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw invalid(`${path} is ${value}; give a finite number`);
    case "object": {
      if (value === null) return value;
      if (Array.isArray(value)) return value.map((one, i) => toJson(one, `${path}[${i}]`, depth + 1));
      if (value instanceof Date) {
        if (Number.isNaN(value.getTime())) throw invalid(`${path} is an invalid Date`);
        return { $date: value.toISOString() };
      }
      if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as unknown as ArrayLike<number>, (one, i) => toJson(one, `${path}[${i}]`, depth + 1));
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw invalid(`${path} is a ${value.constructor.name}; give an object, an array, a Date or a plain value`);
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, toJson(one, `${path}.${name}`, depth + 1)]));
    }
    default:
      throw invalid(`${path} is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}; leave it out, or give a value`);
  }
}

/** A filter as requests have it. */
export function filterRequest(filter: unknown): unknown {
  if (typeof filter === "string") {
    if (filter.trim() !== "") return filter;
    throw invalid("filter is empty; leave it out to take every record");
  }
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) {
    throw invalid(`filter is ${filter === null ? "null" : Array.isArray(filter) ? "an array" : `of type ${typeof filter}`}; give an object, { year: { $gte: 2020 } }, or a string, "year >= 2020"`);
  }
  return toJson(filter, "filter");
}

/** The filter of a write, where one that says nothing is more likely a mistake than a wish. */
export function filterOfWrite(what: string, filter: unknown): unknown {
  const request = filterRequest(filter);
  if (typeof request !== "object" || Object.keys(request as object).length > 0) return request;
  throw invalid(`${what}: filter {} selects every record; where that is meant, write "TRUE"`);
}

/** A search as a request. */
export interface Planned {
  request: { [member: string]: unknown };
  parts: Part[];
  /** The field whose vectors the answer may hold. */
  searched: Field | undefined;
}

/**
 * A query of any kind as a request.
 * @param k how many hits to ask the core for
 * @throws OmenError `OMEN_ERR_INVALID`, `OMEN_ERR_DIMENSION`
 */
export function planQuery(query: Given, k: number, schema: CollectionSchema, collection: string): Planned {
  const { vector, vectors, sparse, multi, recommend, filter, facets, field, include } = query;
  const request: { [member: string]: unknown } = { k, include: includes(include as Include | undefined), ...effort(query) };
  const parts: Part[] = [];
  let searched: Field | undefined;
  if (vectors !== undefined) {
    if (vector !== undefined || field !== undefined) throw invalid("give either vectors, by field, or vector and field");
    if (typeof vectors !== "object" || vectors === null || Array.isArray(vectors)) throw invalid("vectors must be an object: a vector by each field's name");
    const legs: { field: string }[] = [];
    for (const [name, given] of Object.entries(vectors)) {
      if (given === undefined) continue;
      const leg = fieldOf(schema, collection, name);
      checkVector(given, leg, () => `the query's vector for "${name}"`, collection);
      searched ??= leg;
      legs.push({ field: name });
      parts.push(vectorRows(1, leg, () => given as ArrayLike<number>));
    }
    if (legs.length === 0) throw invalid("vectors names no field; give a vector for one at least");
    request["vectors"] = legs;
  } else if (vector !== undefined) {
    searched = fieldOf(schema, collection, field);
    request["field"] = searched.name;
    parts.push(queryPart(vector, searched, collection));
  } else if (query.text === undefined && sparse === undefined && multi === undefined && recommend === undefined && query.orderBy === undefined) {
    searched = fieldOf(schema, collection, field);
    checkVector(vector, searched, () => "the query's vector", collection);
  } else if (recommend === undefined && field !== undefined) {
    throw invalid("field says where the query's vector is searched for; give one, or leave it out");
  }
  for (const name of PASSED) if (query[name] !== undefined) request[name] = toJson(query[name], name);
  if (sparse !== undefined) request["sparse"] = toJson(sparse, "sparse");
  if (multi !== undefined) request["multi"] = multiRequest("multi", multi, ["field", "vectors", "weight"]);
  const rerank = multiReranking(query.rerank);
  if (rerank !== undefined) request["rerank"] = { ...rerank, multi: multiRequest("multi of rerank", rerank.multi, ["field", "vectors"]) };
  if (recommend !== undefined) {
    const like = recommendRequest(recommend, vector === undefined ? field : undefined);
    const { name } = fieldOf(schema, collection, like["field"]);
    request["recommend"] = { ...like, field: name };
    searched ??= fieldOf(schema, collection, name);
  }
  searched ??= defaultField(schema) ?? schema.vectors[0];
  if (filter !== undefined) request["filter"] = filterRequest(filter);
  if (facets !== undefined) request["facets"] = toJson(facets, "facets");
  return { request, parts, searched };
}

/** Several vectors as a request has them; whether they fit the field is the core's to say. */
function multiRequest(what: string, given: unknown, known: readonly string[]): { [name: string]: unknown } {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw invalid(`${what} must be an object: { field: "tokens", vectors: [[0.1, 0.2], [0.3, 0.4]] }`);
  checkOptions(what, given, known);
  const { vectors, ...rest } = given as { vectors?: unknown };
  if (!Array.isArray(vectors)) throw invalid(`vectors of ${what} must be an array of vectors: [[0.1, 0.2], [0.3, 0.4]]`);
  const rows = vectors.map((vector: unknown, i) => {
    if (!Array.isArray(vector) && !(ArrayBuffer.isView(vector) && !(vector instanceof DataView))) throw invalid(`vectors of ${what}: vector ${i} is no array of numbers`);
    const numbers = Array.from(vector as ArrayLike<unknown>);
    const bad = numbers.findIndex((number) => typeof number !== "number" || !Number.isFinite(number));
    if (bad >= 0) throw new OmenError("OMEN_ERR_NOT_FINITE", `vectors of ${what}: vector ${i} has ${String(numbers[bad])} at dimension ${bad}; give finite numbers`);
    return numbers;
  });
  return { ...(toJson(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)), what) as object), vectors: rows };
}

/** `rerank` of a query where it is by several vectors: the core does it. */
function multiReranking(rerank: unknown): { multi: unknown; candidates?: unknown } | undefined {
  if (typeof rerank !== "object" || rerank === null || !("multi" in rerank)) return undefined;
  checkOptions("rerank by several vectors", rerank, ["multi", "candidates"]);
  const { multi, candidates } = rerank as { multi: unknown; candidates?: unknown };
  return { multi, ...(candidates === undefined ? {} : { candidates: toJson(candidates, "candidates of rerank") }) };
}

function recommendRequest(recommend: unknown, field: unknown): { [name: string]: unknown } {
  if (typeof recommend !== "object" || recommend === null || Array.isArray(recommend)) throw invalid("recommend must be an object: { positive: [ids], negative: [ids] }");
  for (const [name, ids] of Object.entries(recommend)) {
    if ((name !== "positive" && name !== "negative") || ids === undefined) continue;
    if (!Array.isArray(ids)) throw invalid(`${name} of recommend must be an array of ids`);
    for (const id of ids as unknown[]) {
      if (typeof id === "string" || Number.isSafeInteger(id) || (typeof id === "bigint" && BigInt.asIntN(64, id) === id)) continue;
      throw new OmenError("OMEN_ERR_ID", `${name} of recommend holds ${printId(id)}; ids are strings, safe integers, or bigints of 64 bits`);
    }
  }
  const given = Object.fromEntries(Object.entries(recommend).filter(([, value]) => value !== undefined));
  return { ...(field === undefined ? {} : { field }), ...(toJson(given, "recommend") as object) };
}

/** How a query's candidates are ordered anew. */
export interface Reranking<Hit> {
  by: (hits: readonly Hit[]) => ArrayLike<number> | Promise<ArrayLike<number>>;
  candidates: number;
}

/** `rerank` of a query where it is by a function. */
export function rerankOf<Hit>({ rerank, groupBy }: Given, topK: number): Reranking<Hit> | undefined {
  if (rerank === undefined || multiReranking(rerank) !== undefined) return undefined;
  if (groupBy !== undefined) throw invalid("rerank and groupBy do not go together: groups would no longer be of the best; leave one out");
  const given = typeof rerank === "function" ? { by: rerank } : rerank;
  if (typeof given !== "object" || given === null) throw invalid("rerank must be a function of the hits, or an object: { by, candidates } or { multi, candidates }");
  checkOptions("rerank", given, ["by", "candidates"]);
  const { by, candidates = Math.min(4 * topK, MOST_HITS) } = given as { by?: unknown; candidates?: unknown };
  if (typeof by !== "function") throw invalid("by of rerank must be a function: it gets the hits and answers a number for each, larger is better");
  if (!Number.isInteger(candidates) || (candidates as number) < topK || (candidates as number) > MOST_HITS) {
    throw invalid(`candidates of rerank is ${String(candidates)}; it must be an integer from topK (${topK}) to 100,000`);
  }
  return { by: by as Reranking<Hit>["by"], candidates: candidates as number };
}

/**
 * Hits by the numbers that a function gives them, largest first; of equal ones the one that was before stays before.
 * @throws OmenError `OMEN_ERR_INVALID`, and what the function throws
 */
export async function reranked<Hit extends { score: number }>(hits: Hit[], topK: number, { by }: Reranking<Hit>): Promise<Hit[]> {
  if (hits.length === 0) return hits;
  const numbers: unknown = await by(hits);
  const { length } = (numbers ?? {}) as { length?: unknown };
  if (length !== hits.length) throw invalid(`rerank answered ${typeof length === "number" ? `${length} numbers` : "no array"} for ${hits.length} hits; it must answer one number for each`);
  const scored = hits.map((hit, i) => {
    const score = (numbers as ArrayLike<unknown>)[i];
    if (typeof score !== "number" || Number.isNaN(score)) throw invalid(`rerank answered ${String(score)} for hit ${i}; give a number`);
    return { hit, score };
  });
  scored.sort((a, b) => (a.score === b.score ? 0 : b.score > a.score ? 1 : -1));
  return scored.slice(0, topK).map(({ hit, score }) => {
    hit.score = score;
    return hit;
  });
}
