/**
 * ./dev bench [--json] [--list] NAME...   measures figures and prints a table, or one JSON line for each.
 * A name is a figure ("write.native") or the beginning of some ("write"); no name means all.
 */
import { readdirSync } from "node:fs";
import { Missing, line, table } from "./lib.mjs";

const args = process.argv.slice(2);
const options = new Set(args.filter((a) => a.startsWith("--")));
const names = args.filter((a) => !a.startsWith("--"));
for (const option of options) {
  if (["--json", "--list"].includes(option)) continue;
  console.error(`unknown option ${option}; there are --json and --list`);
  process.exit(2);
}

const files = readdirSync(new URL("figures/", import.meta.url)).filter((f) => f.endsWith(".mjs")).sort();
const modules = await Promise.all(files.map((f) => import(new URL(`figures/${f}`, import.meta.url))));
const specs = Object.assign({}, ...modules.map((m) => m.figures));
const chosen = (figure) => names.length === 0 || names.some((n) => figure === n || figure.startsWith(`${n}.`));
for (const name of names) {
  if (Object.keys(specs).some((f) => f === name || f.startsWith(`${name}.`))) continue;
  console.error(`there is no figure "${name}"; there are ${Object.keys(specs).join(", ")}`);
  process.exit(2);
}
if (options.has("--list")) {
  for (const [name, { what, unit, bar, better }] of Object.entries(specs)) console.log(`${name}: ${what} (${better === "higher" ? "at least" : "at most"} ${bar} ${unit})`);
  process.exit(0);
}

const lines = [];
let broken = false;
for (const { figures, measure } of modules) {
  const wanted = new Set(Object.keys(figures).filter(chosen));
  if (wanted.size === 0) continue;
  const note = (text) => console.error(`   ${text}`);
  console.error(`measuring ${[...wanted].join(", ")}`);
  let results = {};
  try {
    results = await measure(wanted, note);
  } catch (error) {
    if (!(error instanceof Missing)) broken = true;
    console.error(error instanceof Missing ? `   not measured: ${error.message}` : error);
    results = Object.fromEntries([...wanted].map((name) => [name, { missing: error.message.split("\n")[0] }]));
  }
  for (const name of wanted) {
    const one = line(name, figures[name], results[name] ?? { missing: "the figure's file gave no value" });
    lines.push(one);
    if (options.has("--json")) console.log(JSON.stringify(one));
  }
}
if (!options.has("--json")) console.log(table(lines, specs));
process.exit(broken ? 1 : 0);
