/**
 * Real browsers for tests and benches: a small server on 127.0.0.1, Debian's Chromium and Firefox driven by puppeteer-core,
 * and `runInBrowser`, which runs one exported function of a module in a page (or in a dedicated worker) and answers its result.
 *
 * Browsers run headless, in a profile folder of their own below the system's temporary folder, which is removed afterwards.
 */
import { createServer } from "node:http";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const BROWSERS = {
  chromium: { browser: "chrome", paths: ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"] },
  firefox: { browser: "firefox", paths: ["/usr/bin/firefox-esr", "/usr/bin/firefox"] },
};

/** Names of the browsers the tests know. */
export const browserNames = Object.keys(BROWSERS);

/** Where `name` is installed, or undefined. `OMEN_CHROMIUM` and `OMEN_FIREFOX` name another program. */
export function browserPath(name) {
  const given = process.env[`OMEN_${name.toUpperCase()}`];
  return [given, ...BROWSERS[name].paths].find((path) => path && existsSync(path));
}

/** Why tests in `name` cannot run, or false; fits node:test's `skip`. Says it aloud once. */
export function missing(name) {
  const reason = !browserPath(name)
    ? `${name} is not installed (apt-get install ${name === "firefox" ? "firefox-esr" : name})`
    : !puppeteer()
      ? "puppeteer-core is not installed (npm ci in js/)"
      : false;
  if (reason && !told.has(name)) {
    told.add(name);
    console.error(`SKIPPED: tests in ${name}: ${reason}`);
  }
  return reason;
}
const told = new Set();

let driver;
function puppeteer() {
  if (driver === undefined) {
    try {
      driver = createRequire(join(ROOT, "js/package.json"))("puppeteer-core");
    } catch {
      driver = null;
    }
  }
  return driver;
}

/** How long the driver waits for a browser and its pages: less than a test may take, more than any machine needs. */
const PATIENCE_MS = 1_000_000;
/** How long a start may take, the first time and the next ones: one that hangs is not waited for too long, and one on a busy machine comes to its end. */
const START_MS = [120_000, 240_000, 480_000];

/** How often a start is tried while a browser that was killed, or its driver, is still tidying its files in the profile. */
const TIDYING = 100;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** A new page that is waited for as long as it takes. */
export async function newPage(browser) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  return page;
}

/** Removes a profile's folder, in which processes of a browser may be ending yet. */
export const removeProfile = (folder) => rm(folder, { recursive: true, force: true, maxRetries: 30, retryDelay: 200 });

/**
 * Starts a browser.
 * @param {"chromium" | "firefox"} name
 * @param {{ profile?: string, prefs?: Record<string, unknown> }} [options] `profile`: a folder to keep, so that a later start finds the same storage;
 *   `prefs`: of Firefox
 * @returns {Promise<{ name, browser, pid, page(): Promise<any>, kill(): Promise<void>, close(): Promise<void> }>}
 */
export async function launch(name, { profile, prefs = {} } = {}) {
  const { browser: kind } = BROWSERS[name];
  const userDataDir = profile ?? (await mkdtemp(join(tmpdir(), `omendb-${name}-`)));
  const common = { protocolTimeout: PATIENCE_MS, executablePath: browserPath(name), headless: true, userDataDir, dumpio: !!process.env.OMEN_BROWSER_LOG };
  const start = (timeout) =>
    puppeteer().launch(
      kind === "chrome"
        ? {
            ...common,
            timeout,
            browser: "chrome",
            args: [
              "--headless=new",
              "--no-sandbox",
              "--disable-gpu",
              "--disable-background-networking",
              "--disable-component-update",
              "--disable-sync",
              "--no-first-run",
              "--no-default-browser-check",
            ],
          }
        : {
            ...common,
            timeout,
            browser: "firefox",
            protocol: "webDriverBiDi",
            extraPrefsFirefox: {
              "app.update.enabled": false,
              "datareporting.policy.dataSubmissionEnabled": false,
              "network.captive-portal-service.enabled": false,
              "network.connectivity-service.enabled": false,
              ...prefs,
            },
          },
    );
  let browser;
  for (let late = 0, tidying = 0; browser === undefined; ) {
    try {
      browser = await start(START_MS[late]);
    } catch (error) {
      if (error.name === "TimeoutError" || /Failed to launch the browser process/.test(error.message) ? ++late === START_MS.length : error.code !== "ENOENT" || ++tidying === TIDYING) throw error;
      await pause(200);
    }
  }
  const child = browser.process();
  let gone = false;
  const tidy = async () => {
    if (!profile) await removeProfile(userDataDir);
  };
  return {
    name,
    browser,
    pid: child?.pid,
    page: () => newPage(browser),
    /** Ends the browser as a crash would: nothing is flushed or told. */
    async kill() {
      if (gone) return;
      gone = true;
      const exited = new Promise((done) => (child.exitCode === null && child.signalCode === null ? child.once("exit", done) : done()));
      // The driver starts the browser as the leader of a process group: renderer and storage processes die with it.
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        child.kill("SIGKILL");
      }
      await exited;
      await browser.disconnect().catch(() => {});
      await tidy();
    },
    async close() {
      if (gone) return;
      gone = true;
      await browser.close().catch(() => child?.kill("SIGKILL"));
      await tidy();
    },
  };
}

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * Serves the repository (and what `routes` adds: path → body) from 127.0.0.1, on a free port.
 * @param {{ isolated?: boolean, root?: string, routes?: Record<string, string | Uint8Array> }} [options] `isolated`: with the headers
 *   that make pages cross-origin isolated (finer clocks, shared memory)
 * @returns {Promise<{ origin: string, routes: Record<string, string | Uint8Array>, close(): Promise<void> }>}
 */
export async function serve({ isolated = false, root = ROOT, routes = {} } = {}) {
  const base = normalize(root.endsWith(sep) ? root : root + sep);
  const server = createServer(async (request, response) => {
    const headers = { "cache-control": "no-store" };
    if (isolated) {
      headers["cross-origin-opener-policy"] = "same-origin";
      headers["cross-origin-embedder-policy"] = "require-corp";
      headers["cross-origin-resource-policy"] = "same-origin";
    }
    try {
      const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
      let body = routes[path];
      if (body === undefined && path === "/") body = "<!doctype html><meta charset=utf-8><title>OmenDB tests</title>";
      if (body === undefined) {
        const file = normalize(join(base, path));
        if (!file.startsWith(base)) throw Object.assign(new Error("outside"), { code: "ENOENT" });
        body = await readFile(file);
        // Workers start again and again: the package does not change while this server is there, and its port is another one next time.
        if (path.startsWith("/js/dist/") || path.startsWith("/tests/")) headers["cache-control"] = "max-age=3600";
      }
      headers["content-type"] = TYPES[path === "/" ? ".html" : extname(path)] ?? "application/octet-stream";
      response.writeHead(200, headers).end(body);
    } catch (error) {
      response.writeHead(error.code === "ENOENT" || error.code === "EISDIR" ? 404 : 500, headers).end(String(error.code ?? error));
    }
  });
  await new Promise((done, fail) => server.once("error", fail).listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    routes,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(done);
      }),
  };
}

/** Opens an empty page of `origin` whose console and errors are shown when `OMEN_BROWSER_LOG` is set. */
export async function blankPage(session, origin) {
  const page = await session.page();
  if (process.env.OMEN_BROWSER_LOG) {
    page.on("console", (message) => console.error(`[${session.name}] ${message.text()}`));
    page.on("pageerror", (error) => console.error(`[${session.name}] ${error.stack ?? error}`));
  }
  await page.goto(`${origin}/`);
  return page;
}

/**
 * Imports a module in the page and calls one of its exports; the result crosses as JSON.
 * @param {any} page
 * @param {string} url module, relative to the server's origin
 * @param {{ name?: string, args?: unknown[], worker?: boolean }} [options] `worker`: run in a dedicated module worker of the page
 */
export async function callModule(page, url, { name = "default", args = [], worker = false } = {}) {
  const reply = await page.evaluate(
    async (where, job) => {
      const show = (error) => ({ error: { message: String(error?.message ?? error), code: error?.code, stack: String(error?.stack ?? "") } });
      if (!job.worker) {
        try {
          const module = await import(job.url);
          return { value: JSON.stringify((await module[job.name](...JSON.parse(job.args))) ?? null) };
        } catch (error) {
          return show(error);
        }
      }
      return new Promise((done) => {
        const thread = new Worker(where, { type: "module" });
        const finish = (reply) => {
          thread.terminate();
          done(reply);
        };
        thread.onerror = (event) => finish({ error: { message: `worker failed: ${event.message ?? "could not be loaded"}` } });
        thread.onmessage = (event) => finish(event.data);
        thread.postMessage(job);
      });
    },
    "/tests/browser/pages/run-worker.mjs",
    { url, name, args: JSON.stringify(args), worker },
  );
  if (reply.error) {
    const error = new Error(reply.error.message);
    if (reply.error.code) error.code = reply.error.code;
    error.stack = `${error.message}\n    in the browser: ${reply.error.stack ?? ""}`;
    throw error;
  }
  return JSON.parse(reply.value);
}

/**
 * Starts a browser, runs one exported function of a module in it, and closes it again.
 * @param {"chromium" | "firefox"} browserName
 * @param {string} moduleUrl path from the repository's root, for instance "/tests/golden/browser.mjs"
 * @param {{ name?: string, args?: unknown[], worker?: boolean, isolated?: boolean, routes?: Record<string, string | Uint8Array> }} [options]
 * @returns {Promise<any>} what the function returned, through JSON
 */
export async function runInBrowser(browserName, moduleUrl, { isolated, routes, ...call } = {}) {
  const server = await serve({ isolated, routes });
  try {
    const session = await launch(browserName);
    try {
      return await callModule(await blankPage(session, server.origin), moduleUrl, call);
    } finally {
      await session.close();
    }
  } finally {
    await server.close();
  }
}
