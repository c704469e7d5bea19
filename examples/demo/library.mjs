/**
 * The demo's database: one record per package, with its vector.
 *
 * What has been computed is kept in the database itself. Each record holds a hash of the passages it was embedded from; a run embeds
 * only what is new or has changed. Each batch is durable when `upsert` resolves, so an interrupted run goes on where it stopped.
 */
import { createHash } from "node:crypto";
import { DIMENSIONS, embedMany } from "./embed.mjs";
import { passagesOf } from "./passages.mjs";

/** Raised when vectors are computed otherwise, so that no old one stays. */
const RECIPE = "use-lite, mean of passages, 1";

/** So few records would be compared one by one if the index were left to OmenDB; the demo is to show one. */
const INDEX = "hnsw";

export const SCHEMA = { vector: { dimensions: DIMENSIONS, metric: "cosine", index: INDEX }, text: ["summary", "text"] };

/** The collection of packages. @param {import("omendb").Database} db */
export const packagesOf = (db) => db.collection("packages", SCHEMA);

/**
 * Builds the collection's index where it is not there yet, also in a database of an earlier version.
 * @param {import("omendb").Database} db
 * @param {import("omendb").Collection} collection
 * @param {(progress: import("omendb").IndexProgress) => void} [onProgress]
 */
export async function buildIndex(db, collection, onProgress) {
  if (collection.schema.vectors[0].index.kind !== INDEX) await collection.setIndex(INDEX);
  await db.buildIndexes(onProgress === undefined ? {} : { onProgress });
}

const hashOf = (passages) => createHash("sha256").update(JSON.stringify([RECIPE, passages])).digest("hex").slice(0, 16);

/**
 * Brings the collection up to date with the packages.
 * @param {import("omendb").Collection} collection
 * @param {import("./corpus.mjs").Package[]} packages
 * @param {(done: number, total: number) => void} [onProgress]
 * @returns {Promise<{ embedded: number, removed: number, kept: number }>}
 */
export async function synchronise(collection, packages, onProgress = () => {}) {
  const stored = new Map();
  for await (const record of collection.scroll({ include: ["metadata"] })) stored.set(record.id, record.hash);
  const due = [];
  for (const one of packages) {
    const passages = passagesOf(one);
    const hash = hashOf(passages);
    if (stored.get(one.name) !== hash) due.push({ one, passages, hash });
    stored.delete(one.name);
  }
  const gone = [...stored.keys()];
  if (gone.length > 0) await collection.delete(gone);

  let done = 0;
  onProgress(done, due.length);
  for await (const { start, vectors } of embedMany(due.map(({ passages }) => passages))) {
    const count = vectors.length / DIMENSIONS;
    const batch = due.slice(start, start + count);
    await collection.upsert({
      ids: batch.map(({ one }) => one.name),
      vectors,
      documents: batch.map(({ one: { name, ...metadata }, hash }) => ({ ...metadata, hash })),
    });
    onProgress((done += count), due.length);
  }
  return { embedded: due.length, removed: gone.length, kept: packages.length - due.length };
}
