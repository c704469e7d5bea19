/** The demo's page in Chromium, with thirty texts and the real sentence model. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, missing } from "../browser/harness.mjs";
import { PROGRAMS } from "./fixtures/programs.mjs";
import { ROOT, linkPackage, notBuilt } from "./prepare.mjs";

const skip =
  missing("chromium") ||
  notBuilt("js/dist/omendb.wasm", "js/dist/platform/browser.js") ||
  (!existsSync(join(ROOT, "examples/demo/node_modules/vite")) && "the demo's packages are not installed: npm ci in examples/demo");

const QUESTION = "find duplicate pictures";
let folder, served, session, page, printed;
const problems = [];
const foreign = [];

before(async () => {
  if (skip) return;
  linkPackage();
  folder = await mkdtemp(join(tmpdir(), "omendb-web-"));
  const { open } = await import("omendb");
  const { packagesOf, synchronise } = await import("../../examples/demo/library.mjs");
  const { loadModel } = await import("../../examples/demo/embed.mjs");
  const { fingerprint, hitLines } = await import("../../examples/demo/fingerprint.mjs");
  const { serve } = await import("../../examples/demo/web/serve.mjs");
  const db = await open(join(folder, "db"));
  const collection = await packagesOf(db);
  await synchronise(collection, PROGRAMS);
  const hits = await collection.search({ vector: await (await loadModel())(QUESTION), topK: 5 });
  printed = await fingerprint(hitLines(QUESTION, hits));
  await db.flush();
  await db.close();
  served = await serve({ database: join(folder, "db"), port: 0 });
  session = await launch("chromium");
  page = await newPage();
});

after(async () => {
  await session?.close();
  await served?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function newPage() {
  const made = await session.page();
  made.on("console", (message) => ["error", "warn"].includes(message.type()) && problems.push(message.text()));
  made.on("pageerror", (error) => problems.push(String(error)));
  made.on("request", (request) => {
    if (!request.url().startsWith(served.origin) && !/^(blob|data):/.test(request.url())) foreign.push(request.url());
  });
  return made;
}

const opened = () => page.waitForSelector('body[data-database="open"][data-model="ready"]');
const answered = (question) => page.waitForFunction((text) => document.getElementById("hits").dataset.question === text, {}, question);
/** The explanation is asked for after the hits are shown, and may come a moment later. */
const explained = (pattern) => page.waitForFunction((source) => new RegExp(source, "s").test(document.getElementById("explained").textContent), {}, pattern);
const textOf = (selector) => page.$eval(selector, ({ textContent }) => textContent);

async function ask(question) {
  await page.$eval("#question", (input) => input.select());
  await page.type("#question", question);
  await answered(question);
}

test("a first visit copies the database, and a question typed finds its answer", { skip }, async () => {
  await page.goto(served.origin);
  await opened();
  assert.equal(await page.$eval("body", ({ dataset }) => dataset.source), "server");
  await ask(QUESTION);
  assert.match(await textOf("#hits li:first-child .hit-name"), /twinshot/);
  assert.match(await textOf("#status"), /^12 nearest of 30 in /);
});

test("the answers are those of Node.js, bit for bit", { skip }, async () => {
  await page.waitForSelector("#print code");
  assert.equal((await page.$eval("#print code", ({ title }) => title)).split(": ").at(-1), printed);
});

test("the last of several quick questions is the one that stays", { skip }, async () => {
  await page.evaluate(() => {
    const input = document.getElementById("question");
    for (const text of ["play chess", "tune an instrument", "make films", "learn to play the guitar"]) {
      input.value = text;
      document.getElementById("search").requestSubmit();
    }
  });
  await answered("learn to play the guitar");
  assert.match(await textOf("#hits li:first-child .hit-name"), /fretboard/);
});

test("words are marked where they are found, and sections counted and chosen", { skip }, async () => {
  const way = (name) => page.click(`#ways input[value="${name}"] + span`);
  const shown = (name) => page.waitForFunction((want) => document.getElementById("hits").dataset.way === want, {}, name);
  await ask("sound recordings");
  await way("words");
  await shown("words");
  assert.match(await textOf("#hits li:first-child .hit-name"), /tapecut/);
  assert.deepEqual(await page.$$eval("#hits li:first-child .hit-summary mark", (marks) => marks.map(({ textContent }) => textContent)), ["recordings"]);
  assert.match(await textOf("#status"), /^\d+ best by words of 30 in /);
  await explained("Words.*sound.*postings");
  assert.equal(await page.$eval("#print", ({ hidden }) => hidden), true);
  await way("both");
  await shown("both");
  assert.deepEqual(await page.$$eval("#hits li:first-child .distance", (all) => all.map(({ textContent }) => textContent.replace(/[\d.]+/, "N"))), ["meaning N", "words N"]);
  await explained("Meaning.*% of the score");
  const all = await page.$$eval("#hits .tag", (tags) => new Set(tags.map(({ textContent }) => textContent)).size);
  assert.ok(all > 1);
  await page.click('#sections [data-section="video"]');
  await page.waitForFunction(() => [...document.querySelectorAll("#hits .tag")].every(({ textContent }) => textContent === "video"));
  await explained("Filter.*about");
  assert.ok((await page.$$("#sections button")).length > 1, "the other sections can still be chosen");
  await page.click('#sections [data-section="video"]');
  await page.waitForFunction(() => new Set([...document.querySelectorAll("#hits .tag")].map(({ textContent }) => textContent)).size > 1);
  await way("meaning");
  await shown("meaning");
});

test("a note is kept and found, and is there after a reload without any fetch of data", { skip }, async () => {
  await page.type("#note", "The spare key is under the blue flower pot");
  await page.click("#note-save");
  await page.waitForFunction(() => document.getElementById("note-status").textContent.startsWith("Durable"));
  await ask("where is the key");
  assert.match(await textOf("#hits li:first-child .hit-summary"), /flower pot/);

  served.requests.length = 0;
  await page.reload();
  await opened();
  await answered("where is the key"); // The question stands in the address.
  assert.equal(await page.$eval("body", ({ dataset }) => dataset.source), "storage");
  assert.match(await textOf("#hits li:first-child .hit-summary"), /flower pot/);
  assert.match(await textOf("#status"), /of 31 in /);
  assert.deepEqual(served.requests.filter((path) => /^\/(database|model)\//.test(path)), []);
});

test("the metrics count what was asked", { skip }, async () => {
  await page.waitForFunction(() => Number(document.querySelector("#tiles dd")?.textContent) >= 1);
  await page.click("#raw summary");
  await page.waitForFunction(() => /^omendb_engine_queries_total\{[^}]*kind="search"[^}]*\} [1-9]/m.test(document.getElementById("prometheus").textContent));
  assert.ok(await page.$eval("#bars", (bars) => [...bars.children].some(({ style }) => parseFloat(style.blockSize) > 0)));
});

test("answers can be walked through and read by keyboard, and a note deleted", { skip }, async () => {
  await page.focus("#question");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#hits li:first-child details[open]");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => / of 30 in /.test(document.getElementById("status").textContent));
  assert.equal(await page.evaluate(() => document.activeElement.id), "question");
});

test("nothing is wider than the window, on a phone neither", { skip }, async () => {
  for (const width of [1280, 700, 360]) {
    await page.setViewport({ width, height: 800 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} pixels`);
  }
  await page.setViewport({ width: 1280, height: 800 });
});

test("every control has a name", { skip }, async () => {
  const tree = await page.accessibility.snapshot({ interestingOnly: true });
  const nameless = [];
  (function walk(node) {
    if (["button", "link", "textbox", "searchbox", "img"].includes(node.role) && !node.name) nameless.push(node);
    node.children?.forEach(walk);
  })(tree);
  assert.deepEqual(nameless, []);
});

test("nothing came from elsewhere, and nothing was complained of", { skip }, () => {
  assert.deepEqual(foreign, []);
  assert.deepEqual(problems, []);
});

test("a second tab has the same database, and keeps it when the first one goes", { skip }, async () => {
  const second = await newPage();
  await second.goto(served.origin);
  await second.waitForSelector('body[data-database="open"]');
  assert.equal(await second.$eval("#problem", ({ hidden }) => hidden), true);
  await page.close();
  await second.reload();
  await second.waitForSelector('body[data-database="open"]');
  assert.equal(await second.$eval("#problem", ({ hidden }) => hidden), true);
  await second.close();
});
