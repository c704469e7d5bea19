/** Batches of records, as users give them, into the parts of a `write` request. What only C can judge is left to C. */
import { encodeIds, encodeTexts, printId } from "./columns.js";
import { OmenError } from "./errors.js";
import type { CollectionSchema, Id, InputColumns, StoredVector } from "./types.js";
import { checkRows, checkVector, vectorRows, type Field } from "./vectors.js";
import type { Part } from "./wire.js";

/** Answers the arguments and parts of a `write`. */
export interface Batch {
  count: number;
  /** Indexes of the vector fields that are given. */
  fields: number[];
  parts: Part[];
}

type AnyRecord = { id: Id } & { [key: string]: unknown };

function stringify(document: object, id: () => unknown): string {
  try {
    return JSON.stringify(document);
  } catch (error) {
    throw new OmenError("OMEN_ERR_JSON", `the metadata of record ${printId(id())} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** The metadata of a record: what is neither its id nor one of the collection's vectors. */
function splitter(fields: readonly Field[]): (record: AnyRecord) => { [key: string]: unknown } {
  if (fields.length === 0) return ({ id: _, ...rest }) => rest;
  if (fields.length === 1) {
    const [{ name }] = fields as [Field];
    return ({ id: _, [name]: _vector, ...rest }) => rest;
  }
  const names = new Set(["id", ...fields.map(({ name }) => name)]);
  return (record) => Object.fromEntries(Object.entries(record).filter(([key]) => !names.has(key)));
}

/** The metadata with arrays of numbers where fields of several vectors have typed arrays, which JSON has not; what is wrong is left for the core to say. */
function plainMulti(metadata: object, path: readonly string[]): object {
  const [name, ...rest] = path as [string, ...string[]];
  const value = (metadata as { [name: string]: unknown })[name];
  if (typeof value !== "object" || value === null) return metadata;
  if (rest.length > 0) return Array.isArray(value) ? metadata : { ...metadata, [name]: plainMulti(value, rest) };
  if (!Array.isArray(value) || !value.some(ArrayBuffer.isView)) return metadata;
  return { ...metadata, [name]: value.map((vector: unknown) => (ArrayBuffer.isView(vector) ? Array.from(vector as Float32Array) : vector)) };
}

function texter(schema: CollectionSchema): (metadata: object, id: () => unknown) => string {
  const paths = (schema.multi ?? []).map(({ name }) => name.split("."));
  return (metadata, id) => stringify(paths.reduce(plainMulti, metadata), id);
}

const isEmpty = (object: object): boolean => {
  for (const key in object) if (Object.hasOwn(object, key)) return false;
  return true;
};

/** Records, each an object. `partial`: vectors may be left out, by all records alike (update). */
export function recordsBatch(records: readonly AnyRecord[], schema: CollectionSchema, collection: string, partial: boolean): Batch {
  records.forEach((record: unknown, i) => {
    if (typeof record !== "object" || record === null) throw new OmenError("OMEN_ERR_INVALID", `record ${i} is ${record === null ? "null" : `of type ${typeof record}`}; give an object with an id`);
  });
  const ids = encodeIds(records.length, (i) => records[i]!.id);
  const fields: number[] = [];
  const vectors: Part[] = [];
  schema.vectors.forEach((field, index) => {
    const { name } = field;
    if (partial) {
      const given = records.reduce((sum, record) => sum + (record[name] === undefined ? 0 : 1), 0);
      if (given === 0 && records.length > 0) return;
      if (given < records.length) {
        throw new OmenError("OMEN_ERR_INVALID", `only ${given} of ${records.length} records give "${name}"; in one update give it for all of them or for none`);
      }
    }
    for (const record of records) checkVector(record[name], field, () => `vector "${name}" of record ${printId(record.id)}`, collection);
    fields.push(index);
    vectors.push(vectorRows(records.length, field, (i) => records[i]![name] as ArrayLike<number>));
  });
  const metadataOf = splitter(schema.vectors);
  const textOf = texter(schema);
  const texts = records.map((record) => {
    const metadata = metadataOf(record);
    return isEmpty(metadata) ? "" : textOf(metadata, () => record.id);
  });
  return { count: records.length, fields, parts: [...ids, ...encodeTexts(texts), ...vectors] };
}

/** Columns: the flat form. */
export function columnsBatch(columns: InputColumns<object, string>, schema: CollectionSchema, collection: string, partial: boolean): Batch {
  const { ids, vectors, documents } = columns;
  const given = Object.keys(columns).find((key) => !["ids", "vectors", "documents"].includes(key));
  if (given !== undefined) throw new OmenError("OMEN_ERR_INVALID", `columns have no "${given}"; there are ids, vectors and documents`);
  const count = ids?.length;
  if (typeof count !== "number") throw new OmenError("OMEN_ERR_INVALID", "ids must be an array of ids");
  const parts: Part[] = encodeIds(count, (i) => ids[i]!);
  if (documents !== undefined && (!Array.isArray(documents) || documents.length !== count)) {
    throw new OmenError("OMEN_ERR_INVALID", `there are ${count} ids and ${documents.length} documents; give one for each id, or none at all`);
  }
  const texts = new Array<string>(count).fill("");
  const textOf = texter(schema);
  documents?.forEach((document, i) => {
    if (typeof document === "string") texts[i] = document;
    else if (document !== undefined && document !== null) texts[i] = textOf(document, () => ids[i]);
  });
  parts.push(...encodeTexts(texts));
  const one = ArrayBuffer.isView(vectors);
  const byName = one ? undefined : (vectors as { readonly [name: string]: StoredVector | undefined } | undefined);
  if (one && schema.vectors.length !== 1) {
    throw new OmenError("OMEN_ERR_INVALID", `collection "${collection}" has ${schema.vectors.length} vector fields; give vectors as { field: array }`);
  }
  const unknown = Object.keys(byName ?? {}).find((name) => !schema.vectors.some((field) => field.name === name));
  if (unknown !== undefined) throw new OmenError("OMEN_ERR_INVALID", `collection "${collection}" has no vector field "${unknown}"`);
  const fields: number[] = [];
  schema.vectors.forEach((field, index) => {
    const rows = byName === undefined ? vectors : byName[field.name];
    if (rows === undefined && partial) return;
    checkRows(rows, count, field, collection);
    fields.push(index);
    parts.push(rows);
  });
  return { count, fields, parts };
}
