/** The answers of searches, out of the parts of a response (docs/CALLS.md). */
import { asFloats, asOffsets, decodeId, decodeTexts } from "./columns.js";
import type { Facets, Fragment, Hit, Hits } from "./queries.js";
import type { StoredVector } from "./types.js";
import { rowOf, type Field } from "./vectors.js";
import type { Message } from "./wire.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function parseDocument(text: string | undefined): object {
  return text === undefined ? {} : (JSON.parse(text) as object);
}

/** What the parts hold that every search has. */
export function decodeHits<Metadata extends object, Stored extends StoredVector>({ json, parts }: Message, searched: Field | undefined): Hit<Metadata, Stored>[] {
  const [idOffsets, ids, distances, scores, documentOffsets, documents, rows] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const count = Number(json["count"]);
  const at = asOffsets(idOffsets);
  const distance = asFloats(distances);
  const score = asFloats(scores);
  const texts = documents.length === 0 ? [] : decodeTexts(asOffsets(documentOffsets), documents);
  const hits: Hit<Metadata, Stored>[] = [];
  for (let i = 0; i < count; i++) {
    const hit: Hit<Metadata, Stored> = { id: decodeId(ids, at[i]!, at[i + 1]!), score: score[i]!, distance: distance[i]!, metadata: parseDocument(texts[i]) as Metadata };
    if (searched !== undefined && rows !== undefined && rows.length > 0) hit.vector = rowOf(rows, searched, i) as Stored;
    hits.push(hit);
  }
  return hits;
}

/** With the parts that queries of several legs, groups and highlights have besides. */
export function decodeAll<Metadata extends object, Stored extends StoredVector>(answer: Message, searched: Field | undefined): Hits<Metadata, Stored> {
  const hits: Hits<Metadata, Stored> = decodeHits<Metadata, Stored>(answer, searched);
  const { json, parts } = answer;
  const legs = (json["legs"] ?? []) as string[];
  const each = asFloats(parts[7] ?? new Uint8Array());
  const highlights = jsonTexts(parts[8], parts[9]);
  const groups = jsonTexts(parts[10], parts[11]);
  hits.forEach((hit, i) => {
    if (each.length > 0) {
      hit.scores = {};
      legs.forEach((leg, l) => {
        const score = each[i * legs.length + l]!;
        if (!Number.isNaN(score)) hit.scores![leg] = score;
      });
    }
    if (highlights !== undefined) hit.highlights = fragmentsOf(highlights[i]);
    if (groups !== undefined) hit.group = (groups[i] ?? null) as NonNullable<typeof hit.group>;
  });
  if (json["facets"] !== undefined) hits.facets = json["facets"] as Facets;
  return hits;
}

/** Fragments whose marks count the units of JavaScript, not bytes of UTF-8. */
function fragmentsOf(value: unknown): { [field: string]: Fragment[] } {
  const fields = (value ?? {}) as { [field: string]: Fragment[] };
  for (const fragments of Object.values(fields)) {
    for (const fragment of fragments) {
      if (fragment.marks === undefined) continue;
      const bytes = encoder.encode(fragment.text);
      if (bytes.length === fragment.text.length) continue;
      const unit = (at: number): number => decoder.decode(bytes.subarray(0, at)).length;
      fragment.marks = fragment.marks.map(([from, to]) => [unit(from), unit(to)]);
    }
  }
  return fields;
}

/** One JSON value for each hit; `undefined` when nothing of the kind was asked for. */
function jsonTexts(offsets: Uint8Array | undefined, bytes: Uint8Array | undefined): unknown[] | undefined {
  if (offsets === undefined || bytes === undefined || bytes.length === 0) return undefined;
  return decodeTexts(asOffsets(offsets), bytes).map((text) => (text === undefined ? undefined : (JSON.parse(text) as unknown)));
}
