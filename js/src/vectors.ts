/** Vectors of every type: what is taken, how it lies in messages (docs/CALLS.md), and how it comes back. */
import { OmenError } from "./errors.js";
import type { CollectionSchema, StoredVector, VectorType } from "./types.js";
import type { PartWriter } from "./wire.js";

/** A vector field of a collection's schema. */
export type Field = CollectionSchema["vectors"][number];

type Rows = Float32Array | Int8Array | Uint8Array;

/** What differs between the types of vectors. */
interface Kind {
  /** The array they come back in, and go in as columns. */
  readonly array: { new (buffer: ArrayBufferLike, offset: number, length: number): Rows; readonly name: string; readonly BYTES_PER_ELEMENT: number };
  /** Dimensions that one element of the array holds. */
  readonly each: number;
  /** What a user may give besides an array of numbers. */
  accepts(vector: unknown): boolean;
  /** The range of the numbers of a plain array; without one, the core judges. */
  readonly range?: readonly [least: number, most: number];
  /** In messages. */
  readonly give: (length: number) => string;
}

const floats: Kind = {
  array: Float32Array,
  each: 1,
  accepts: (vector) => vector instanceof Float32Array || vector instanceof Float64Array,
  give: (length) => `${length} numbers as an array or a Float32Array`,
};

const KINDS: { readonly [Type in VectorType]: Kind } = {
  f32: floats,
  f16: floats,
  i8: {
    array: Int8Array,
    each: 1,
    accepts: (vector) => vector instanceof Int8Array,
    range: [-128, 127],
    give: (length) => `${length} integers as an Int8Array or an array`,
  },
  bit: {
    array: Uint8Array,
    each: 8,
    accepts: (vector) => vector instanceof Uint8Array,
    range: [0, 255],
    give: (length) => `${length * 8} bits as a Uint8Array or an array of ${length} bytes`,
  },
};

/** Elements of a vector of this field, as users hold it. */
export const lengthOf = ({ type, dimensions }: Field): number => dimensions / KINDS[type].each;

/** What the type expects, for messages. */
const wanted = (field: Field): string => KINDS[field.type].give(lengthOf(field));

/** Floats: what is no number would become one unseen; a number that is finite and becomes infinite is told as what it is. NaN and infinity are the core's. */
function checkNumbers(vector: ArrayLike<unknown>, what: () => string): void {
  if (vector instanceof Float32Array) return;
  for (let at = 0; at < vector.length; at++) {
    const value = vector[at];
    if (typeof value !== "number") throw new OmenError("OMEN_ERR_INVALID", `${what()} has ${typeof value === "string" ? JSON.stringify(value).slice(0, 40) : String(value)} at dimension ${at}; give numbers`);
    if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw new OmenError("OMEN_ERR_NOT_FINITE", `${what()} has ${value} at dimension ${at}, which is too large for a 32-bit float; scale the vectors`);
  }
}

/**
 * Refuses a vector that does not fit its field. `what` begins the message: `"title" of record 7`.
 * @throws OmenError `OMEN_ERR_INVALID`, `OMEN_ERR_DIMENSION`
 */
export function checkVector(vector: unknown, field: Field, what: () => string, collection: string): asserts vector is ArrayLike<number> {
  const kind = KINDS[field.type];
  const plain = Array.isArray(vector);
  if (!plain && !kind.accepts(vector)) {
    const is = vector === undefined ? "missing" : vector === null ? "null" : ArrayBuffer.isView(vector) ? `a ${vector.constructor.name}` : `of type ${typeof vector}`;
    throw new OmenError("OMEN_ERR_INVALID", `${what()} is ${is}; give ${wanted(field)}`);
  }
  const { length } = vector as ArrayLike<number>;
  if (length !== lengthOf(field)) {
    const has = kind.each === 1 ? `${length} ${length === 1 ? "dimension" : "dimensions"}` : `${length} bytes (${length * kind.each} dimensions)`;
    throw new OmenError("OMEN_ERR_DIMENSION", `${what()} has ${has}, collection "${collection}" has ${field.dimensions}`);
  }
  if (kind.range === undefined) return checkNumbers(vector as ArrayLike<unknown>, what);
  if (!plain) return;
  const [least, most] = kind.range;
  const at = vector.findIndex((value: unknown) => !Number.isInteger(value) || (value as number) < least || (value as number) > most);
  if (at >= 0) {
    const value = String(vector[at]).slice(0, 40);
    throw new OmenError("OMEN_ERR_INVALID", `${what()} is ${value} at ${kind.each === 1 ? "dimension" : "byte"} ${at}; type "${field.type}" takes integers from ${least} to ${most}`);
  }
}

/** The vectors of `count` records as one part, rows one after the other. They have been checked. */
export function vectorRows(count: number, field: Field, at: (i: number) => ArrayLike<number>): PartWriter {
  const { array } = KINDS[field.type];
  const length = lengthOf(field);
  return {
    byteLength: count * length * array.BYTES_PER_ELEMENT,
    write(buffer, offset) {
      const rows = new array(buffer, offset, count * length);
      for (let i = 0; i < count; i++) rows.set(at(i), i * length);
    },
  };
}

/**
 * Many vectors back to back, as columns have them.
 * @throws OmenError `OMEN_ERR_INVALID`, `OMEN_ERR_DIMENSION`
 */
export function checkRows(rows: unknown, count: number, field: Field, collection: string): asserts rows is Rows {
  const kind = KINDS[field.type];
  const length = lengthOf(field);
  const isRows = rows instanceof kind.array;
  if (!isRows) {
    const is = rows === undefined ? "missing" : ArrayBuffer.isView(rows) ? `a ${rows.constructor.name}` : `of type ${typeof rows}`;
    throw new OmenError("OMEN_ERR_INVALID", `the vectors of field "${field.name}" are ${is}; give a ${kind.array.name} of ${count} x ${length}`);
  }
  if ((rows as Rows).length !== count * length) {
    const unit = kind.each === 1 ? "numbers" : "bytes";
    throw new OmenError("OMEN_ERR_DIMENSION", `"${field.name}" holds ${(rows as Rows).length} ${unit}; ${count} records of collection "${collection}" have ${count} x ${length}`);
  }
}

/** Row `i` of a part of an answer, a copy. */
export function rowOf(part: Uint8Array, field: Field, i: number): StoredVector {
  const { array } = KINDS[field.type];
  const length = lengthOf(field);
  const start = part.byteOffset + i * length * array.BYTES_PER_ELEMENT;
  return new array(part.buffer, start, length).slice() as StoredVector;
}

/** Whether the name is that of a type of vectors. */
export const isVectorType = (name: unknown): name is VectorType => typeof name === "string" && Object.hasOwn(KINDS, name);

/** A query's vector as a part. */
export function queryPart(vector: unknown, field: Field, collection: string): PartWriter {
  checkVector(vector, field, () => "the query's vector", collection);
  return vectorRows(1, field, () => vector);
}
