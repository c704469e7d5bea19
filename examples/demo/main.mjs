/**
 * Semantic search over descriptions of Debian packages: the whole way of a record, on real input.
 *
 *   node examples/demo/main.mjs [--all] [--refresh] [--engine native|wasm|both] [QUESTION...]
 *
 * The first run embeds the texts (minutes on two cores) and builds the index; later runs find everything in the database and take seconds.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { open } from "omendb";
import { MORE_SECTIONS, SECTIONS, loadPackages } from "./corpus.mjs";
import { loadModel, threadCount } from "./embed.mjs";
import { fingerprint, hitLines } from "./fingerprint.mjs";
import { buildIndex, packagesOf, synchronise } from "./library.mjs";
import { Progress } from "./progress.mjs";

const QUESTIONS = [
  "find duplicate pictures",
  "learn to play the guitar",
  "edit audio recordings",
  "play chess against the computer",
  "draw mathematical graphs",
  "recover deleted photos",
];
export const FOLDER = fileURLToPath(new URL("../../build/demo/", import.meta.url));

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const bold = (text) => (colour ? `\x1b[1m${text}\x1b[0m` : text);
const dim = (text) => (colour ? `\x1b[2m${text}\x1b[0m` : text);
const say = (line) => console.error(`  ${line}`);

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        all: { type: "boolean", default: false },
        refresh: { type: "boolean", default: false },
        engine: { type: "string", default: "both" },
        "prepare-only": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (!["native", "wasm", "both"].includes(values.engine)) throw new Error(`--engine is "${values.engine}"; it must be native, wasm or both`);
    return { ...values, questions: positionals };
  } catch (error) {
    console.error(`demo: ${error.message}`);
    process.exit(2);
  }
}

/** Asks every question; answers hits, times, fingerprints and what the engine reports of itself. */
async function ask(folder, engine, questions) {
  const opening = performance.now();
  const db = await open(folder, { engine });
  const packages = await packagesOf(db);
  const count = await packages.count();
  const openMs = performance.now() - opening;
  const answers = [];
  for (const { text, vector } of questions) {
    const began = performance.now();
    const hits = await packages.search({ vector, topK: 5 });
    const ms = performance.now() - began;
    answers.push({ text, hits, ms, lines: hitLines(text, hits), print: await fingerprint(hitLines(text, hits)) });
  }
  const { sources } = await packages.explain({ vector: questions[0].vector, topK: 5 });
  const metrics = await db.metrics();
  const { kind, kernels } = db.engine;
  await db.close();
  if (kind !== engine) throw new Error(`asked for the ${engine} engine and got ${kind}`);
  const lines = answers.flatMap(({ lines }) => lines);
  return { engine, kernels, count, openMs, answers, sources, metrics, lines, sha256: await fingerprint(lines) };
}

function printAnswers({ answers, engine }, embedMs) {
  for (const [i, { text, hits, ms, print }] of answers.entries()) {
    console.log(`\n${bold(`“${text}”`)}  ${dim(`${ms.toFixed(2)} ms in the ${engine} engine, ${embedMs[i].toFixed(0)} ms to embed · fingerprint ${print.slice(0, 12)}`)}`);
    for (const { id, score, metadata } of hits) {
      console.log(`  ${score.toFixed(3)}  ${bold(String(id).padEnd(24))} ${metadata.summary} ${dim(`(${metadata.section})`)}`);
    }
  }
}

async function main() {
  const options = readArguments();
  if (options.help) {
    console.log("usage: ./dev demo [--all] [--refresh] [--engine native|wasm|both] [QUESTION...]\n");
    console.log("  --all      ten thousand packages of all sections that people use, instead of four thousand");
    console.log("  --refresh  ask apt again for the descriptions");
    console.log("  --engine   which engine answers; both are compared when it is left out");
    return;
  }
  const sections = options.all ? MORE_SECTIONS : SECTIONS;
  const folder = join(FOLDER, options.all ? "packages-all" : "packages");
  const packages = await loadPackages({ folder: FOLDER, sections, refresh: options.refresh, say });

  const db = await open(folder, { engine: options.engine === "both" ? "auto" : options.engine });
  const progress = new Progress("embedding", packages.length);
  const collection = await packagesOf(db);
  const { embedded, removed, kept } = await synchronise(collection, packages, (done, total) => {
    progress.total = total;
    if (total > 0) progress.update(done);
  });
  const seconds = progress.finish();
  if (embedded > 0 || removed > 0) await db.compact();
  const beforeIndex = performance.now();
  let built = 0;
  await buildIndex(db, collection, ({ progress }) => (built += progress === 1));
  if (built > 0) say(`index built in ${((performance.now() - beforeIndex) / 1000).toFixed(1)} s`);
  await db.close();
  say(
    embedded > 0
      ? `${packages.length} packages: ${kept} found in the database, ${embedded} embedded now in ${seconds.toFixed(0)} s (${threadCount()} threads)`
      : `${packages.length} packages, all found in the database ${folder}`,
  );
  if (options["prepare-only"]) return;

  const embed = await loadModel();
  await embed("warm up");
  const questions = [];
  const embedMs = [];
  for (const text of options.questions.length > 0 ? options.questions : QUESTIONS) {
    const began = performance.now();
    questions.push({ text, vector: await embed(text) });
    embedMs.push(performance.now() - began);
  }
  const engines = options.engine === "both" ? ["native", "wasm"] : [options.engine];
  const results = [];
  for (const engine of engines) results.push(await ask(folder, engine, questions));
  const [first] = results;
  printAnswers(first, embedMs);

  console.log(`\n${bold("how the first question was answered")}`);
  for (const { source, rows, index, why } of first.sources) if (rows > 0) console.log(`  ${source}: ${rows} rows, ${index}: ${why}`);

  console.log(`\n${bold("metrics")} ${dim(`(${first.engine} engine)`)}`);
  console.log(JSON.stringify(summaryOf(first.metrics), null, 2));

  console.log(`\n${bold("the same answers, bit for bit")}`);
  for (const { engine, kernels, count, openMs, answers, sha256 } of results) {
    const fastest = Math.min(...answers.map(({ ms }) => ms));
    console.log(`  ${engine.padEnd(6)} ${kernels.padEnd(8)} opened in ${openMs.toFixed(1)} ms, the nearest of ${count} vectors found in ${fastest.toFixed(2)} ms, sha256 over all hits ${sha256.slice(0, 24)}…`);
  }
  const [one, other] = results;
  if (other === undefined) return;
  const different = one.lines.filter((line, i) => line !== other.lines[i]);
  if (one.sha256 !== other.sha256) {
    console.log(`  DIFFERENT: ${different.length} of ${one.lines.length} hits, first: ${different[0]}`);
    process.exitCode = 1;
  } else {
    console.log(`  identical: ${one.lines.length} hits with the same ids and the same 32 bits of distance, from the same files`);
  }
}

/** What is not zero, one line a series; of latencies how many there were and where half and nearly all of them lie. */
function summaryOf(metrics) {
  const short = {};
  for (const [family, { type, series }] of Object.entries(metrics)) {
    for (const { labels, value, count, p50, p99 } of series) {
      const { db_id: _, ...rest } = labels;
      const name = Object.keys(rest).length === 0 ? family : `${family}{${Object.entries(rest).map(([key, text]) => `${key}=${text}`).join(",")}}`;
      if (type === "histogram" ? count > 0 : value > 0) short[name] = type === "histogram" ? { count, p50, p99 } : value;
    }
  }
  return short;
}

main().catch((error) => {
  console.error(`demo: ${error.code === undefined || error.message.startsWith(error.code) ? "" : `${error.code}: `}${error.message}`);
  process.exitCode = 1;
});
