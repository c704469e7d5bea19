/** The quickstarts of the README do what they say. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { launch, missing, serve } from "../browser/harness.mjs";
import { NEAREST, ROOT, linkPackage, notBuilt } from "./prepare.mjs";

const run = promisify(execFile);
const PACKAGE = ["js/dist/omendb.wasm", "js/dist/platform/node.js"];
const withFolder = async (use) => {
  const folder = await mkdtemp(join(tmpdir(), "omendb-example-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Lines "id score distance title" against what was worked out by hand. */
function checkLines(stdout, titleOf) {
  const lines = stdout.trim().split("\n");
  assert.equal(lines.length, NEAREST.length, stdout);
  for (const [i, line] of lines.entries()) {
    const [id, score, distance, ...rest] = line.split(" ");
    assert.equal(id, NEAREST[i].id);
    assert.ok(Math.abs(Number(score) - NEAREST[i].score) < 1e-4, line);
    assert.ok(Math.abs(Number(distance) - (1 - NEAREST[i].score)) < 1e-4, line);
    assert.equal(titleOf(rest.join(" ")), NEAREST[i].title);
  }
}

test("Node.js", { skip: notBuilt(...PACKAGE) }, () =>
  withFolder(async (folder) => {
    linkPackage();
    for (const _ of ["created", "opened again"]) {
      const { stdout } = await run(process.execPath, [join(ROOT, "examples/node/quickstart.mjs"), join(folder, "notes")]);
      checkLines(stdout, (title) => title);
    }
  }),
);

test("C: compiled against the public header, and its database opens in Node.js", { skip: notBuilt("build/native-gcc/libomendb.so", ...PACKAGE) }, () =>
  withFolder(async (folder) => {
    const library = join(ROOT, "build/native-gcc");
    const program = join(folder, "quickstart");
    await run("cc", ["-std=c11", "-Wall", "-Wextra", "-Werror", `-I${join(ROOT, "include")}`, join(ROOT, "examples/c/quickstart.c"), `-L${library}`, "-lomendb", `-Wl,-rpath,${library}`, "-o", program]);
    const { stdout } = await run(program, [join(folder, "notes")]);
    checkLines(stdout, (document) => JSON.parse(document).title);
    linkPackage();
    const again = await run(process.execPath, [join(ROOT, "examples/node/quickstart.mjs"), join(folder, "notes")]);
    checkLines(again.stdout, (title) => title);
  }),
);

test("Workers: the nearest records over HTTP, and a clear answer to a wrong vector", { skip: notBuilt(...PACKAGE) }, () =>
  withFolder(async (folder) => {
    linkPackage();
    const { Miniflare } = createRequire(join(ROOT, "js/package.json"))("miniflare");
    // As a bundler would: the package's name becomes the file that its "workerd" condition names.
    await cp(join(ROOT, "js/dist"), join(folder, "omendb"), { recursive: true });
    const source = await readFile(join(ROOT, "examples/edge/worker.mjs"), "utf8");
    await writeFile(join(folder, "worker.mjs"), source.replace('"omendb"', '"./omendb/platform/workerd.js"'));
    const worker = new Miniflare({
      rootPath: folder,
      scriptPath: join(folder, "worker.mjs"),
      modules: true,
      modulesRoot: folder,
      modulesRules: [{ type: "ESModule", include: ["**/*.js", "**/*.mjs"] }, { type: "CompiledWasm", include: ["**/*.wasm"] }],
      compatibilityDate: "2025-01-01",
      host: "127.0.0.1",
      cf: false,
    });
    try {
      const ask = async (body) => worker.dispatchFetch("http://localhost/", { method: "POST", body: JSON.stringify(body) });
      const hits = await (await ask([1, 0.2, 0, 0.1])).json();
      assert.deepEqual(hits.map(({ id }) => id), NEAREST.map(({ id }) => id));
      hits.forEach(({ score, metadata }, i) => {
        assert.ok(Math.abs(score - NEAREST[i].score) < 1e-6);
        assert.equal(metadata.title, NEAREST[i].title);
      });
      const wrong = await ask([1, 2, 3]);
      assert.equal(wrong.status, 400);
      assert.match((await wrong.json()).error, /3 dimensions.* has 4/);
    } finally {
      await worker.dispose();
    }
  }),
);

test("browser: a page that counts its visits, over reloads", { skip: missing("chromium") || notBuilt(...PACKAGE) }, async () => {
  // The page asks for /omendb/…, where a site would put the package.
  const routes = {};
  for (const file of await readdir(join(ROOT, "js/dist"), { recursive: true })) {
    if (/\.(js|wasm)$/.test(file)) routes[`/omendb/${file}`] = await readFile(join(ROOT, "js/dist", file));
  }
  const server = await serve({ routes });
  const session = await launch("chromium");
  try {
    const page = await session.page();
    for (const expected of [1, 2, 3]) {
      await page.goto(`${server.origin}/examples/browser/index.html`);
      await page.waitForFunction(() => /^\d{4}-/.test(document.getElementById("nearest").textContent));
      assert.equal(await page.$eval("#visits", ({ textContent }) => Number(textContent)), expected);
    }
  } finally {
    await session.close();
    await server.close();
  }
});
