/** Schemas and the parameters of indexes: as users give them, as requests carry them, and as answers tell them. */
import { OmenError } from "./errors.js";
import type { CollectionSchema, IndexOptions, IndexParameters, Metric, Schema, TextField } from "./types.js";
import { isVectorType } from "./vectors.js";

const invalid = (message: string): OmenError => new OmenError("OMEN_ERR_INVALID", message);

const INDEX_KINDS = ["auto", "flat", "hnsw", "ivf", "disk"];
const CODECS = ["auto", "sq8", "rabitq", "pq"];
const METRICS = ["l2", "ip", "cosine", "hamming"];
const NUMBERS: { readonly [name: string]: readonly [least: number, most: number, of: readonly string[]] } = {
  m: [4, 128, ["hnsw", "disk"]],
  efConstruction: [8, 2000, ["hnsw", "disk"]],
  lists: [1, 65_536, ["ivf"]],
  bits: [1, 8, ["ivf"]],
};

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/**
 * The parameters of an index as requests have them.
 * @throws OmenError `OMEN_ERR_INVALID` with the range
 */
export function indexRequest(index: unknown, field: string): IndexParameters {
  const given: unknown = typeof index === "string" ? { kind: index } : index;
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw invalid(`index of vector field "${field}" must be one of ${quoted(INDEX_KINDS)}, or an object: { kind, … }`);
  const { kind = "auto", codec } = given as { kind?: unknown; codec?: unknown };
  if (!INDEX_KINDS.includes(kind as string)) throw invalid(`index of vector field "${field}": kind is ${String(kind)}; it must be one of ${quoted(INDEX_KINDS)}`);
  const request: { [name: string]: unknown } = { kind };
  for (const [name, value] of Object.entries(given)) {
    if (name === "kind" || value === undefined) continue;
    if (name === "codec") {
      if (!CODECS.includes(value as string)) throw invalid(`index of vector field "${field}": codec is ${String(value)}; it must be one of ${quoted(CODECS)}`);
      if (kind !== "ivf" && value !== "auto") throw invalid(`index of vector field "${field}": codec is of kind "ivf", not of "${String(kind)}"`);
    } else {
      const number = Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
      if (number === undefined) throw invalid(`index of vector field "${field}" has no "${name}"; there are kind, codec, ${Object.keys(NUMBERS).join(", ")}`);
      const [least, most, of] = number;
      if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
        throw invalid(`index of vector field "${field}": ${name} is ${shown(value)}; it must be an integer from ${least} to ${most.toLocaleString("en")}`);
      }
      if (!of.includes(kind as string)) throw invalid(`index of vector field "${field}": ${name} is of kind ${of.map((one) => `"${one}"`).join(" and ")}, not of "${String(kind)}"`);
      if (name === "bits" && codec !== "rabitq") throw invalid(`index of vector field "${field}": bits is of codec "rabitq"; name it too`);
    }
    request[name] = value;
  }
  return request as unknown as IndexParameters;
}

/** As requests have it: names of the protocol (docs/CALLS.md). */
interface SchemaRequest {
  vectors: { name: string; dimensions: number; metric: Metric; element: string; index?: IndexParameters }[];
  text: (string | TextField)[];
  sparse?: string[];
  multi?: { name: string; dimensions: number; metric: "cosine" | "ip"; element: "f32" | "f16" }[];
  ttl?: string;
}

const LEAST_WEIGHT = 0.000001;
const MOST_WEIGHT = 1_000_000;
const TEXT_OPTIONS = ["name", "language", "weight", "stopWords", "accents"];

/** A text field as requests have it; the core knows the languages. */
function textRequest(field: unknown): string | TextField {
  if (typeof field === "string") return field;
  if (typeof field !== "object" || field === null || Array.isArray(field)) throw invalid('text must be an array of field names, or of objects: { name: "title", … }');
  const { name, language, weight, stopWords, accents } = field as { [option: string]: unknown };
  if (typeof name !== "string") throw invalid("name of a text field must be a string");
  const other = Object.keys(field).find((key) => !TEXT_OPTIONS.includes(key));
  if (other !== undefined) throw invalid(`text field "${name}" has no option "${other}"; there are ${TEXT_OPTIONS.join(", ")}`);
  if (language !== undefined && typeof language !== "string") throw invalid(`language of text field "${name}" is ${String(language)}; it must be a code such as "en" or "de", or "none"`);
  if (weight !== undefined && !(typeof weight === "number" && weight >= LEAST_WEIGHT && weight <= MOST_WEIGHT)) {
    throw invalid(`weight of text field "${name}" is ${shown(weight)}; it must be a number from ${LEAST_WEIGHT} to ${MOST_WEIGHT.toLocaleString("en")}`);
  }
  if (stopWords !== undefined && stopWords !== "keep" && stopWords !== "drop") throw invalid(`stopWords of text field "${name}" is ${String(stopWords)}; it must be "keep" or "drop"`);
  if (accents !== undefined && accents !== "fold" && accents !== "keep") throw invalid(`accents of text field "${name}" is ${String(accents)}; it must be "fold" or "keep"`);
  return { ...(field as TextField) };
}

/** A value in a message: strings in quotes, so that "4" is not taken for 4. */
const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));

const FIELD_OPTIONS = ["dimensions", "metric", "type", "index"];

function fieldRequest(name: string, field: unknown): SchemaRequest["vectors"][number] {
  const other = Object.keys(field ?? {}).find((key) => !FIELD_OPTIONS.includes(key));
  if (other !== undefined) throw invalid(`vector field "${name}" has no option "${other}"; there are dimensions, metric, type and index`);
  const { dimensions, type = "f32", metric = type === "bit" ? "hamming" : "cosine", index } = (field ?? {}) as { dimensions?: unknown; metric?: unknown; type?: unknown; index?: IndexOptions };
  if (typeof dimensions !== "number" || !Number.isInteger(dimensions) || dimensions < 1 || dimensions > 65_535) {
    throw invalid(`dimensions of vector field "${name}" is ${shown(dimensions)}; it must be an integer from 1 to 65,535`);
  }
  if (!isVectorType(type)) throw invalid(`type of vector field "${name}" is ${String(type)}; it must be "f32", "f16", "i8" or "bit"`);
  if (!METRICS.includes(metric as string)) throw invalid(`metric of vector field "${name}" is ${String(metric)}; it must be "l2", "ip", "cosine" or "hamming"`);
  if ((metric === "hamming") !== (type === "bit")) throw invalid(`vector field "${name}" has type "${type}" and metric "${String(metric)}"; bits are compared by "hamming", and only bits`);
  if (type === "bit" && dimensions % 8 !== 0) throw invalid(`dimensions of vector field "${name}" is ${dimensions}; bits come in bytes, so it must be a multiple of 8`);
  if (name === "id") throw new OmenError("OMEN_ERR_NAME", 'a vector field cannot be named "id": records have their id there');
  return { name, dimensions, metric: metric as Metric, element: type, ...(index === undefined ? {} : { index: indexRequest(index, name) }) };
}

function multiRequest(name: string, field: unknown): NonNullable<SchemaRequest["multi"]>[number] {
  if (typeof field !== "object" || field === null || Array.isArray(field)) throw invalid(`multi field "${name}" must be an object: { dimensions: 128 }`);
  const other = Object.keys(field).find((key) => !["dimensions", "metric", "type"].includes(key));
  if (other !== undefined) throw invalid(`multi field "${name}" has no option "${other}"; there are dimensions, metric and type`);
  const { dimensions, metric = "cosine", type = "f32" } = field as { dimensions?: unknown; metric?: unknown; type?: unknown };
  if (typeof dimensions !== "number" || !Number.isInteger(dimensions) || dimensions < 1 || dimensions > 65_535) {
    throw invalid(`dimensions of multi field "${name}" is ${shown(dimensions)}; it must be an integer from 1 to 65,535`);
  }
  if (metric !== "cosine" && metric !== "ip") throw invalid(`metric of multi field "${name}" is ${String(metric)}; it must be "cosine" or "ip"`);
  if (type !== "f32" && type !== "f16") throw invalid(`type of multi field "${name}" is ${String(type)}; it must be "f32" or "f16"`);
  return { name, dimensions, metric, element: type };
}

/** A schema as the protocol has it. */
export function schemaRequest(schema: Schema): SchemaRequest {
  if (typeof schema !== "object" || schema === null) throw invalid("a schema is an object: { vector: { dimensions, metric } }");
  const unknown = Object.keys(schema).find((key) => !["vector", "vectors", "text", "sparse", "multi", "ttl"].includes(key));
  if (unknown !== undefined) throw invalid(`a schema has no "${unknown}"; there are vector, vectors, text, sparse, multi and ttl`);
  const { vector, vectors = {}, text = [], sparse = [], multi = {}, ttl } = schema;
  if (vector !== undefined && Object.hasOwn(vectors, "vector")) throw invalid('a schema gives either "vector", or "vector" among "vectors"');
  if (!Array.isArray(text)) throw invalid("text must be an array of field names");
  if (!Array.isArray(sparse) || sparse.some((name) => typeof name !== "string")) throw invalid("sparse must be an array of field names");
  if (typeof multi !== "object" || multi === null || Array.isArray(multi)) throw invalid("multi must be an object: a field by each name, { tokens: { dimensions: 128 } }");
  if (ttl !== undefined && (typeof ttl !== "string" || ttl === "")) throw invalid('ttl must be the path of a time in the metadata, such as "expires"');
  const fields = Object.entries({ ...(vector === undefined ? {} : { vector }), ...vectors });
  const multis = Object.entries(multi).map(([name, field]) => multiRequest(name, field));
  return {
    vectors: fields.map(([name, field]) => fieldRequest(name, field)),
    text: text.map(textRequest),
    ...(sparse.length === 0 ? {} : { sparse: [...(sparse as string[])] }),
    ...(multis.length === 0 ? {} : { multi: multis }),
    ...(ttl === undefined ? {} : { ttl }),
  };
}

/** The schema of an answer: the default field's name may be given as "". */
export function schemaAnswer(json: unknown): CollectionSchema {
  const { vectors = [], text = [], sparse, multi, ttl } = (json ?? {}) as Partial<SchemaRequest>;
  return {
    vectors: vectors.map(({ name, dimensions, metric, element, index }) => ({
      name: name === "" ? "vector" : name,
      dimensions,
      metric,
      type: isVectorType(element) ? element : "f32",
      index: index ?? { kind: "auto" },
    })),
    text,
    ...(sparse === undefined ? {} : { sparse }),
    ...(multi === undefined ? {} : { multi: multi.map(({ name, dimensions, metric, element }) => ({ name, dimensions, metric, type: element })) }),
    ...(ttl === undefined ? {} : { ttl }),
  };
}
