/** The metrics panel. It reads what any scraper would: the Prometheus text of db.metrics(). */
import { megabytes, milliseconds } from "./format.mjs";
import { element } from "./hits.mjs";
import { histogram, parsePrometheus, quantile, sum } from "./prometheus.mjs";

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
