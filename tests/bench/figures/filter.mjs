/** Filtered search: how much it finds, and how long it takes beside comparing all matches and beside search without a filter, at every share of the rows. */
import { prepare } from "../ann_data.mjs";
import { program, run } from "../lib.mjs";

export const figures = {
  "filter.recall": { what: "recall@10 of filtered search at its worst: 0.01 to 100 % of the rows, at random, near the query and far from it, mnist-784 and GloVe-100", unit: "share", bar: 0.95, better: "higher" },
  "filter.time": { what: "time of filtered search against the better of comparing all matches and search without a filter, at its worst", unit: "times", bar: 1.5, better: "lower" },
};

const QUERIES = 200;

export async function measure(wanted, note) {
  const lines = [];
  for (const name of ["mnist", "glove"]) {
    const set = prepare(name, note);
    const text = await run(program("filter"), [set.folder, set.dims, set.metric, "hnsw", QUERIES]);
    for (const line of text.trim().split("\n")) lines.push({ set: name, ...JSON.parse(line) });
  }
  for (const l of lines) {
    l.recall = l.byIndex > 0.5 ? l.recall : 1;
    l.times = l.filtered / Math.min(l.matches, l.unfiltered);
  }
  const worst = (key, sign) => [...lines].sort((a, b) => sign * (a[key] - b[key]))[0];
  const brief = ({ set, filter, share }) => `${set}, ${filter}, ${share * 100} %`;
  const recall = worst("recall", 1), time = worst("times", -1);
  const curve = lines.map(({ set, filter, share, recall: r, filtered, matches, unfiltered, times }) => ({ set, filter, share, recall: r, filtered, matches, unfiltered, times }));
  return {
    "filter.recall": { value: recall.recall, against: { where: brief(recall), curve } },
    "filter.time": { value: time.times, against: { where: brief(time), curve } },
  };
}
