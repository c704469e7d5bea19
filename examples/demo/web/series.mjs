/** Reading what db.metrics() gives: { family: { type, help, series: [{ labels, value | count, p50, p99, buckets }] } }. */

/** The series of a family that has these labels (among others), or undefined. */
export function seriesOf(metrics, family, labels = {}) {
  return metrics[family]?.series.find((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value));
}

/**
 * Buckets of a histogram ([upper bound in seconds, count], only those that hold something) as steps of equal width on a logarithmic
 * scale, four to a doubling, with empty ones between and around, at least `least` of them.
 */
export function widen(buckets, least = 16) {
  const step = (bound) => Math.ceil(Math.log2(bound) * 4 - 1e-9);
  const counts = new Map();
  for (const [bound, count] of buckets) {
    if (bound !== null) counts.set(step(bound), (counts.get(step(bound)) ?? 0) + count);
  }
  if (counts.size === 0) return [];
  const around = Math.max(2, least - (Math.max(...counts.keys()) - Math.min(...counts.keys()) + 1));
  const first = Math.min(...counts.keys()) - Math.floor(around / 2);
  const last = Math.max(...counts.keys()) + Math.ceil(around / 2);
  return Array.from({ length: last - first + 1 }, (_, i) => ({ from: 2 ** ((first + i - 1) / 4), to: 2 ** ((first + i) / 4), count: counts.get(first + i) ?? 0 }));
}
