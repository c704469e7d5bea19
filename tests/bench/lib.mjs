/**
 * What every figure needs: programs and where they are built, folders on the real disk, medians of interleaved runs, the form of a result.
 *
 * A figure file in figures/ exports
 *   figures   { name: { what, unit, bar, better: "higher" | "lower" } }
 *   measure   async (wanted: Set<string>, note: (text) => void) => { name: { value, against? } | { missing: reason } }
 * `against` holds what the value was measured beside in the same run.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The repository's root. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Where the native programs were built; `OMEN_BENCH_BUILD` names another folder. */
export const BUILD = path.resolve(ROOT, process.env.OMEN_BENCH_BUILD ?? "build/native-gcc");
const OWN = path.join(ROOT, "build/bench");

/** Something that a figure needs and this machine does not have: the figure is reported as not measured. */
export class Missing extends Error {}

/** The built program tests/bench/<name>_bench.c. */
export function program(name, build = BUILD) {
  const file = path.join(build, "tests/bench", `bench.${name}`);
  if (!existsSync(file)) throw new Missing(`${path.relative(ROOT, file)} is not built (./dev build native-gcc)`);
  return file;
}

/** Runs a program; its standard output. */
export async function run(file, args = [], options = {}) {
  try {
    return (await promisify(execFile)(file, args.map(String), { maxBuffer: 1 << 26, ...options, env: { ...process.env, ...options.env } })).stdout;
  } catch (error) {
    throw new Error(`${path.basename(file)} ${args.join(" ")}: ${error.stderr || error.message}`, { cause: error });
  }
}

/** Runs a program that prints one JSON object. */
export const json = async (file, args, options) => JSON.parse(await run(file, args, options));

/** Compiles a peer of peers/ (not our code: a program over somebody else's library) unless it is newer than its source. */
export function peer(source, libraries, { needs, packages, flags = [], with: headers = [] }) {
  const from = path.join(ROOT, "tests/bench/peers", source);
  const to = path.join(OWN, path.parse(source).name);
  if (!existsSync(needs)) throw new Missing(`${needs} is missing (Debian package ${packages})`);
  mkdirSync(OWN, { recursive: true });
  if (existsSync(to) && [from, ...headers.map((h) => path.join(path.dirname(from), h))].every((f) => statSync(to).mtimeMs > statSync(f).mtimeMs)) return to;
  const compiler = source.endsWith(".c") ? "gcc" : "g++";
  execFileSync(compiler, ["-O2", "-Wall", ...flags, "-o", to, from, ...libraries], { stdio: ["ignore", "ignore", "inherit"] });
  return to;
}

/** Calls `use` with a new folder on the disk of the repository, which is removed afterwards. */
export async function withFolder(use) {
  mkdirSync(OWN, { recursive: true });
  const folder = mkdtempSync(path.join(OWN, "run-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs each of `runners` in turn, `times` times, so that a slow moment of the machine meets all of them.
 * @returns every answer, by runner: { name: [first, second, …] }
 */
export async function interleaved(times, runners) {
  const answers = Object.fromEntries(Object.keys(runners).map((name) => [name, []]));
  for (let i = 0; i < times; i++) {
    const order = Object.keys(runners);
    if (i % 2 === 1) order.reverse();
    for (const name of order) answers[name].push(await runners[name]());
  }
  return answers;
}

/** Median of one number of many answers. */
export const medianOf = (answers, key) => median(answers.map((answer) => answer[key]));

/** Three significant digits for small numbers, whole ones from 100 up. */
export function round(value) {
  if (!Number.isFinite(value)) return null;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

const rounded = (value) =>
  typeof value === "number" ? round(value) : value !== null && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, rounded(v)])) : value;

/** The line of a figure. What could not be measured has the value null, is not met, and says why. */
export function line(name, { unit, bar, better }, { value = null, against = {}, missing } = {}) {
  const met = value !== null && (better === "higher" ? value >= bar : value <= bar);
  return { figure: name, value: value === null ? null : round(value), unit, bar, met, against: rounded(against), ...(missing === undefined ? {} : { missing }) };
}

const number = (value) => (value === null ? "-" : value.toLocaleString("en-US", { maximumSignificantDigits: 6 }));

/** Lines as a table for people. */
export function table(lines, specs) {
  const rows = lines.map((l) => [
    l.figure,
    number(l.value),
    l.unit,
    `${specs[l.figure].better === "higher" ? "≥" : "≤"} ${number(l.bar)}`,
    l.value === null ? "not measured" : l.met ? "met" : "MISSED",
    l.missing ?? Object.entries(l.against).map(([k, v]) => `${k} ${typeof v === "number" ? number(v) : typeof v === "object" ? JSON.stringify(v) : v}`).join(", "),
  ]);
  const head = ["figure", "value", "unit", "bar", "", "beside"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const show = (row) => row.map((cell, i) => (i === 1 || i === 3 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ").trimEnd();
  return [show(head), widths.map((w) => "-".repeat(Math.min(w, 60))).join("  "), ...rows.map(show)].join("\n");
}
