/**
 * 100,000 vectors in a page: fills a database, builds its index while searches go on, and shows what they take. `?rows=3000` makes
 * it smaller. The database stays; the next visit opens it.
 */
import { destroy, open } from "omendb";
import { DIMENSIONS, queryAt, row, rows as makeRows } from "./data.mjs";
import { MapView, drawLatencies, forgetColours } from "./draw.mjs";

const $ = (id) => document.getElementById(id);
const asked = Number(new URLSearchParams(location.search).get("rows"));
const ROWS = Number.isInteger(asked) && asked >= 100 && asked <= 1_000_000 ? asked : 100_000;
const NAME = `vectors-${ROWS}`;
const CHUNK = 2000;
/** Searches in the picture, and searches that p50 and p99 are of. */
const SHOWN = 240;
const COUNTED = 200;

const number = (value) => value.toLocaleString("en");
const milliseconds = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
const mebibytes = (value) => `${(value / 2 ** 20).toFixed(1)} MiB`;
const delay = (time) => new Promise((done) => setTimeout(done, time));
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

let db;
let vectors;
const map = new MapView($("map"));
const place = { x: 0, y: 0 };
let hits = [];
let indexedRows = 0;
let filled = 0;
let searches = [];
/** Latencies since the last change of the settings. */
let counted = [];

function state(name) {
  document.body.dataset.state = name;
}

/** What a search asks for, as the controls say. */
function settings() {
  const exact = $("exact").checked;
  return { topK: Number($("k").value), include: [], ...(exact ? { exact } : { recall: Number($("recall").value) }) };
}

/* ---- searching, all the time ---- */

let wake = () => {};

/** While something is measured, nothing else is asked of the database. */
let paused = false;
async function alone(measure) {
  paused = true;
  try {
    await idle;
    return await measure();
  } finally {
    paused = false;
    wake();
  }
}
/** The search under way, or the last one. */
let idle = Promise.resolve();

async function timed(query) {
  const start = performance.now();
  const found = await vectors.search(query);
  return { found, milliseconds: performance.now() - start };
}

function remember(taken) {
  const indexed = indexedRows >= filled && filled > 0 && !$("exact").checked;
  searches = [...searches, { milliseconds: taken, indexed }].slice(-SHOWN);
  counted = [...counted, taken].slice(-COUNTED);
}

/** One search after the other: along the path while it wanders, else whenever something was moved. */
async function searchOn() {
  for (let step = 0; ; ) {
    const moved = new Promise((done) => (wake = done));
    if (document.hidden || paused) {
      await moved;
      continue;
    }
    if ($("wander").checked) {
      step += 0.01;
      place.x = 0.85 * Math.sin(step * 1.3);
      place.y = 0.85 * Math.sin(step * 1.7 + 1);
      $("x").value = place.x;
      $("y").value = place.y;
    }
    idle = timed({ vector: queryAt(place.x, place.y), ...settings() });
    const answer = await idle;
    hits = answer.found;
    remember(answer.milliseconds);
    await ($("wander").checked ? delay(30) : moved);
  }
}

/** Draws at most once a frame, and only what is new. */
let drawn;
function draw() {
  requestAnimationFrame(draw);
  if (drawn === searches && !resized) return;
  drawn = searches;
  resized = false;
  map.draw(place, hits);
  drawLatencies($("latencies"), searches, SHOWN);
}
let resized = true;

function showFigures() {
  if (counted.length > 0) {
    $("p50").textContent = milliseconds(quantile(counted, 0.5));
    $("p99").textContent = milliseconds(quantile(counted, 0.99));
  }
  $("hits").replaceChildren(
    ...hits.slice(0, 10).map(({ id, distance }) => {
      const item = document.createElement("li");
      const far = document.createElement("span");
      far.textContent = ` at ${distance.toFixed(4)}`;
      item.append(`vector ${number(id)}`, far);
      return item;
    }),
  );
}

/* ---- what the database says of itself ---- */

const gauge = (metrics, name) => metrics[name].series.reduce((sum, { value }) => sum + value, 0);
async function showMetrics() {
  const metrics = await db.metrics();
  indexedRows = gauge(metrics, "omendb_engine_indexed_rows");
  $("memory").textContent = mebibytes(gauge(metrics, "omendb_engine_memory_allocated_bytes"));
  $("index-memory").textContent = mebibytes(gauge(metrics, "omendb_engine_index_memory_bytes"));
  $("indexed").textContent = number(indexedRows);
}

async function showExplanation() {
  const explanation = await vectors.explain({ vector: queryAt(place.x, place.y), ...settings() });
  $("sources").replaceChildren(
    ...explanation.sources.map((source) => {
      const effort = source.slack !== undefined ? `slack ${(100 * source.slack).toFixed(1)} %` : source.ef !== undefined ? `ef ${number(source.ef)}` : source.nprobe !== undefined ? `nprobe ${number(source.nprobe)}` : "every row";
      const line = document.createElement("tr");
      for (const cell of [source.source, number(source.rows), source.index, effort, source.candidates, source.ranked, source.microseconds, source.why]) {
        line.insertCell().textContent = typeof cell === "number" ? number(cell) : (cell ?? "");
      }
      return line;
    }),
  );
  $("explain").textContent = JSON.stringify(explanation, null, 2);
}

async function watch() {
  for (;;) {
    if (!document.hidden && !paused) {
      await showMetrics();
      await showExplanation();
      showFigures();
    }
    await delay(500);
  }
}

/* ---- filling and building ---- */

function showFilled(count) {
  filled = count;
  map.rows = count;
  resized = true;
  $("fill").value = count / ROWS;
}

/** Fills from where an earlier visit stopped. Between two chunks the page has its turn. */
async function fill(first) {
  state("filling");
  $("status").textContent = "Filling: vectors are made up and stored …";
  const start = performance.now();
  for (let at = first; at < ROWS; at += CHUNK) {
    const count = Math.min(CHUNK, ROWS - at);
    await vectors.upsert({ ids: Int32Array.from({ length: count }, (_, i) => at + i), vectors: makeRows(at, count) });
    showFilled(at + count);
    $("fill-text").textContent = `${number(at + count)}, ${number(Math.round(((at + count - first) / (performance.now() - start)) * 1000))} rows/s`;
    await delay(0);
  }
  await db.compact(); // One segment has one index, which is faster than several.
}

/** What a search takes while there is no index yet. */
async function measureBefore() {
  const taken = [];
  for (let i = 0; i < 20; i++) taken.push((await timed({ vector: row(ROWS + i), topK: 10, include: [], exact: true })).milliseconds);
  $("before").textContent = milliseconds(quantile(taken, 0.5));
}

/** Builds what indexes are due, and then says `done`. */
async function build(done) {
  state("indexing");
  $("kind").disabled = true;
  $("status").textContent = "Building the index; searches go on …";
  $("build").value = 0;
  const start = performance.now();
  let segments = 0;
  let last;
  await db.buildIndexes({
    onProgress({ segment, progress }) {
      if (segment !== last) segments++;
      last = segment;
      $("build").value = progress;
      $("build-text").textContent = `${Math.round(progress * 100)} %${segments > 1 ? ` of segment ${segments}` : ""}`;
    },
  });
  await showMetrics();
  $("build").value = 1;
  $("build-text").textContent =
    indexedRows === 0 ? "none: rows are compared" : segments > 0 ? `built in ${((performance.now() - start) / 1000).toFixed(1)} s` : "there already";
  counted = [];
  $("kind").disabled = false;
  $("status").textContent = done;
  state("ready");
}

/* ---- recall ---- */

async function measureRecall() {
  $("measure").disabled = true;
  try {
    const asSet = settings();
    const queries = Array.from({ length: 50 }, (_, i) => row(ROWS + i));
    const searchAll = async (options) => {
      const answers = [];
      for (const vector of queries) answers.push(await timed({ vector, ...options }));
      return answers;
    };
    const [near, all] = await alone(async () => [await searchAll(asSet), await searchAll({ topK: asSet.topK, include: [], exact: true })]);
    let found = 0;
    let wanted = 0;
    all.forEach((truth, i) => {
      const ids = new Set(truth.found.map(({ id }) => id));
      found += near[i].found.filter(({ id }) => ids.has(id)).length;
      wanted += ids.size;
    });
    const median = (answers) => milliseconds(quantile(answers.map((answer) => answer.milliseconds), 0.5));
    $("measured").textContent = (found / wanted).toFixed(3);
    $("measured-p50").textContent = median(near);
    $("exact-p50").textContent = median(all);
    $("measured").dataset.queries = queries.length;
  } finally {
    $("measure").disabled = false;
  }
}

/* ---- controls ---- */

function showSettings() {
  $("recall-text").textContent = Number($("recall").value).toFixed(3);
  $("k-text").textContent = $("k").value;
  $("recall").disabled = $("exact").checked;
}

function changed() {
  showSettings();
  counted = [];
  wake();
}

function move(x, y) {
  $("wander").checked = false;
  Object.assign(place, { x, y });
  $("x").value = x;
  $("y").value = y;
  wake();
}

function fail(error) {
  state("failed");
  $("status").textContent = "";
  $("problem").hidden = false;
  $("problem").textContent =
    error.code === "OMEN_ERR_BUSY" ? "The database is open in another tab. Close that tab, then reload this page." : `${error.message ?? error}`;
}

/** Runs what a control started; a failure is shown. */
const run = (action) => () => action().catch(fail);

function listen() {
  for (const id of ["recall", "k", "exact"]) $(id).addEventListener("input", changed);
  for (const id of ["x", "y"]) $(id).addEventListener("input", () => move(Number($("x").value), Number($("y").value)));
  $("wander").addEventListener("input", () => wake());
  for (const type of ["pointerdown", "pointermove"]) {
    $("map").addEventListener(type, (event) => {
      const { x, y } = map.placeOf(event);
      move(x, y);
    });
  }
  document.addEventListener("visibilitychange", () => wake());
  addEventListener("resize", () => (resized = true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    forgetColours();
    resized = true;
  });
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  $("measure").addEventListener("click", run(measureRecall));
  $("kind").addEventListener("change", run(async () => {
    await vectors.setIndex($("kind").value);
    await build("The kind of index has changed.");
  }));
  $("again").addEventListener("click", run(async () => {
    $("again").disabled = true;
    closing = true;
    await db.close();
    await destroy(NAME);
    location.reload();
  }));
}
let closing = false;

async function start() {
  $("rows").textContent = number(ROWS);
  document.title = `${number(ROWS)} vectors in a page: OmenDB`;
  // Whoever asked for less motion moves the query themselves.
  $("wander").checked = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  showSettings();
  listen();

  const began = performance.now();
  db = await open(NAME); // OPFS where there is one, else IndexedDB; the engine runs in a worker
  vectors = await db.collection("vectors", { vector: { dimensions: DIMENSIONS, metric: "l2" } });
  const there = await vectors.count();
  const opened = milliseconds(performance.now() - began);
  document.body.dataset.found = there;

  if (there === 0) await vectors.setIndex("hnsw"); // What "auto" takes for as many; the small databases of tests have one so, too.
  $("kind").value = vectors.schema.vectors[0].index.kind;
  showFilled(there);
  const ignoreClosed = (error) => closing || fail(error);
  searchOn().catch(ignoreClosed);
  watch().catch(ignoreClosed);
  draw();

  if (there < ROWS) {
    await fill(there);
    await alone(measureBefore);
  } else {
    $("fill-text").textContent = number(there);
  }
  await build(there >= ROWS ? `Opened in ${opened}: everything was there.` : "Filled and indexed. Reload the page: it opens what is here.");
  $("again").disabled = false;
  $("measure").disabled = false;
}

start().catch(fail);
