/** Programs that answer lines (index_bench and the peers of approximate search), ladders of efforts, and what is read off a curve of recall. */
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { median } from "./lib.mjs";

/** A running program that answers each line with a line of JSON. */
export class Served {
  #child;
  #lines;
  #errors = "";
  #name;

  constructor(file, args, env = {}) {
    this.#name = path.basename(file);
    this.#child = spawn(file, args.map(String), { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (bytes) => (this.#errors += bytes));
    this.#child.on("error", (error) => (this.#errors += error.message));
    this.#child.stdin.on("error", () => {}); // a program that has ended is told of by its missing answer
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line it prints. */
  async answer() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#name}: ${this.#errors || "ended without an answer"}`);
    return JSON.parse(value);
  }

  ask(line) {
    this.#child.stdin.write(`${line}\n`);
    return this.answer();
  }

  /** Ends it and waits until it has ended. */
  async close() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    await ended;
  }
}

/**
 * Passes of several sides in turn, `rounds` of each: first a step of every side's ladder, then the next step, and every other round the other way
 * round, so that a slow moment of the machine meets all of them.
 * @param sides { name: { ladder: [effort…], pass: async (effort) => { recall, qps, p50Us? } } }
 * @returns { name: [{ effort, recall, qps, p50Us }…] }, medians over the rounds
 */
export async function climb(sides, rounds) {
  const names = Object.keys(sides), points = Object.fromEntries(names.map((name) => [name, []]));
  for (let step = 0; names.some((name) => step < sides[name].ladder.length); step++) {
    const on = names.filter((name) => step < sides[name].ladder.length), answers = Object.fromEntries(on.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++)
      for (const name of round % 2 ? [...on].reverse() : on) answers[name].push(await sides[name].pass(sides[name].ladder[step]));
    for (const name of on) {
      const of = (key) => median(answers[name].map((one) => one[key]));
      points[name].push({ effort: sides[name].ladder[step], recall: of("recall"), qps: of("qps"), ...(answers[name][0].p50Us === undefined ? {} : { p50Us: of("p50Us") }) });
    }
  }
  return points;
}

/** The points that no other is better than in both recall and speed, by recall. */
export const frontier = (points) =>
  points.filter((a) => !points.some((b) => b !== a && b.recall >= a.recall && b.qps >= a.qps && (b.recall > a.recall || b.qps > a.qps))).sort((a, b) => a.recall - b.recall);

const logit = (r) => Math.log(r / (1 - r));

/**
 * Queries a second at a recall, between the two points around it: the logarithm of speed over the log-odds of recall, which is nearly a straight line.
 * The slowest point counts where even the first is above; NaN where none reaches the recall.
 */
export function qpsAt(points, recall) {
  const curve = frontier(points), next = curve.findIndex((p) => p.recall >= recall);
  if (next < 0) return NaN;
  if (next === 0 || curve[next].recall === recall) return curve[next].qps;
  const a = curve[next - 1], b = curve[next], at = (p) => logit(Math.min(p.recall, 1 - 1e-6));
  const share = (logit(recall) - at(a)) / (at(b) - at(a));
  return Math.exp(Math.log(a.qps) + share * (Math.log(b.qps) - Math.log(a.qps)));
}
