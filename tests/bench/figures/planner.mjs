/** How well the planner knows its data, and whether it chooses what is best: ../planner_bench.c. */
import { json, program } from "../lib.mjs";

export const figures = {
  "planner.estimate": { what: "single predicates whose estimated matches are within 2x of the truth", unit: "of predicates", bar: 0.95, better: "higher" },
  "planner.choice": { what: "filtered searches whose plan took at most 1.2 times the best", unit: "of searches", bar: 0.95, better: "higher" },
};

export async function measure() {
  const { close, worst, singles, right, median, p95, best } = await json(program("planner"), [100_000, 400]);
  return { "planner.estimate": { value: close, against: { predicates: singles, worst } }, "planner.choice": { value: right, against: { median, p95, best } } };
}
