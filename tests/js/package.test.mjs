// The package as it is published: packed, installed into an empty folder, and used from every runtime; the answers must be the same.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const js = fileURLToPath(new URL("../../js/", import.meta.url));
const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const require = createRequire(path.join(js, "package.json"));
const root = mkdtempSync(path.join(tmpdir(), "omendb-package-"));
const app = path.join(root, "app");
const environment = { ...process.env, DENO_NO_UPDATE_CHECK: "1", DENO_DIR: path.join(root, "deno"), BUN_INSTALL_CACHE_DIR: path.join(root, "bun") };
const run = async (file, args, cwd = app) => {
  try {
    return await promisify(execFile)(file, args, { cwd, env: environment, timeout: 1_000_000, maxBuffer: 1 << 24 });
  } catch (error) {
    throw new Error(`${path.basename(file)} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
};
const lastLine = ({ stdout }) => stdout.trim().split("\n").at(-1);

/** The executable that a package brings for this machine, without the package's install script. */
function binary(candidates) {
  for (const candidate of candidates) {
    const file = path.join(js, "node_modules", candidate);
    if (existsSync(file)) return file;
  }
  return undefined;
}
const arch = process.arch === "arm64" ? "arm64" : "x64";
const deno = binary([`@deno/linux-${arch}-glibc/deno`, `@deno/darwin-${arch}/deno`]);
const bun = binary([`@oven/bun-linux-${arch === "x64" ? "x64" : "aarch64"}/bin/bun`, "@oven/bun-linux-x64-baseline/bin/bun", `@oven/bun-darwin-${arch === "x64" ? "x64" : "aarch64"}/bin/bun`]);
const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

let files = [];
let expected;

before(async () => {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", root], js);
  const [{ filename, files: packed }] = JSON.parse(stdout);
  files = packed.map((file) => file.path);
  mkdirSync(app);
  writeFileSync(path.join(app, "package.json"), '{ "private": true, "type": "module" }');
  await run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", path.join(root, filename)]);
  cpSync(path.join(fixtures, "exercise.mjs"), path.join(app, "exercise.mjs"));
  writeFileSync(
    path.join(app, "main.mjs"),
    `import * as omendb from "omendb";
     import { exercise } from "./exercise.mjs";
     console.log(await exercise(omendb, process.argv[2], { engine: "wasm", storage: process.argv[3] }));`,
  );
  // What all the others are compared with.
  expected = lastLine(await run(process.execPath, ["main.mjs", "reference", "memory"]));
});
after(() => rmSync(root, { recursive: true, force: true }));

test("the package holds what it needs and nothing else", () => {
  for (const file of files) assert.match(file, /^(dist\/.*|README\.md|LICENSE|package\.json)$/);
  for (const file of ["README.md", "LICENSE", "dist/omendb.wasm", "dist/omendb-later.wasm", "dist/omendb-relaxed.wasm", "dist/omendb-relaxed-later.wasm", "dist/lang/omendb-lang-de.wasm", "dist/lang/omendb-lang-yi.wasm", "dist/THIRD-PARTY-NOTICES", "dist/worker.js", "dist/cjs/package.json"]) assert.ok(files.includes(file), file);
  const { dependencies = {}, scripts = {} } = JSON.parse(readFileSync(path.join(app, "node_modules/omendb/package.json"), "utf8"));
  assert.deepEqual(dependencies, {});
  for (const script of ["install", "preinstall", "postinstall"]) assert.equal(scripts[script], undefined);
});

test("every export leads to a file that is in the package", () => {
  const { exports, main, types } = JSON.parse(readFileSync(path.join(app, "node_modules/omendb/package.json"), "utf8"));
  const targets = [main, types];
  const walk = (value) => (typeof value === "string" ? targets.push(value) : Object.values(value).forEach(walk));
  walk(exports);
  for (const target of targets.map((file) => file.replace("*", "fr"))) assert.ok(files.includes(target.replace(/^\.\//, "")), target);
});

test("what the exercise saw is what it should have seen", () => {
  const seen = JSON.parse(expected);
  assert.equal(seen.count, 298);
  assert.equal(seen.same, true);
  assert.equal(seen.refused, "OMEN_ERR_DIMENSION");
  assert.equal(seen.searched, true);
  assert.equal(seen.hits.length, 5);
  assert.deepEqual(seen.found.map(([id]) => id), [0, 1], "German words are found by their stems");
});

test("conditions choose the runtime's own entry", async () => {
  for (const [conditions, file] of [[[], "node"], [["workerd"], "workerd"], [["deno"], "deno"], [["bun"], "bun"]]) {
    const flags = conditions.flatMap((condition) => ["--conditions", condition]);
    const { stdout } = await run(process.execPath, [...flags, "--input-type=module", "-e", 'console.log(import.meta.resolve("omendb"))']);
    assert.match(stdout.trim(), new RegExp(`/dist/platform/${file}\\.js$`));
  }
});

test("Node.js, ES modules, in a folder", async () => {
  assert.equal(lastLine(await run(process.execPath, ["main.mjs", "./node-db", "fs"])), expected);
  assert.ok(existsSync(path.join(app, "node-db")));
});

test("Node.js, CommonJS", async () => {
  writeFileSync(
    path.join(app, "main.cjs"),
    `const omendb = require("omendb");
     const { memory } = require("omendb/storage/memory");
     const { fs } = require("omendb/storage/fs");
     if (typeof require("omendb/engine/wasm").WasmEngine !== "function") throw new Error("no engine");
     (async () => {
       const { exercise } = await import("./exercise.mjs");
       const first = await exercise(omendb, "cjs", { engine: "wasm", storage: memory() });
       const second = await exercise(omendb, "cjs-db", { engine: "wasm", storage: fs(".") });
       if (first !== second) throw new Error(first + " is not " + second);
       console.log(first);
     })();`,
  );
  assert.equal(lastLine(await run(process.execPath, ["main.cjs"])), expected);
});

test("Node.js opens what Node.js wrote, by environment and configuration file", async () => {
  writeFileSync(path.join(app, "omendb.json"), '{ "storage": "fs", "profiles": { "edge": { "durability": "full" } } }');
  writeFileSync(
    path.join(app, "again.mjs"),
    `import { open } from "omendb";
     process.env.OMENDB_PROFILE = "edge";
     process.env.OMENDB_CONFIG = "omendb.json";
     process.env.OMENDB_READ_ONLY = "1";
     await using db = { db: await open("node-db", { engine: "wasm" }), [Symbol.asyncDispose]() { return this.db.close(); } };
     console.log(await (await db.db.collection("notes")).count());`.replace("await using db", "const db"),
  );
  assert.equal(lastLine(await run(process.execPath, ["again.mjs"])), "298");
});

test("Deno", { skip: deno === undefined && "no Deno for this machine" }, async () => {
  const args = ["run", "--no-prompt", "--cached-only", "--node-modules-dir=manual", "--allow-read", "--allow-write", "--allow-env", "main.mjs"];
  assert.equal(lastLine(await run(deno, [...args, "./deno-db", "fs"])), expected);
  assert.equal(lastLine(await run(deno, [...args.filter((arg) => arg !== "--allow-env"), "memory-db", "memory"])), expected, "without --allow-env");
});

test("Bun", { skip: bun === undefined && "no Bun for this machine" }, async () => {
  assert.equal(lastLine(await run(bun, ["run", "--no-install", "main.mjs", "./bun-db", "fs"])), expected);
});

test("the folders that Node.js, Deno and Bun wrote are byte for byte the same", async () => {
  const { readdirSync } = await import("node:fs");
  const content = (folder) => readdirSync(path.join(app, folder)).sort().map((file) => [file, readFileSync(path.join(app, folder, file)).toString("base64")]);
  const reference = content("node-db");
  assert.ok(reference.length >= 3);
  for (const folder of ["cjs-db", ...(deno ? ["deno-db"] : []), ...(bun ? ["bun-db"] : [])]) assert.deepEqual(content(folder), reference, folder);
});

test("workerd", async () => {
  const { Miniflare } = require("miniflare");
  writeFileSync(
    path.join(app, "workerd.mjs"),
    `import * as omendb from "./node_modules/omendb/dist/platform/workerd.js";
     import de from "./node_modules/omendb/dist/lang/omendb-lang-de.wasm";
     import { exercise } from "./exercise.mjs";
     export default {
       async fetch(request) {
         if (request.url.endsWith("/without")) {
           const db = await omendb.open("db", { log: () => {} });
           const c = await db.collection("c", { text: [{ name: "title", language: "de" }] });
           await c.upsert([{ id: 1, title: "Haus" }]);
           const message = await c.search({ text: "haus" }).then(() => "found", (error) => error.message);
           await db.close();
           return new Response(message);
         }
         try { return new Response(await exercise(omendb, "db", { storage: "memory", languages: { de } })); }
         catch (error) { return new Response(String(error.stack), { status: 500 }); }
       },
     };`,
  );
  const miniflare = new Miniflare({
    rootPath: app,
    scriptPath: path.join(app, "workerd.mjs"),
    modules: true,
    modulesRoot: app,
    modulesRules: [{ type: "ESModule", include: ["**/*.js", "**/*.mjs"] }, { type: "CompiledWasm", include: ["**/*.wasm"] }],
    compatibilityDate: "2025-01-01",
    host: "127.0.0.1",
    cf: false,
  });
  try {
    const response = await miniflare.dispatchFetch("http://localhost/");
    assert.equal(await response.text(), expected);
    const without = await miniflare.dispatchFetch("http://localhost/without");
    assert.match(await without.text(), /^OMEN_ERR_UNSUPPORTED: text field "title" cannot be searched: its language "de" is not loaded: .* cannot be loaded on this platform by itself; hand its module over, open\(name, \{ languages: \{ de: … \} \}\)/);
  } finally {
    await miniflare.dispose();
  }
});

/** Serves a folder; answers its address and how to stop. */
async function serve(folder) {
  const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer((request, response) => {
    const file = path.join(folder, new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html"));
    if (!file.startsWith(folder) || !existsSync(file)) return response.writeHead(404).end();
    return response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) };
}

test("Vite builds a page that works in Chromium", { skip: chromium === undefined && "no Chromium on this machine" }, async () => {
  const { build } = await import(pathToFileURL(require.resolve("vite")).href);
  const { default: puppeteer } = await import(pathToFileURL(require.resolve("puppeteer-core")).href);
  writeFileSync(path.join(app, "index.html"), '<!doctype html><title>waiting</title><script type="module" src="./page.mjs"></script>');
  writeFileSync(
    path.join(app, "page.mjs"),
    `import * as omendb from "omendb";
     import { memory } from "omendb/storage/memory";
     import { exercise } from "./exercise.mjs";
     window.answer = (async () => ({
       inWorker: await exercise(omendb, "worker-db", { storage: "memory" }),
       inPage: await exercise(omendb, "page-db", { storage: memory() }),
       unknown: await omendb.open("x", { storage: "fs" }).catch((error) => error.code),
     }))();`,
  );
  await build({ root: app, logLevel: "error", configFile: false, build: { outDir: "site", assetsInlineLimit: 0, target: "es2022" } });
  const site = await serve(path.join(app, "site"));
  const browser = await puppeteer.launch({
    executablePath: chromium,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    userDataDir: path.join(root, "chromium"),
    timeout: 600_000,
    protocolTimeout: 1_000_000,
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(1_000_000);
    const problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto(site.url);
    const answer = await page.evaluate(() => window.answer).catch((error) => assert.fail(`${error}\n${problems.join("\n")}`));
    assert.equal(answer.inWorker, expected);
    assert.equal(answer.inPage, expected);
    assert.equal(answer.unknown, "OMEN_ERR_UNSUPPORTED");
  } finally {
    await browser.close();
    await site.stop();
  }
});

test("types: a program compiles against the installed package, and its mistakes do not", async () => {
  cpSync(path.join(fixtures, "types.ts"), path.join(app, "types.ts"));
  cpSync(path.join(fixtures, "types.ts"), path.join(app, "types.cts"));
  const strict = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, target: "es2022" };
  const dom = { lib: ["es2022", "dom", "dom.iterable", "esnext.disposable"], types: [] };
  const node = { lib: ["es2022", "esnext.disposable"], typeRoots: [path.join(js, "node_modules/@types")], types: ["node"] };
  const nodenext = { module: "nodenext", moduleResolution: "nodenext" };
  for (const [compilerOptions, file] of [
    [{ ...strict, ...dom, ...nodenext }, "types.ts"],
    [{ ...strict, ...dom, module: "esnext", moduleResolution: "bundler", customConditions: ["browser"] }, "types.ts"],
    [{ ...strict, ...node, ...nodenext }, "types.ts"],
    [{ ...strict, ...dom, ...nodenext }, "types.cts"],
  ]) {
    writeFileSync(path.join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
    await run(process.execPath, [require.resolve("typescript/bin/tsc"), "--pretty", "false", "-p", "tsconfig.json"]);
  }
});
