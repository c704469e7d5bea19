/** The metrics panel. It reads what any scraper would: the Prometheus text of db.metrics(). */
import { element } from "./hits.mjs";
import { megabytes } from "./store.mjs";

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

const sum = (samples, name) => samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);

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

export const milliseconds = (seconds) => (seconds === undefined ? "–" : seconds < 0.0005 ? `${Math.round(seconds * 1e6)} µs` : `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`);

const tile = (label, value) => element("div", {}, element("dt", {}, label), element("dd", {}, value));

/** Draws the panel. */
export async function showMetrics(db) {
  const text = await db.metrics({ format: "prometheus" });
  const samples = parsePrometheus(text);
  const times = histogram(samples, "omendb_engine_query_duration_seconds");
  const get = (id) => document.getElementById(id);
  get("tiles").replaceChildren(
    tile("searches", sum(samples, "omendb_engine_queries_total").toLocaleString("en")),
    tile("half within", milliseconds(quantile(times, 0.5))),
    tile("99 % within", milliseconds(quantile(times, 0.99))),
    tile("memory", megabytes(sum(samples, "omendb_engine_memory_allocated_bytes"))),
  );
  showHistogram(get("latency"), get("bars"), get("scale"), times);
  if (get("prometheus").textContent !== text) get("prometheus").textContent = text;
}

function showHistogram(figure, bars, scale, buckets) {
  const first = buckets.findIndex(({ count }) => count > 0);
  const last = buckets.findLastIndex(({ count }) => count > 0);
  figure.hidden = first < 0;
  if (first < 0) return;
  // Always a few buckets around, so that one bar does not fill the picture.
  const from = Math.max(0, Math.min(first - 2, buckets.length - 12));
  const shown = buckets.slice(from, Math.max(last + 3, from + 12));
  const most = Math.max(...shown.map(({ count }) => count));
  bars.replaceChildren(
    ...shown.map(({ bound, count }) =>
      element("span", { style: `block-size:${count === 0 ? 0 : Math.max(6, (count / most) * 100)}%`, title: `${count} up to ${milliseconds(bound === Infinity ? undefined : bound)}` }),
    ),
  );
  const finite = shown.filter(({ bound }) => bound !== Infinity);
  scale.replaceChildren(element("span", {}, milliseconds(finite[0]?.bound)), element("span", {}, milliseconds(finite.at(-1)?.bound)));
}
