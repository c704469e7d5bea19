/** The page: a question goes to the model's worker, its vector to the database's worker, the hits onto the page. */
import { Embedder } from "./embedder.mjs";
import { showExplained } from "./explained.mjs";
import { Choices } from "./facets.mjs";
import { megabytes, milliseconds } from "./format.mjs";
import { element, showHits, walkable } from "./hits.mjs";
import { showMetrics, showText } from "./metrics.mjs";
import { forget, openStore } from "./store.mjs";
// Served from the folder above: the same code as in Node.js.
import { fingerprint, hitLines } from "./shared/fingerprint.mjs";

const EXAMPLES = [
  "find duplicate pictures",
  "learn to play the guitar",
  "play chess against the computer",
  "draw mathematical graphs",
  "record my screen",
];
const HITS = 12;
/** Node's demo shows five hits a question; the fingerprint is taken over as many. */
const PRINTED = 5;

const get = (id) => document.getElementById(id);
const input = get("question");
const list = get("hits");
const choices = new Choices(get("ways"), () => search());
const state = { store: undefined, embedder: undefined, asked: 0, shown: "" };

function say(text) {
  get("status").textContent = text;
}

const loading = { model: 0, database: undefined, text: "" };
function showLoading() {
  const parts = [loading.model, loading.database].filter((share) => share !== undefined && share < 1);
  get("loading").hidden = parts.length === 0;
  const shares = [loading.model, loading.database].filter((share) => share !== undefined);
  get("loading-bar").style.inlineSize = `${(shares.reduce((a, b) => a + b, 0) / shares.length) * 100}%`;
  const model = loading.model < 1 ? `Loading the sentence model: ${Math.round(loading.model * 100)} %` : "";
  get("loading-text").textContent = [loading.database !== undefined && loading.database < 1 ? loading.text : "", model].filter(Boolean).join(" · ");
}

function showProblem(error, again) {
  console.error(error);
  get("problem").hidden = false;
  get("loading").hidden = true;
  const busy = error.code === "OMEN_ERR_BUSY";
  get("problem-title").textContent = busy ? "The database is open in another tab" : "That did not work";
  get("problem-text").textContent = busy ? "One tab at a time may write to it. Close the other one, then try again." : `${error.message}`;
  get("problem-retry").onclick = () => {
    get("problem").hidden = true;
    again();
  };
  say("");
}

/** The question as the chosen way needs it: words need no model. */
async function prepared(text) {
  if (!choices.usesVector) return { text };
  await state.embedder.ready;
  const embedded = await state.embedder.question(text);
  return embedded === undefined ? undefined : { text, ...embedded };
}

/** Searches for what stands in the field; only the latest question is shown. */
async function search() {
  const text = input.value.trim().replace(/\s+/g, " ");
  const mine = ++state.asked;
  history.replaceState(null, "", text === "" ? location.pathname + location.search : `#${new URLSearchParams({ q: text })}`);
  for (const chip of get("examples").children) chip.setAttribute("aria-pressed", String(chip.textContent === text));
  if (text === "") {
    list.replaceChildren();
    get("print").hidden = true;
    get("explained-card").hidden = true;
    get("sections").replaceChildren();
    get("idle").hidden = false;
    say(state.store === undefined ? "Starting…" : "Type, or choose one of the questions above.");
    return;
  }
  if (state.store === undefined) return;
  try {
    const question = await prepared(text);
    if (question === undefined || mine !== state.asked) return;
    const { records, count } = state.store;
    const queries = choices.queries(question, HITS);
    const began = performance.now();
    const [hits, { facets }] = await records.searchMany(queries);
    const took = performance.now() - began;
    if (mine !== state.asked) return;
    get("idle").hidden = true;
    showHits(list, hits, { onDelete: deleteNote });
    choices.show(get("sections"), facets.section);
    list.dataset.question = text;
    list.dataset.way = choices.way;
    const embedding = question.ms === undefined ? "" : `, after ${milliseconds(question.ms / 1000)} to embed the question`;
    say(`${hits.length} ${choices.way === "meaning" && !choices.filtered ? "nearest" : choices.hint} of ${count.toLocaleString("en")} in ${milliseconds(took / 1000)}${embedding}`);
    const plain = choices.way === "meaning" && !choices.filtered;
    const print = plain ? await fingerprint(hitLines(text, hits.slice(0, PRINTED))) : undefined;
    const explanation = await records.explain(queries[0]);
    if (mine !== state.asked) return;
    get("print").hidden = !plain;
    if (plain) get("print").replaceChildren("fingerprint ", element("code", { title: `SHA-256 of the first ${PRINTED} ids and distances: ${print}` }, print.slice(0, 12)));
    get("explained-card").hidden = false;
    showExplained(get("explained"), explanation);
    await showMetrics(state.store.db);
  } catch (error) {
    if (mine === state.asked) showProblem(error, search);
  }
}

async function deleteNote(id) {
  await state.store.records.delete([id]);
  state.store.count = await state.store.records.count();
  showFacts();
  input.focus();
  await search();
}

async function keepNote(event) {
  event.preventDefault();
  const text = get("note").value.trim().replace(/\s+/g, " ");
  if (text === "") return;
  get("note-save").disabled = true;
  const tell = (line) => (get("note-status").textContent = line);
  try {
    await state.embedder.ready;
    const { vector } = await state.embedder.record([text]);
    const began = performance.now();
    await state.store.records.upsert([{ id: `note ${new Date().toISOString()}`, vector, section: "note", summary: text, text: "" }]);
    tell(`Durable after ${milliseconds((performance.now() - began) / 1000)}. Search for it, or reload first.`);
    get("note").value = "";
    state.store.count = await state.store.records.count();
    showFacts();
    if (input.value.trim() === "") await showMetrics(state.store.db);
    else await search();
  } catch (error) {
    tell(`Not kept: ${error.message}`);
  }
  get("note-save").disabled = false;
}

function showFacts() {
  const { count, storage, copied, openMs, db } = state.store;
  const storageName = { opfs: "OPFS", indexeddb: "IndexedDB" }[storage] ?? storage;
  get("count").textContent = count.toLocaleString("en");
  get("badges").replaceChildren(
    element("li", { title: "Where the files lie" }, storageName),
    element("li", { title: "The engine and its instruction set" }, `WebAssembly · ${db.engine.kernels}`),
    element("li", { title: "A write is acknowledged when it would survive a power loss" }, "durable"),
  );
  get("opened").replaceChildren(
    element("strong", {}, milliseconds(openMs / 1000)),
    copied === undefined ? ` to open it from ${storageName}. Nothing was fetched.` : ` to open it, after ${megabytes(copied.bytes)} were copied in ${milliseconds(copied.ms / 1000)}. Reload: it stays.`,
  );
  const facts = [
    ["records", count.toLocaleString("en")],
    ["vectors", "512 × f32, cosine"],
    ["kept in", storageName],
    ["database id", db.id.slice(0, 8)],
  ];
  get("facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  document.body.dataset.source = copied === undefined ? "storage" : "server";
}

async function start() {
  showLoading();
  state.embedder ??= new Embedder((share) => {
    loading.model = share * 0.98;
    showLoading();
  });
  state.embedder.ready.then(
    () => {
      loading.model = 1;
      showLoading();
      get("note-save").disabled = false;
      document.body.dataset.model = "ready";
    },
    (error) => showProblem(error, () => location.reload()),
  );
  try {
    state.store = await openStore((share, text) => {
      Object.assign(loading, { database: share, text });
      showLoading();
    });
    loading.database = loading.database === undefined ? undefined : 1;
    showLoading();
    showFacts();
    document.body.dataset.database = "open";
    await showMetrics(state.store.db);
    say(input.value.trim() === "" ? "Type, or choose one of the questions above." : "Loading the sentence model…");
    await search();
  } catch (error) {
    showProblem(error, start);
  }
}

let timer;
input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, 60);
});
get("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  search();
});
get("note-form").addEventListener("submit", keepNote);
get("note").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("note-form").requestSubmit();
});
get("examples").append(
  ...EXAMPLES.map((text) =>
    element("button", { type: "button", "aria-pressed": "false", onclick: () => ((input.value = text), search()) }, text),
  ),
);
get("reset").addEventListener("click", async () => {
  if (!confirm("Empty this browser's copy? Notes you have kept here are lost.")) return;
  await forget(state.store?.db).catch((error) => console.error(error));
  location.reload();
});
get("raw").addEventListener("toggle", () => {
  if (get("raw").open && state.store !== undefined) showText(state.store.db).catch((error) => console.error(error));
});
walkable(list, input);
setInterval(() => {
  if (state.store !== undefined && document.visibilityState === "visible") showMetrics(state.store.db).catch(() => {});
}, 2000);
addEventListener("pagehide", () => state.store?.db.close());
addEventListener("pageshow", ({ persisted }) => persisted && location.reload()); // It comes back as it was, with a closed database.
input.value = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
start();
