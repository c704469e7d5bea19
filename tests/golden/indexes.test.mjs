// Indexes of every kind are the same files, and give the same answers, through every build of the module that Node.js can load and through the addon: those of
// index_test.c, whose hash stands in expected.h.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random } from "../js/random.mjs";
import { slow } from "../js/slow.mjs";
import { runIndexes } from "./indexes.mjs";

const [, expected] = /GOLDEN_INDEX_EXPECTED "([0-9a-f]{16})"/.exec(readFileSync(new URL("./expected.h", import.meta.url), "utf8"));

/** Runs it on a storage in memory, perhaps wrapped. */
function inMemory(wrap = (adapter) => adapter) {
  const place = memory();
  return runIndexes((options) => open("indexes", { engine: "wasm", storage: wrap(place), ...options }), () => place.export("indexes"));
}

test("indexes through WebAssembly", async () => {
  assert.equal(await inMemory(), expected);
});

test("indexes on a storage that answers late", async (t) => {
  assert.equal(await inMemory((adapter) => slow(adapter, random(t))), expected);
});

for (const engine of ["wasm", "native"]) {
  test(`indexes in a folder, engine ${engine}`, async (t) => {
    const parent = mkdtempSync(path.join(tmpdir(), "omendb-golden-"));
    t.after(() => rmSync(parent, { recursive: true, force: true }));
    const folder = path.join(parent, "db");
    const files = () => readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))]);
    let hash;
    try {
      hash = await runIndexes((options) => open(folder, { engine, storage: "fs", ...options }), files);
    } catch (error) {
      if (engine === "native" && error.code === "OMEN_ERR_UNSUPPORTED") return t.skip(error.message);
      throw error;
    }
    assert.equal(hash, expected);
  });
}

test("indexes through the build with relaxed SIMD", async (t) => {
  const url = (name) => JSON.stringify(new URL(name, import.meta.url).href);
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--experimental-wasm-relaxed-simd",
    "--input-type=module",
    "-e",
    `import { open } from ${url("../../js/dist/platform/node.js")};
     import { hasRelaxedSimd } from ${url("../../js/dist/engine/probe.js")};
     import { memory } from ${url("../../js/dist/storage/memory.js")};
     import { runIndexes } from ${url("./indexes.mjs")};
     const place = memory();
     const hash = await runIndexes((options) => open("indexes", { engine: "wasm", storage: place, ...options }), () => place.export("indexes"));
     process.stdout.write((hasRelaxedSimd() ? "relaxed " : "plain ") + hash);`,
  ]).catch((error) => (/bad option/.test(error.stderr) ? { stdout: "" } : Promise.reject(error)));
  if (!stdout.startsWith("relaxed ")) return t.skip("this Node.js has no relaxed SIMD");
  assert.equal(stdout, `relaxed ${expected}`);
});
