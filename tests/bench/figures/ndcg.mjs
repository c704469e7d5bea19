/**
 * How good answers are: nDCG@10 of text alone, and of text and sentence embeddings together by default settings, on SciFact and Cranfield.
 * The collections lie in ../shared/data (or $OMEN_SHARED/data); they are not part of the project. Title and text are two fields, the title with half the weight.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { Missing, ROOT, program, run } from "../lib.mjs";

export const figures = {
  "ndcg.scifact": { what: "nDCG@10 of text alone, SciFact", unit: "nDCG", bar: 0.68, better: "higher" },
  "ndcg.cranfield": { what: "the same, Cranfield", unit: "nDCG", bar: 0.37, better: "higher" },
  "ndcg.hybrid.scifact": { what: "nDCG@10 of text and vectors with default settings; the bar is the better of both alone, SciFact", unit: "nDCG", bar: 0.6925, better: "higher" },
  "ndcg.hybrid.cranfield": { what: "the same, Cranfield", unit: "nDCG", bar: 0.3733, better: "higher" },
};

const DATA = path.join(process.env.OMEN_SHARED ?? path.join(ROOT, "../shared"), "data");

export async function measure(wanted, note) {
  const text = program("text"), results = {};
  for (const name of ["scifact", "cranfield"]) {
    const mine = [`ndcg.${name}`, `ndcg.hybrid.${name}`];
    if (!mine.some((figure) => wanted.has(figure))) continue;
    const folder = path.join(DATA, name), embedded = (what) => path.join(DATA, "embeddings", `use512-${name}.${what}.fvecs.zst`);
    const files = [...["corpus.jsonl.zst", "queries.jsonl", "qrels.tsv"].map((file) => path.join(folder, file)), embedded("corpus"), embedded("queries")];
    const absent = files.find((file) => !existsSync(file));
    if (absent !== undefined) throw new Missing(`${absent} is not there (OMEN_SHARED names the folder that has data/)`);
    const measured = async (...more) => (await run(text, ["hybrid", name, ...files, ...more])).trim().split("\n").map((l) => JSON.parse(l)).at(-1);
    const { hybrid, rrf, alpha50, text: alone, dense } = await measured();
    note(`${name}: text ${alone}, vectors ${dense}, together ${hybrid}`);
    results[mine[0]] = { value: alone };
    figures[mine[1]].bar = Math.max(alone, dense);
    results[mine[1]] = { value: hybrid, against: { times: hybrid / Math.max(alone, dense), text: alone, dense, rrf, alpha50 } };
    if (!wanted.has(mine[1])) continue;
    const strong = await measured(0, 0.4), weak = await measured(3, 0.2); /* the dense side as strong as the text; the text weaker than the dense side */
    Object.assign(results[mine[1]].against, { strongVectors: strong.hybrid / Math.max(strong.text, strong.dense), weakText: weak.hybrid / Math.max(weak.text, weak.dense) });
  }
  return results;
}
