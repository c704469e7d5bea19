// The golden workload over every build of the module that Node.js can load, over storages, and through the WASI command: the
// same files and the same answers, to the bit.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { random } from "../js/random.mjs";
import { slow } from "../js/slow.mjs";
import { Hash, report, runWorkload } from "./workload.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const command = path.join(root, "build/wasi-command/omendb-command.wasm");
let golden;

/** Runs the workload on a storage in memory, perhaps wrapped, and reports. */
async function inMemory(wrap = (adapter) => adapter) {
  const place = memory();
  const answers = await runWorkload((options) => open("golden", { engine: "wasm", storage: wrap(place), ...options }));
  return report(place.export("golden"), answers);
}

before(async () => {
  golden = await inMemory();
});

test("the hash that every build gives", () => {
  const [, expected] = /GOLDEN_EXPECTED "([0-9a-f]{16})"/.exec(readFileSync(new URL("./expected.h", import.meta.url), "utf8"));
  assert.equal(golden.trimEnd().split("\n").at(-1), `golden ${expected}`);
});

test("the hash is FNV-1a", () => {
  assert.equal(String(new Hash()), "cbf29ce484222325");
  assert.equal(String(new Hash().add(new TextEncoder().encode("foobar"))), "85944171f73967e8");
});

test("the report names segments, manifest, log and answers, and depends on each byte", () => {
  assert.match(golden, /^(file (log|manifest|seg)-[0-9a-f]+ \d+ [0-9a-f]{16}\n){3,}answers [0-9a-f]{16}\ngolden [0-9a-f]{16}\n$/);
  assert.notEqual(report([["log-1", new Uint8Array([1])]], "0"), report([["log-1", new Uint8Array([2])]], "0"));
});

test("again: the same", async () => {
  assert.equal(await inMemory(), golden);
});

test("on a storage that answers late: the same", async (t) => {
  assert.equal(await inMemory((adapter) => slow(adapter, random(t))), golden);
});

for (const engine of ["wasm", "native"]) {
  test(`in a folder, engine ${engine}: the same`, async (t) => {
    const parent = mkdtempSync(path.join(tmpdir(), "omendb-golden-"));
    t.after(() => rmSync(parent, { recursive: true, force: true }));
    const folder = path.join(parent, "db");
    let answers;
    try {
      answers = await runWorkload((options) => open(folder, { engine, storage: "fs", ...options }));
    } catch (error) {
      if (engine === "native" && error.code === "OMEN_ERR_UNSUPPORTED") return t.skip(error.message);
      throw error;
    }
    assert.equal(report(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))]), answers), golden);
  });
}

test("the build with relaxed SIMD: the same", async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--experimental-wasm-relaxed-simd",
    "--input-type=module",
    "-e",
    `import { open } from ${JSON.stringify(new URL("../../js/dist/platform/node.js", import.meta.url).href)};
     import { hasRelaxedSimd } from ${JSON.stringify(new URL("../../js/dist/engine/probe.js", import.meta.url).href)};
     import { memory } from ${JSON.stringify(new URL("../../js/dist/storage/memory.js", import.meta.url).href)};
     import { report, runWorkload } from ${JSON.stringify(new URL("./workload.mjs", import.meta.url).href)};
     const place = memory();
     const answers = await runWorkload((options) => open("golden", { engine: "wasm", storage: place, ...options }));
     process.stdout.write((hasRelaxedSimd() ? "relaxed" : "plain") + "\\n" + report(place.export("golden"), answers));`,
  ]).catch((error) => (/bad option/.test(error.stderr) ? { stdout: "" } : Promise.reject(error)));
  if (!stdout.startsWith("relaxed\n")) return t.skip("this Node.js has no relaxed SIMD");
  assert.equal(stdout, `relaxed\n${golden}`);
});

test("the WASI command: the same", { skip: !existsSync(command) && "the preset wasi-command is not built" }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", path.join(root, "cmake/run-wasi.mjs"), command]);
  assert.equal(stdout, golden);
  const scalar = await promisify(execFile)(process.execPath, ["--no-warnings", path.join(root, "cmake/run-wasi.mjs"), command, "scalar"]);
  assert.equal(scalar.stdout, golden, "the portable kernels");
});
