/**
 * Vectors made up from a seed: clusters on a map. Components 0 and 1 of a vector are its place on the map, the others come from a
 * few hidden factors that differ from cluster to cluster, as the components of real embeddings do. Every row is a function of its
 * number alone, so nothing has to be kept to draw it again, and rows beyond the last one serve as queries nobody has seen.
 */
export const DIMENSIONS = 96;
const CLUSTERS = 64;
const FACTORS = 16;

/** Uniform numbers below 1 from a 32-bit seed (a Weyl sequence, its words mixed). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return ((word ^ (word >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** About normal, variance 1: four uniform numbers summed. */
const normal = (next) => (next() + next() + next() + next() - 2) * Math.sqrt(3);

const seeded = random(20240229);
const spread = Float32Array.from({ length: DIMENSIONS * FACTORS }, () => normal(seeded) / Math.sqrt(DIMENSIONS));
const clusters = Array.from({ length: CLUSTERS }, () => ({
  x: seeded() * 1.8 - 0.9,
  y: seeded() * 1.8 - 0.9,
  width: 0.03 + seeded() * 0.07,
  factors: Float32Array.from({ length: FACTORS }, () => normal(seeded)),
}));

/** Components 2 and up from the hidden factors. */
function compose(into, x, y, factors) {
  for (let d = 2; d < DIMENSIONS; d++) {
    let sum = 0;
    for (let f = 0; f < FACTORS; f++) sum += spread[d * FACTORS + f] * factors[f];
    into[d] = sum;
  }
  into[0] = x;
  into[1] = y;
  return into;
}

const factors = new Float32Array(FACTORS);

/** Row `id`, written to `into`. */
export function row(id, into = new Float32Array(DIMENSIONS)) {
  const next = random(Math.imul(id + 1, 0x2545f491));
  const cluster = clusters[Math.floor(next() * CLUSTERS)];
  const x = cluster.x + cluster.width * normal(next);
  const y = cluster.y + cluster.width * normal(next);
  for (let f = 0; f < FACTORS; f++) factors[f] = cluster.factors[f] + 0.35 * normal(next);
  compose(into, x, y, factors);
  for (let d = 2; d < DIMENSIONS; d++) into[d] += 0.01 * normal(next);
  return into;
}

/** Rows `first` to `first + count - 1`, one after the other, as an upsert of columns takes them. */
export function rows(first, count) {
  const vectors = new Float32Array(count * DIMENSIONS);
  for (let i = 0; i < count; i++) row(first + i, vectors.subarray(i * DIMENSIONS, (i + 1) * DIMENSIONS));
  return vectors;
}

/** A query at a place of the map (-1 to 1 each way): its hidden factors are those of the clusters around, the nearest counting most. */
export function queryAt(x, y) {
  const blend = new Float32Array(FACTORS);
  let total = 0;
  for (const cluster of clusters) {
    const weight = Math.exp(-((cluster.x - x) ** 2 + (cluster.y - y) ** 2) / 0.02) + 1e-9;
    total += weight;
    for (let f = 0; f < FACTORS; f++) blend[f] += weight * cluster.factors[f];
  }
  for (let f = 0; f < FACTORS; f++) blend[f] /= total;
  return compose(new Float32Array(DIMENSIONS), x, y, blend);
}
