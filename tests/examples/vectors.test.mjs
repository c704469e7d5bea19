/** The page of 100,000 vectors in Chromium, with 3,000 of them. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, missing, serve } from "../browser/harness.mjs";
import { ROOT, notBuilt } from "./prepare.mjs";

const skip = missing("chromium") || notBuilt("js/dist/omendb.wasm", "js/dist/platform/browser.js");
const ROWS = 3000;
let server, session, page;
const problems = [];

before(async () => {
  if (skip) return;
  // As a site would have it: the package at /omendb/, the page beside it.
  const routes = {};
  for (const file of await readdir(join(ROOT, "js/dist"), { recursive: true })) {
    if (/\.(js|wasm)$/.test(file)) routes[`/omendb/${file}`] = await readFile(join(ROOT, "js/dist", file));
  }
  server = await serve({ routes });
  session = await launch("chromium");
  page = await newPage();
});

after(async () => {
  await session?.close();
  await server?.close();
});

async function newPage() {
  const made = await session.page();
  made.on("console", (message) => ["error", "warn"].includes(message.type()) && problems.push(message.text()));
  made.on("pageerror", (error) => problems.push(String(error)));
  return made;
}

const address = () => `${server.origin}/examples/vectors/index.html?rows=${ROWS}`;
const textOf = (id) => page.$eval(`#${id}`, ({ textContent }) => textContent);
const wait = (what, ...args) => page.waitForFunction(what, { polling: 100 }, ...args);

/** Waits until the index is there; shows what the page complains of instead, if it does. */
async function ready() {
  await wait(() => ["ready", "failed"].includes(document.body.dataset.state));
  assert.equal(await textOf("problem"), "");
  assert.equal(await page.$eval("body", ({ dataset }) => dataset.state), "ready");
}

/** Latencies, hits and the explanation are those of searches through the index. */
async function answers() {
  await wait(() => /^[\d.]+ ms$/.test(document.getElementById("p50").textContent) && /^[\d.]+ ms$/.test(document.getElementById("p99").textContent));
  await wait(() => document.querySelectorAll("#hits li").length === 10);
  await wait(() => [...document.querySelectorAll("#sources tr")].some(({ textContent }) => textContent.includes("hnsw")));
  await wait((rows) => {
    const { sources } = JSON.parse(document.getElementById("explain").textContent);
    return sources.filter(({ index }) => index === "hnsw").reduce((sum, source) => sum + source.rows, 0) === rows;
  }, ROWS);
  assert.match(await textOf("memory"), /^[\d.]+ MiB$/);
  await wait(() => document.getElementById("indexed").textContent === "3,000");
}

async function recall() {
  await page.click("#measure");
  await wait(() => document.getElementById("measured").dataset.queries === "50");
  return Number(await textOf("measured"));
}

test("a first visit fills the database, builds the index and answers through it", { skip }, async () => {
  await page.goto(address());
  await ready();
  assert.equal(await page.$eval("body", ({ dataset }) => dataset.found), "0");
  assert.match(await textOf("fill-text"), /^3,000, [\d,]+ rows\/s$/);
  assert.match(await textOf("build-text"), /^built in /);
  assert.match(await textOf("before"), / ms$/);
  await answers();
});

test("most of the true nearest are found; exactly searched, all", { skip }, async () => {
  const found = await recall();
  assert.ok(found >= 0.9 && found <= 1, `recall ${found}`);
  assert.match(await textOf("exact-p50"), / ms$/);
  await page.$eval("#measured", (element) => delete element.dataset.queries);
  await page.click("#exact");
  assert.equal(await recall(), 1);
  await page.click("#exact");
});

test("k and the place of the query change the answer", { skip }, async () => {
  const range = (id, value) =>
    page.$eval(`#${id}`, (input, to) => {
      input.value = to;
      input.dispatchEvent(new Event("input"));
    }, value);
  await range("x", "-0.5");
  assert.equal(await page.$eval("#wander", ({ checked }) => checked), false);
  await range("k", "3");
  await wait(() => document.querySelectorAll("#hits li").length === 3);
  const before = await textOf("hits");
  await range("x", "0.5");
  await wait((text) => document.getElementById("hits").textContent !== text, before);
  const box = await (await page.$("#map")).boundingBox();
  await page.mouse.move(box.x + box.width / 4, box.y + box.height / 4);
  await wait(() => Number(document.getElementById("x").value) < 0 && Number(document.getElementById("y").value) > 0);
  await range("k", "10");
});

test("another kind of index replaces the first", { skip }, async () => {
  await page.select("#kind", "ivf");
  await wait(() => [...document.querySelectorAll("#sources tr")].some(({ textContent }) => textContent.includes("ivf")));
  await page.waitForSelector("#kind:enabled");
  await page.select("#kind", "hnsw");
  await answers();
  await page.waitForSelector("#kind:enabled");
});

test("a reload opens what is there", { skip }, async () => {
  await page.reload();
  await ready();
  assert.equal(await page.$eval("body", ({ dataset }) => dataset.found), String(ROWS));
  assert.match(await textOf("status"), /^Opened in [\d.]+ ms/);
  assert.equal(await textOf("build-text"), "there already");
  await answers();
  assert.ok((await recall()) >= 0.9);
});

test("a second tab has the same database", { skip }, async () => {
  const second = await newPage();
  await second.goto(address());
  await second.waitForSelector('body[data-state="ready"]');
  assert.equal(await second.$eval("#problem", ({ hidden }) => hidden), true);
  assert.equal(await second.$eval("body", ({ dataset }) => dataset.found), String(ROWS));
  await second.close();
  await page.bringToFront();
});

test("both canvases are drawn in the colours of the theme", { skip }, async () => {
  const themes = {};
  for (const value of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    const accent = await page.$eval("#measure", (button) => getComputedStyle(button).backgroundColor.match(/\d+/g).join(" "));
    for (const id of ["map", "latencies"]) {
      await wait((canvas, wanted) => {
        const drawn = document.getElementById(canvas);
        const copy = new OffscreenCanvas(drawn.width, drawn.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(drawn, 0, 0);
        const { data } = copy.getImageData(0, 0, drawn.width, drawn.height);
        for (let i = 0; i < data.length; i += 4) if (data.slice(i, i + 3).join(" ") === wanted) return true;
        return false;
      }, id, accent);
    }
    themes[value] = accent;
  }
  assert.notEqual(themes.light, themes.dark);
});

test("nothing is wider than the window, and every control has a name", { skip }, async () => {
  for (const width of [1280, 700, 360]) {
    await page.setViewport({ width, height: 800 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} pixels`);
  }
  const nameless = [];
  (function walk(node) {
    if (["button", "slider", "checkbox", "combobox", "progressbar", "img", "region"].includes(node.role) && !node.name) nameless.push(node);
    node.children?.forEach(walk);
  })(await page.accessibility.snapshot({ interestingOnly: true }));
  assert.deepEqual(nameless, []);
});

test("deleted, it is filled again", { skip }, async () => {
  await page.click("#again");
  await wait(() => document.body.dataset.found === "0");
  await ready();
  await answers();
  assert.deepEqual(problems, []);
});
