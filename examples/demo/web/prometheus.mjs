/** Reading Prometheus text, as any scraper would. */

/** Samples of a Prometheus text: name, labels, value. */
export function parsePrometheus(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (match === null || line.startsWith("#")) continue;
    const labels = {};
    for (const [, key, value] of (match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    samples.push({ name: match[1], labels, value: match[3] === "+Inf" ? Infinity : Number(match[3]) });
  }
  return samples;
}

/** The sum of all series of a name. */
export const sum = (samples, name) => samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);

/** Buckets of a histogram that hold something: upper bound in seconds, count. Several series of one family are added. */
export function histogram(samples, family) {
  const cumulative = new Map();
  for (const { name, labels, value } of samples) {
    if (name !== `${family}_bucket`) continue;
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    cumulative.set(bound, (cumulative.get(bound) ?? 0) + value);
  }
  let before = 0;
  return [...cumulative]
    .sort(([a], [b]) => a - b)
    .map(([bound, total]) => {
      const bucket = { bound, count: total - before };
      before = total;
      return bucket;
    });
}

/** The bound below which a share of all observations lies. */
export function quantile(buckets, share) {
  const total = buckets.reduce((all, { count }) => all + count, 0);
  let seen = 0;
  let last = 0;
  for (const { bound, count } of buckets) {
    seen += count;
    if (bound !== Infinity) last = bound;
    if (total > 0 && seen >= share * total) return bound === Infinity ? last : bound;
  }
  return undefined;
}
