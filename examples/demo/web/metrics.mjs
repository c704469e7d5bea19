/** The metrics panel: what db.metrics() tells, drawn. */
import { megabytes, milliseconds } from "./format.mjs";
import { element } from "./hits.mjs";
import { seriesOf, widen } from "./series.mjs";

const tile = (label, value) => element("div", {}, element("dt", {}, label), element("dd", {}, value));

/** Draws the panel. @param {import("omendb").Database} db */
export async function showMetrics(db) {
  const get = (id) => document.getElementById(id);
  const metrics = await db.metrics();
  const times = seriesOf(metrics, "omendb_engine_query_duration_seconds", { kind: "search" });
  const searches = seriesOf(metrics, "omendb_engine_queries_total", { kind: "search" });
  const memory = seriesOf(metrics, "omendb_engine_memory_allocated_bytes");
  const some = (times?.count ?? 0) > 0;
  get("tiles").replaceChildren(
    tile("searches", (searches?.value ?? 0).toLocaleString("en")),
    tile("half within", some ? milliseconds(times.p50) : "–"),
    tile("99 % within", some ? milliseconds(times.p99) : "–"),
    tile("memory", memory === undefined ? "–" : megabytes(memory.value)),
  );
  get("latency").hidden = !some;
  if (some) showHistogram(get("bars"), get("scale"), widen(times.buckets));
  if (get("raw").open) await showText(db);
}

/** The same as text, for those who have opened it. */
export async function showText(db) {
  const text = await db.metrics({ format: "prometheus" });
  const pre = document.getElementById("prometheus");
  if (pre.textContent !== text) pre.textContent = text;
}

function showHistogram(bars, scale, steps) {
  const most = Math.max(...steps.map(({ count }) => count));
  bars.replaceChildren(
    ...steps.map(({ from, to, count }) =>
      element("span", { style: `block-size:${count === 0 ? 0 : Math.max(6, (count / most) * 100)}%`, title: `${count} between ${milliseconds(from)} and ${milliseconds(to)}` }),
    ),
  );
  scale.replaceChildren(element("span", {}, milliseconds(steps[0].from)), element("span", {}, milliseconds(steps.at(-1).to)));
}
