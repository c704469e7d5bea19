/** What the ann figures share: programs that answer a pass a line, curves of recall against queries a second, and a drawing of them. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { ROOT, median } from "./lib.mjs";

/** A program that stays open: it prints one JSON object when it is ready, and then one for each line it is given. */
export class Server {
  #child;
  #answers;
  #said = "";

  static async start(file, args, env = {}) {
    const server = new Server();
    server.#child = spawn(file, args.map(String), { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    server.#child.stderr.on("data", (text) => (server.#said = (server.#said + text).slice(-2000)));
    server.#child.stdin.on("error", () => {}); // the child's end is told by its answers
    server.#answers = readline.createInterface({ input: server.#child.stdout })[Symbol.asyncIterator]();
    server.ended = new Promise((resolve, reject) => {
      server.#child.on("error", reject);
      server.#child.on("close", (code, signal) => resolve(signal ?? code));
    });
    server.ended.catch(() => {});
    server.ready = await server.#next();
    return server;
  }

  async #next() {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${path.basename(this.#child.spawnfile)} ended (${await this.ended}): ${this.#said.trim()}`);
    return JSON.parse(value);
  }

  ask(line) {
    this.#child.stdin.write(`${line}\n`);
    return this.#next();
  }

  async close() {
    this.#child.stdin.end();
    await this.ended;
  }
}

/**
 * Runs every system through its efforts, `rounds` times; in each round the systems take turns after every effort, each round the other way round.
 * Queries a second are counted over the CPU time of the one thread that searches, where it is told, so that other work on the machine weighs
 * less; `wall` is by the clock.
 * @param systems { name: { ask: (effort) => pass, efforts: [...] } }
 * @returns { name: [[pass, pass, …] of the first round, …] }
 */
export async function passes(rounds, systems) {
  const all = Object.fromEntries(Object.keys(systems).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = Object.keys(systems);
    if (round % 2 === 1) order.reverse();
    for (const name of order) all[name].push([]);
    for (let i = 0; order.some((name) => i < systems[name].efforts.length); i++)
      for (const name of order) {
        const effort = systems[name].efforts[i];
        if (effort === undefined) continue;
        const pass = await systems[name].ask(effort);
        all[name][round].push({ effort, recall: pass.recall, qps: pass.queries / (pass.cpu ?? pass.seconds), wall: pass.queries / pass.seconds, p50Ms: pass.p50Ms });
      }
  }
  return all;
}

/** The points that no other one beats in both recall and speed, by recall. */
export function frontier(points) {
  const best = [];
  for (const point of [...points].sort((a, b) => b.recall - a.recall || b.qps - a.qps)) if (best.length === 0 || point.qps > best[0].qps) best.unshift(point);
  return best;
}

/** Of many rounds each effort's medians, as points. */
export const middle = (rounds) =>
  rounds[0].map((first, i) => ({ ...first, qps: median(rounds.map((r) => r[i].qps)), ...(first.wall === undefined ? {} : { wall: median(rounds.map((r) => r[i].wall)) }), ...(first.p50Ms === undefined ? {} : { p50Ms: median(rounds.map((r) => r[i].p50Ms)) }) }));

/**
 * `key` (queries a second, or milliseconds) at a recall: between two points of the frontier its logarithm is a line over log(1 - recall).
 * Below the least effort's recall the least effort counts; above the greatest there is nothing (NaN).
 */
export function at(points, recall, key = "qps") {
  const best = frontier(points);
  const i = best.findIndex((point) => point.recall >= recall);
  if (i < 0) return NaN;
  if (i === 0) return best[0][key];
  const x = (r) => Math.log(Math.max(1 - r, 1e-5));
  const [a, b] = [best[i - 1], best[i]], share = (x(recall) - x(a.recall)) / (x(b.recall) - x(a.recall));
  return Math.exp(Math.log(a[key]) + share * (Math.log(b[key]) - Math.log(a[key])));
}

/** How many times the queries a second of `theirs` `ours` does at a recall: the median of the rounds. `key`: "qps" or "wall". */
export const ratio = (ours, theirs, recall, key = "qps") => median(ours.map((points, i) => at(points, recall, key) / at(theirs[i], recall, key)));

const COLOURS = ["#c2185b", "#1565c0", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#5d4037", "#455a64"];
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Draws curves { name: points } into build/bench/<file>.svg: recall from 0.8 up, stretched towards 1, against queries a second, logarithmic. */
export function draw(file, title, curves) {
  const [width, height, left, top, right, bottom] = [860, 520, 70, 50, 190, 50];
  const names = Object.keys(curves);
  const shown = Object.fromEntries(names.map((name) => [name, frontier(curves[name]).filter((p) => p.recall >= 0.8)]));
  const speeds = Object.values(shown).flat().map((p) => p.qps);
  if (speeds.length === 0) return null;
  const low = Math.floor(Math.log10(Math.min(...speeds))), high = Math.ceil(Math.log10(Math.max(...speeds)));
  const stretch = (recall) => -Math.log10(1 - Math.min(recall, 0.9995) + 1e-9), [from, to] = [stretch(0.8), stretch(0.9995)];
  const x = (recall) => left + ((stretch(recall) - from) / (to - from)) * (width - left - right);
  const y = (qps) => height - bottom - ((Math.log10(qps) - low) / Math.max(high - low, 1)) * (height - top - bottom);
  const out = [`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">`, `<rect width="${width}" height="${height}" fill="white"/>`];
  out.push(`<text x="${left}" y="26" font-size="16">${escape(title)}</text>`);
  for (const recall of [0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]) {
    const at = x(recall).toFixed(1);
    out.push(`<line x1="${at}" x2="${at}" y1="${top}" y2="${height - bottom}" stroke="#ddd"/>`, `<text x="${at}" y="${height - bottom + 18}" text-anchor="middle">${recall}</text>`);
  }
  for (let power = low; power <= high; power++)
    for (const digit of [1, 2, 5]) {
      const qps = digit * 10 ** power;
      if (Math.log10(qps) > high) continue;
      const at = y(qps).toFixed(1);
      out.push(`<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#ddd"/>`, `<text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end">${qps >= 1000 ? `${qps / 1000}k` : qps}</text>`);
    }
  out.push(`<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">recall@10</text>`);
  out.push(`<text transform="translate(18 ${height / 2}) rotate(-90)" text-anchor="middle">queries a second of one thread</text>`);
  names.forEach((name, i) => {
    const colour = COLOURS[i % COLOURS.length], points = shown[name];
    if (points.length > 0) {
      out.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((p) => `${x(p.recall).toFixed(1)},${y(p.qps).toFixed(1)}`).join(" ")}"/>`);
      for (const p of points) out.push(`<circle cx="${x(p.recall).toFixed(1)}" cy="${y(p.qps).toFixed(1)}" r="3" fill="${colour}"><title>${escape(`${name} ${p.effort}: ${p.recall.toFixed(4)}, ${Math.round(p.qps)} q/s`)}</title></circle>`);
    }
    out.push(`<rect x="${width - right + 16}" y="${top + i * 22}" width="14" height="4" fill="${colour}"/>`, `<text x="${width - right + 36}" y="${top + 8 + i * 22}">${escape(name)}</text>`);
  });
  out.push("</svg>", "");
  const target = path.join(ROOT, "build/bench", `${file}.svg`);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, out.join("\n"));
  return path.relative(ROOT, target);
}
