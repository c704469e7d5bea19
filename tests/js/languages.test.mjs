// Languages of text fields: modules that the engine in WebAssembly loads when they are needed; the native engine has all inside. Same words, same answers.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { NativeEngine, loadNative } from "../../js/dist/engine/native.js";
import { Language, languageLoader } from "../../js/dist/languages.js";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random } from "./random.mjs";
import { slow } from "./slow.mjs";

const native = await loadNative(process.env.OMENDB_NATIVE || undefined).catch((error) => error);
const noNative = native instanceof NativeEngine ? false : `no native engine: ${native.message}`;
if (!noNative) await native.close();

const dist = new URL("../../js/dist/", import.meta.url);
const moduleOf = (code) => new URL(`lang/omendb-lang-${code}.wasm`, dist);
const codes = readdirSync(new URL("lang/", dist)).map((name) => /^omendb-lang-(..)\.wasm$/.exec(name)[1]);

// A few sentences in each language, and words in other forms than they have there.
const texts = {
  de: [["Die Häuser der Nachbarn stehen am Fluss", "Ein Haus aus Holz und Stein", "Wir liefen durch die Wälder und über Wiesen", "Der Wald schweigt in der Nacht", "Größere Straßen, kleinere Gärten"], ["haus", "laufen", "Wald", "\"häuser der nachbarn\"", "straße garten", "die", "grosse", "holz -stein"]],
  fr: [["L'école des enfants est fermée aujourd'hui", "Les chevaux courent dans la prairie", "Un cheval blanc mange l'herbe", "Nous mangeons du pain et du fromage", "Elle continua de chanter ses chansons"], ["cheval", "manger", "écoles", "chanson", "continuation", "les", "enfant fermer"]],
  ru: [["Книги лежат на столе", "Он читает книгу о войне", "Красивая девушка поёт песни", "Дома стоят у реки", "Мы читали в доме"], ["книга", "читать", "песня", "дом", "красивый", "на"]],
  es: [["Los niños juegan en los jardines", "El jardinero corta las flores rojas", "Una flor roja en la mesa", "Jugaban al fútbol cada tarde"], ["niño", "jugar", "flor", "jardín", "tardes"]],
  ar: [["الكتب على الطاولة", "قرأت كتابا جديدا", "المدارس في المدينة الكبيرة"], ["كتاب", "مدرسة", "المدينة"]],
  tr: [["Evlerin kapıları açık", "İstanbul'da bir ev", "Kitapları okudum", "Işık söndü"], ["ev", "kitap", "kapı", "istanbul", "ışık"]],
  sr: [["Књиге су на столу", "Čitao sam knjigu", "Деца се играју"], ["knjiga", "књига", "дете"]],
  el: [["Τα βιβλία είναι στο τραπέζι", "Διαβάζω ένα βιβλίο", "Οι δρόμοι της πόλης"], ["βιβλίο", "δρόμος", "πόλη"]],
  ta: [["புத்தகங்கள் மேசையில் உள்ளன", "நான் புத்தகத்தைப் படித்தேன்"], ["புத்தகம்", "மேசை"]],
  en: [["Running horses in the meadows", "A horse runs", "The houses by the river"], ["horse", "run", "house", "the"]],
};

/** For languages without sentences above: their own stop words and some syllables, so that every stemmer runs. */
function textsOf(code) {
  if (texts[code] !== undefined) return texts[code];
  const { stops } = new Language(code, new WebAssembly.Module(readFileSync(moduleOf(code))));
  const words = new TextDecoder().decode(stops).split("\0").filter((word) => word !== "");
  const known = words.length > 0 ? words : ["ક", "leabhar", "kitab", "पुस्तक", "किताबों", "पुस्तकहरू", "գրքեր", "liburuak", "ביכער"];
  const documents = Array.from({ length: 12 }, (_, i) => known.filter((_, j) => (j * 7 + i) % 5 === 0).slice(0, 20).map((word, j) => (j % 3 === 0 ? word + known[(j + i) % known.length] : word)).join(" "));
  return [documents, documents.flatMap((text) => text.split(" ").filter((_, i) => i % 3 === 0))];
}

async function folder(t) {
  const root = await mkdtemp(path.join(tmpdir(), "omen-languages-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  return path.join(root, "db");
}

const schemaOf = (code) => ({ text: [{ name: "title", language: code }, { name: "plain", language: "none" }, { name: "kept", language: code, stopWords: "keep", accents: "keep" }] });

async function fill(db, code) {
  const [documents] = textsOf(code);
  const c = await db.collection(code, schemaOf(code));
  await c.upsert(documents.map((text, id) => ({ id, title: text, plain: text, kept: text })));
  return c;
}

/** All that searches answer, exactly: order, scores, highlights. */
async function answers(c, code) {
  const [, queries] = textsOf(code);
  const all = [];
  for (const query of queries) {
    const hits = await c.search({ text: { query, fields: ["title"] }, topK: 20, highlight: { fields: ["title"] } });
    const everywhere = await c.search({ text: query, topK: 20 });
    all.push([query, hits.map(({ id, score, highlights }) => [id, score, highlights]), everywhere.map(({ id, score }) => [id, score])]);
  }
  return all;
}

async function withDatabase(name, options, body) {
  const db = await open(name, options);
  try {
    return await body(db);
  } finally {
    await db.close();
  }
}

test("each language's module is small, is that language's, and needs nothing", async () => {
  for (const code of ["de", "fr", "ru", "sr", "tr"]) assert.ok(codes.includes(code), code);
  assert.ok(codes.length >= 27);
  for (const code of codes) {
    const bytes = await readFile(moduleOf(code));
    const module = await WebAssembly.compile(bytes);
    assert.deepEqual(WebAssembly.Module.imports(module), []);
    assert.ok(bytes.length < 100_000, code);
    const language = new Language(code, module);
    const stops = new TextDecoder("utf-8", { fatal: true }).decode(language.stops);
    assert.ok(stops === "" || stops.endsWith("\0"));
  }
});

test("a language's instance stems words as Snowball does, and leaves what does not fit", () => {
  const de = new Language("de", new WebAssembly.Module(readFileSync(moduleOf("de"))));
  const heap = new Uint8Array(128);
  const stem = (word, room = 64) => {
    const bytes = new TextEncoder().encode(word);
    heap.set(bytes, 5);
    const length = de.stem(heap, 5, bytes.length, room);
    return new TextDecoder().decode(heap.subarray(5, 5 + length));
  };
  assert.deepEqual(["häuser", "laufen", "kategorischen", "a"].map((word) => stem(word)), ["haus", "lauf", "kategor", "a"]);
  assert.equal(stem("x".repeat(64)), "x".repeat(64));
  assert.throws(() => new Language("fr", new WebAssembly.Module(readFileSync(moduleOf("de")))), { code: "OMEN_ERR_UNSUPPORTED", message: /that was given for language "fr" is that of "de"/ });
  assert.throws(() => new Language("de", new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))), { code: "OMEN_ERR_UNSUPPORTED", message: /is none of a language/ });
});

for (const code of [...new Set([...codes, "en"])]) {
  test(`${code}: both engines find the same in memory and in segments, and one reads what the other wrote`, { skip: noNative }, async (t) => {
    const place = await folder(t);
    const place2 = await folder(t);
    const seen = {};
    for (const [engine, at] of [["native", place], ["wasm", place2]]) {
      await withDatabase(at, { engine }, async (db) => {
        const c = await fill(db, code);
        seen[`${engine}, in memory`] = await answers(c, code);
        await db.flush();
        seen[`${engine}, in a segment`] = await answers(c, code);
        await c.upsert(textsOf(code)[0].map((text, id) => ({ id, title: text, plain: text, kept: text })));
      });
    }
    for (const [engine, at] of [["wasm", place], ["native", place2]]) {
      await withDatabase(at, { engine }, async (db) => {
        const c = await db.collection(code);
        seen[`${engine}, of the other's log and segment`] = await answers(c, code);
        // The other's index serves: no document had to be read.
        assert.match(JSON.stringify(await c.explain({ text: textsOf(code)[1][0], topK: 3 })), /"documentsIndexed":0/);
        await db.compact();
        seen[`${engine}, of the other's, merged`] = await answers(c, code);
      });
    }
    const expected = seen["native, in memory"];
    assert.ok(expected.some(([, hits]) => hits.length > 0), "nothing was found");
    for (const [where, got] of Object.entries(seen)) if (!where.includes("log")) assert.deepEqual(got, expected, where);
    assert.deepEqual(seen["wasm, of the other's log and segment"], seen["native, of the other's log and segment"]);
  });
}

test("German words are found by their stems, and its stop words are dropped", async () => {
  await withDatabase("db", { engine: "wasm", storage: memory() }, async (db) => {
    const c = await fill(db, "de");
    const ids = async (query) => (await c.search({ text: { query, fields: ["title"] }, topK: 9 })).map(({ id }) => id).sort();
    assert.deepEqual(await ids("haus"), [0, 1]);
    assert.deepEqual(await ids("wald"), [2, 3]);
    assert.deepEqual(await ids("der"), []);
    assert.deepEqual(await ids("Strasse"), [4]);
  });
});

test("what is recovered from the log has its words too, however late the storage answers", async (t) => {
  const adapter = slow(memory(), random(t));
  const read = async (db) => answers(await db.collection("de"), "de");
  const db = await open("db", { engine: "wasm", storage: adapter });
  await fill(db, "de");
  await fill(db, "fr");
  const before = await read(db);
  await db.close();
  // Recovery itself waits for both languages: the tables it fills are indexed, and searches read no documents.
  await withDatabase("db", { engine: "wasm", storage: adapter }, async (again) => {
    assert.deepEqual(await read(again), before);
    const told = JSON.stringify(await (await again.collection("fr")).explain({ text: "cheval", topK: 3 }));
    assert.match(told, /"documentsIndexed":0/);
  });
  await withDatabase("db", { engine: "wasm", storage: adapter, readOnly: true }, async (again) => assert.deepEqual(await read(again), before));
});

const broken = { languages: { de: new URL("nowhere.wasm", dist) } };

test("a language that cannot be loaded: writes go on, its text is refused with what helps, other fields are searched", async () => {
  const storage = memory();
  const lines = [];
  const expected = await withDatabase("other", { engine: "wasm", storage: memory() }, async (db) => answers(await fill(db, "de"), "de"));
  await withDatabase("db", { engine: "wasm", storage, log: (level, line) => lines.push([level, line]), ...broken }, async (db) => {
    const c = await fill(db, "de");
    assert.equal(await c.count(), 5);
    const message = /text field "title" cannot be searched: its language "de" is not loaded: the module of language "de" cannot be loaded from file:.*nowhere\.wasm: ENOENT.*languages: \{ de: … \}.*call db\.collection again/s;
    await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED", message });
    await assert.rejects(c.explain({ text: { query: "haus", fields: ["title"] } }), { code: "OMEN_ERR_UNSUPPORTED" });
    assert.deepEqual((await c.search({ text: { query: "haus", fields: ["plain"] }, topK: 9 })).map(({ id }) => id), [1]);
    assert.equal(await c.count({ filter: { title: { $prefix: "Die" } } }), 1);
    await db.flush();
    await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED", message });
  });
  assert.deepEqual(lines.filter(([, line]) => line.includes('language "de"')).map(([level]) => level), ["warn"]);
  // With the language again: what was written without it is read for each search, until it is merged.
  await withDatabase("db", { engine: "wasm", storage }, async (db) => {
    const c = await db.collection("de");
    const read = async () => (await c.explain({ text: { query: "haus", fields: ["title"] }, topK: 3 }));
    assert.deepEqual(await answers(c, "de"), expected);
    assert.match(JSON.stringify(await read()), /"documentsIndexed":[1-9]/);
    await c.upsert([{ id: 0, title: "Die Häuser der Nachbarn stehen am Fluss", plain: "Die Häuser der Nachbarn stehen am Fluss", kept: "Die Häuser der Nachbarn stehen am Fluss" }]);
    await db.compact();
    assert.deepEqual(await answers(c, "de"), expected);
    assert.match(JSON.stringify(await read()), /"documentsIndexed":0/);
  });
});

test("a database whose words were indexed, opened without the language: refused, never wrong; merged without it, it is right again with it", async () => {
  const storage = memory();
  const expected = await withDatabase("db", { engine: "wasm", storage }, async (db) => {
    const all = await answers(await fill(db, "de"), "de");
    await db.flush();
    await fill(db, "de");
    return all;
  });
  const quiet = { engine: "wasm", storage, log: () => {} };
  await withDatabase("db", { ...quiet, ...broken }, async (db) => {
    const c = await db.collection("de", schemaOf("de"));
    await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED" });
    await c.upsert([{ id: 50, title: "Noch ein Haus" }]);
    await db.compact();
    await c.delete(50);
    await db.check();
  });
  await withDatabase("db", quiet, async (db) => {
    const c = await db.collection("de");
    await db.compact();
    assert.deepEqual(await answers(c, "de"), expected);
  });
});

test("a language that failed is asked for again when the collection is opened again; text is indexed from then on", async () => {
  let broken = true;
  const source = await readFile(moduleOf("de"));
  // The option is looked at once; the place it names may come to work meanwhile.
  const root = await mkdtemp(path.join(tmpdir(), "omen-languages-"));
  const url = pathToFileURL(path.join(root, "de.wasm"));
  try {
    await withDatabase("db", { engine: "wasm", storage: memory(), log: () => {}, languages: { de: url } }, async (db) => {
      const c = await fill(db, "de");
      await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED" });
      await (await import("node:fs/promises")).writeFile(url, source);
      broken = false;
      await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED" });
      const again = await db.collection("de");
      assert.deepEqual((await again.search({ text: { query: "haus", fields: ["title"] }, topK: 9 })).map(({ id }) => id).sort(), [0, 1]);
      await c.upsert([{ id: 70, title: "Viele Häuser" }]);
      assert.deepEqual((await c.search({ text: { query: "haus", fields: ["title"] }, topK: 9 })).map(({ id }) => id).sort((a, b) => a - b), [0, 1, 70]);
      await db.flush();
      await c.upsert([{ id: 71, title: "Häuserzeile, Haus um Haus" }]);
      assert.deepEqual((await c.search({ text: { query: "haus", fields: ["title"] }, topK: 9 })).map(({ id }) => id).sort((a, b) => a - b), [0, 1, 70, 71]);
      assert.match(JSON.stringify(await c.explain({ text: { query: "haus", fields: ["title"] } })), /"documentsIndexed":0/);
    });
    assert.equal(broken, false);
  } finally {
    await rm(root, { recursive: true });
  }
});

test("modules can be handed over: compiled, by URL, or as a data URL; what is none is refused", async () => {
  const bytes = await readFile(moduleOf("de"));
  for (const de of [await WebAssembly.compile(bytes), moduleOf("de"), moduleOf("de").href, `data:application/wasm;base64,${bytes.toString("base64")}`]) {
    await withDatabase("db", { engine: "wasm", storage: memory(), languages: { de } }, async (db) => {
      assert.equal((await (await fill(db, "de")).search({ text: { query: "haus", fields: ["title"] } })).length, 2);
    });
  }
  for (const [languages, message] of [
    [{ de: 5 }, /languages\.de must be a WebAssembly\.Module, or the URL of one/],
    [{ de: "no url" }, /languages\.de is "no url", which is no URL/],
    [{ german: moduleOf("de") }, /languages has "german"; languages go by codes of two letters/],
    [["de"], /languages must be an object/],
    [null, /languages must be an object/],
  ]) {
    await assert.rejects(open("db", { engine: "wasm", storage: memory(), languages }), { code: "OMEN_ERR_INVALID", message });
  }
  await withDatabase("db", { engine: "wasm", storage: memory(), log: () => {}, languages: { de: await WebAssembly.compile(await readFile(moduleOf("fr"))) } }, async (db) => {
    const c = await fill(db, "de");
    await assert.rejects(c.search({ text: "haus" }), { code: "OMEN_ERR_UNSUPPORTED", message: /is not loaded: the module that was given for language "de" is that of "fr"/ });
  });
});

test("modules are compiled once for all databases, and again after a failure", async () => {
  let compiled = 0;
  let fails = true;
  const module = await WebAssembly.compile(await readFile(moduleOf("de")));
  const source = {
    packaged: moduleOf,
    compile: async () => {
      compiled++;
      if (fails) throw new Error("no network");
      return module;
    },
  };
  const cache = new Map();
  await assert.rejects(languageLoader(source, cache)("de"), { code: "OMEN_ERR_UNSUPPORTED", message: /no network/ });
  fails = false;
  const [a, b] = await Promise.all([languageLoader(source, cache)("de"), languageLoader(source, cache)("de")]);
  assert.equal(a, b);
  assert.equal(compiled, 2);
  await assert.rejects(languageLoader({ ...source, packaged: undefined }, new Map())("de"), { message: /cannot be loaded on this platform by itself/ });
});

test("many collections asked for at once wait for their languages, and others do not wait for them", async () => {
  await withDatabase("db", { engine: "wasm", storage: memory() }, async (db) => {
    const some = ["de", "fr", "ru", "es", "de", "en", "none"];
    const all = await Promise.all(some.map((language, i) => db.collection(`c${i}`, { text: [{ name: "title", language }] })));
    await Promise.all(all.map((c) => c.upsert([{ id: 1, title: "Haus maison книга casa house" }])));
    const hits = await Promise.all(all.map((c) => c.search({ text: "Haus" })));
    assert.deepEqual(hits.map(({ length }) => length), some.map(() => 1));
  });
});

test("a database that is closed while a language is being loaded closes", async () => {
  const db = await open("db", { engine: "wasm", storage: memory(), log: () => {} });
  const asked = db.collection("de", schemaOf("de"));
  const outcome = asked.then(() => "opened", (error) => error.code);
  await db.close();
  assert.match(await outcome, /^(opened|OMEN_ERR_CLOSED)$/);
});
