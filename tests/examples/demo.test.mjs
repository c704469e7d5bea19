/** The demo's database: embeds what is new or changed and nothing else, goes on after an interruption, and both engines agree. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PROGRAMS } from "./fixtures/programs.mjs";
import { ROOT, linkPackage, notBuilt } from "./prepare.mjs";

const skip =
  notBuilt("js/dist/omendb.wasm", "js/dist/platform/node.js") ||
  (!existsSync(join(ROOT, "examples/demo/node_modules/@energetic-ai/core")) && "the demo's packages are not installed: npm ci in examples/demo");

const withDatabase = async (use) => {
  linkPackage();
  const { open } = await import("omendb");
  const library = await import("../../examples/demo/library.mjs");
  const folder = await mkdtemp(join(tmpdir(), "omendb-demo-"));
  try {
    await use({ ...library, open: (options) => open(join(folder, "db"), options) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

test("only new and changed texts are embedded, and what is gone is removed", { skip }, () =>
  withDatabase(async ({ open, packagesOf, synchronise }) => {
    const run = async (packages) => {
      const db = await open({ engine: "wasm" });
      const collection = await packagesOf(db);
      const result = await synchronise(collection, packages);
      assert.equal(await collection.count(), packages.length);
      await db.close();
      return result;
    };
    assert.deepEqual(await run(PROGRAMS), { embedded: 30, removed: 0, kept: 0 });
    assert.deepEqual(await run(PROGRAMS), { embedded: 0, removed: 0, kept: 30 });
    const changed = PROGRAMS.slice(1).map((one, i) => (i === 0 ? { ...one, summary: "teaches the violin" } : one));
    assert.deepEqual(await run(changed), { embedded: 1, removed: 1, kept: 28 });
  }),
);

test("an interrupted run keeps every batch it has written", { skip }, () =>
  withDatabase(async ({ open, packagesOf, synchronise }) => {
    const many = Array.from({ length: 80 }, (_, i) => ({ ...PROGRAMS[i % 30], name: `p${i}`, summary: `program ${i}`, text: "" }));
    let db = await open({ engine: "wasm" });
    const stop = new Error("stopped");
    await assert.rejects(
      synchronise(await packagesOf(db), many, (done) => {
        if (done >= 32) throw stop;
      }),
      stop,
    );
    await db.close();
    db = await open({ engine: "wasm" });
    const { embedded, kept } = await synchronise(await packagesOf(db), many);
    assert.deepEqual({ embedded, kept }, { embedded: 48, kept: 32 });
    await db.close();
  }),
);

test("the index is there after an import, and once", { skip }, () =>
  withDatabase(async ({ open, packagesOf, synchronise, buildIndex, SCHEMA }) => {
    const many = Array.from({ length: 80 }, (_, i) => ({ ...PROGRAMS[i % 30], name: `p${i}`, summary: `program ${i}`, text: "" }));
    const db = await open({ engine: "wasm" });
    // As an earlier version made it: the index was left to OmenDB.
    const collection = await db.collection("packages", { ...SCHEMA, vector: { ...SCHEMA.vector, index: "auto" } });
    await synchronise(collection, many);
    for (const built of [1, 0]) {
      let ends = 0;
      await buildIndex(db, await packagesOf(db), ({ progress }) => (ends += progress === 1));
      assert.equal(ends, built);
    }
    const { collections } = await db.stats();
    assert.deepEqual(collections[0].segments.map(({ rows, indexes }) => [rows, indexes.map(({ index }) => index.kind)]), [[80, ["hnsw"]]]);
    await db.close();
  }),
);

test("everyday questions find their programs, alike in every engine", { skip }, () =>
  withDatabase(async ({ open, packagesOf, synchronise }) => {
    const { loadModel } = await import("../../examples/demo/embed.mjs");
    const { fingerprint, hitLines } = await import("../../examples/demo/fingerprint.mjs");
    const embed = await loadModel();
    const questions = { "find duplicate pictures": "twinshot", "learn to play the guitar": "fretboard", "play chess": "rookery", "look at the stars": "starchart" };
    const prints = new Map();
    const auto = await open();
    const engines = ["wasm", ...(auto.engine.kind === "native" ? ["native"] : [])];
    await auto.close();
    for (const engine of engines) {
      const db = await open({ engine });
      const collection = await packagesOf(db);
      await synchronise(collection, PROGRAMS);
      const lines = [];
      for (const [text, expected] of Object.entries(questions)) {
        const hits = await collection.search({ vector: await embed(text), topK: 5 });
        assert.equal(hits[0].id, expected, text);
        lines.push(...hitLines(text, hits));
      }
      prints.set(await fingerprint(lines), engine);
      await db.close();
    }
    assert.equal(prints.size, 1);
  }),
);
