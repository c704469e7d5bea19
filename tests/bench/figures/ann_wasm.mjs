/**
 * Approximate search in WebAssembly, cosine, 10,000 and 50,000 rows of GloVe-100, k = 10: OmenDB's package beside hnswlib-wasm, edgevec and voy-search
 * in Node.js, and beside hnswlib-wasm in Chromium; and 100,000 x 384 in an isolate's memory.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { at, draw, middle, passes, ratio } from "../ann.mjs";
import { floats, prepare } from "../ann_data.mjs";
import { edgevec, hnswlibWasm, omendb, pass, voy } from "../ann_wasm.mjs";
import { Missing, ROOT, json, program, withFolder } from "../lib.mjs";

export const figures = {
  "wasm.ann_over_native": { what: "queries/s of WebAssembly against native at recall 0.95 through the package, 50,000 GloVe rows, the smaller of Node.js and Chromium", unit: "of native", bar: 0.65, better: "higher" },
  "wasm.vs_hnswlib_wasm": { what: "queries/s against hnswlib-wasm at recall 0.98, the smallest of 10,000 and 50,000 GloVe rows, Node.js and Chromium", unit: "times", bar: 4, better: "higher" },
  "wasm.vs_edgevec": { what: "the same against edgevec, Node.js", unit: "times", bar: 20, better: "higher" },
  "wasm.vs_voy": { what: "the same against voy-search (exact), Node.js", unit: "times", bar: 100, better: "higher" },
  "wasm.build": { what: "rows written and indexed a second of CPU time against hnswlib-wasm, the smaller of 10,000 and 50,000, Node.js", unit: "times", bar: 3, better: "higher" },
  "isolate.p50_ms": { what: "100,000 x 384 (synthetic clusters) in WebAssembly, opened from files by a Node.js worker of 128 MB: a query at recall 0.95", unit: "ms", bar: 5, better: "lower" },
  "isolate.mb": { what: "memory of WebAssembly and of that worker's JavaScript meanwhile", unit: "MB", bar: 128, better: "lower" },
};

const ROUNDS = 3, SIZES = ["glove10k", "glove50k"];
/** OmenDB is asked for a recall, and its audit sets the effort; peers take an effort. */
const OURS = [0.5, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995], PEERS = [20, 35, 60, 100, 160, 250, 400];
const EDGEVEC = { glove10k: [60, 120, 240], glove50k: [200] };
const NODE_MODULES = path.join(ROOT, "tests/bench/node_modules");

function need(name) {
  const folder = path.join(NODE_MODULES, name);
  if (!existsSync(folder)) throw new Missing(`npm package ${name} is not installed (./dev setup)`);
  return folder;
}

/** How each peer is loaded in Node.js. */
const loaders = {
  async "hnswlib-wasm"() {
    // The package refuses to run outside a browser: it looks for a window and for a storage it is not asked to use.
    const folder = need("hnswlib-wasm"), had = "window" in globalThis;
    if (!had) globalThis.window = globalThis;
    const { log, warn, error } = console;
    console.log = console.warn = console.error = () => {}; // it would write into our own lines, now and later
    try {
      const { loadHnswlib } = await import(pathToFileURL(path.join(folder, "dist/hnswlib.js")));
      return await loadHnswlib();
    } finally {
      Object.assign(console, { log, warn, error });
      if (!had) delete globalThis.window;
    }
  },
  async edgevec() {
    const folder = need("edgevec"), module = await import(pathToFileURL(path.join(folder, "edgevec.js")));
    module.initSync({ module: readFileSync(path.join(folder, "edgevec_bg.wasm")) });
    return module;
  },
  async voy() {
    // The package's own entry imports WebAssembly as a module, which Node.js does not: its two files are joined here.
    const folder = need("voy-search"), glue = await import(pathToFileURL(path.join(folder, "voy_search_bg.js")));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path.join(folder, "voy_search_bg.wasm"))), { "./voy_search_bg.js": glue });
    glue.__wbg_set_wasm(exports);
    return glue;
  },
};

/** A package keeps what it knows of its WebAssembly in module variables: a second instance beside the first would read the first one's memory. */
const loaded = {};
const once = (name) => (loaded[name] ??= loaders[name]());

function load(name, note) {
  const info = prepare(name, note);
  return { ...info, base: floats(info.base), query: floats(info.query), truth: floats(info.truth, Int32Array) };
}

async function ours() {
  const file = path.join(ROOT, "js/dist/platform/node.js");
  if (!existsSync(file)) throw new Missing("js/dist is not built (./dev bench builds it)");
  return (await import(pathToFileURL(file))).open;
}

/** Curves of one size in Node.js: { all, built: rows a second, absent }. */
async function inNode(name, wants, note) {
  const set = load(name, note), open = await ours(), systems = {}, built = {}, absent = {}, toClose = [];
  const add = (label, system, efforts) => {
    systems[label] = { efforts, ask: (effort) => pass(system, set, effort) };
    built[label] = system.rowsPerSecond;
    note(`${label} built ${name}: ${Math.round(system.rowsPerSecond)} rows/s`);
    if (system.close) toClose.push(system);
  };
  const attempt = async (label, work) => {
    try {
      await work();
    } catch (error) {
      absent[label] = String(error?.message ?? error).split("\n")[0].slice(0, 200);
      note(`${label} is missing: ${absent[label]}`);
    }
  };
  try {
    add("OmenDB", await omendb(open, `ann-${name}`, { engine: "wasm", storage: "memory" }, set), OURS);
    if (wants.hnswlib) await attempt("hnswlib-wasm", async () => add("hnswlib-wasm", await hnswlibWasm(await once("hnswlib-wasm"), set), PEERS));
    if (wants.edgevec)
      await attempt("edgevec", async () => {
        const module = await once("edgevec"), each = {};
        for (const ef of EDGEVEC[name]) each[ef] = await edgevec(module, set, ef);
        add("edgevec", { ...each[EDGEVEC[name][0]], search: (vector, ef) => each[ef].search(vector) }, EDGEVEC[name]);
      });
    if (wants.voy) await attempt("voy", async () => add("voy", await voy(await once("voy"), set), [0]));
    const all = await passes(ROUNDS, systems);
    draw(`ann-wasm-${name}`, `${set.what}, WebAssembly in Node.js`, Object.fromEntries(Object.entries(all).map(([n, rounds]) => [n, middle(rounds)])));
    return { all, built, absent };
  } finally {
    for (const system of toClose) await system.close();
  }
}

/** Curves in Chromium, and of the native engine in Node.js in turn with it where `native` is given. `OmenDB x32`: with 32 searches under way. */
async function inChromium(name, native, note) {
  const harness = path.join(ROOT, "tests/browser/harness.mjs");
  if (!existsSync(harness)) throw new Missing("tests/browser/harness.mjs is not there");
  const { launch, serve, blankPage, callModule, missing } = await import(harness);
  if (missing("chromium")) throw new Missing(missing("chromium"));
  const set = prepare(name, note), server = await serve({ isolated: true }), session = await launch("chromium");
  try {
    const page = await blankPage(session, server.origin);
    const call = (what, ...args) => callModule(page, "/tests/bench/pages/ann.mjs", { name: what, args });
    const built = await call("build", `/build/bench/data/${name}`, set.dims);
    note(`in Chromium: OmenDB ${Math.round(built.OmenDB)} rows/s, ${built.missing ?? `hnswlib-wasm ${Math.round(built["hnswlib-wasm"])}`}`);
    const systems = { OmenDB: { efforts: OURS, ask: (ef) => call("run", "OmenDB", ef, 1) }, "OmenDB x32": { efforts: OURS, ask: (ef) => call("run", "OmenDB", ef, 32) } };
    if (!built.missing) systems["hnswlib-wasm"] = { efforts: PEERS, ask: (ef) => call("run", "hnswlib-wasm", ef, 1) };
    if (native) systems.native = native;
    const all = await passes(ROUNDS, systems);
    draw(`ann-wasm-${name}-chromium`, `${set.what}, WebAssembly in Chromium`, Object.fromEntries(Object.entries(all).map(([n, rounds]) => [n, middle(rounds)])));
    await call("close");
    return { all, built };
  } finally {
    await session.close();
    await server.close();
  }
}

const speeds = (all, recall, key = "qps") => Object.fromEntries(Object.entries(all).map(([n, rounds]) => [n, at(middle(rounds), recall, key)]).map(([n, v]) => [n, Number.isNaN(v) ? `at most recall ${Math.max(...middle(all[n]).map((p) => p.recall))}` : v]));

/** The smallest of the ratios that could be measured; all have to be. */
function least(ratios, beside, why = "") {
  const values = Object.values(ratios);
  if (values.length === 0 || values.some((v) => !Number.isFinite(v))) return { missing: `${why || "a system did not reach the recall"}: ${JSON.stringify({ ratios, ...beside })}` };
  return { value: Math.min(...values), against: { ...ratios, ...beside } };
}

async function overNative(note, chromium) {
  const set = load("glove50k", note), open = await ours();
  return withFolder(async (folder) => {
    const systems = { wasm: await omendb(open, "over-native", { engine: "wasm", storage: "memory" }, set), native: await omendb(open, path.join(folder, "db"), { engine: "native" }, set) };
    const turns = (name) => ({ efforts: OURS, ask: (ef) => pass(systems[name], set, ef) });
    try {
      const node = await passes(ROUNDS, { wasm: turns("wasm"), native: turns("native") });
      const page = await chromium(turns("native"));
      const ratios = { node: ratio(node.wasm, node.native, 0.95) };
      if (page.all) ratios.chromium = ratio(page.all["OmenDB x32"], page.all.native, 0.95, "wall");
      const beside = { kernels: systems.native.kernels, wasmKernels: systems.wasm.kernels, inNode: speeds(node, 0.95), ...(page.all ? { inChromium: speeds(page.all, 0.95, "wall"), chromiumOneByOne: ratio(page.all.OmenDB, page.all.native, 0.95, "wall") } : { missing: page.missing }) };
      return least(ratios, beside);
    } finally {
      for (const system of Object.values(systems)) await system.close();
    }
  });
}

/** A worker with the heap of an isolate opens the files that the native program wrote, by WebAssembly, with the settings for 100 MiB. */
async function isolate(note) {
  const set = prepare("isolate", note);
  mkdirSync(path.join(ROOT, "build/bench"), { recursive: true });
  const folder = mkdtempSync(path.join(ROOT, "build/bench/run-isolate-"));
  try {
    const built = await json(program("ann"), ["build", folder, set.folder, set.dims, set.metric, "index_bytes=48MiB", "pool_bytes=16MiB"]);
    const worker = new Worker(new URL("../ann_isolate.mjs", import.meta.url), {
      workerData: { db: path.join(folder, "db"), set, package: pathToFileURL(path.join(ROOT, "js/dist/platform/node.js")).href },
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 },
    });
    const answer = await new Promise((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`the isolate ended (${code})`)));
    });
    await worker.terminate();
    const index = built.stats.collections[0].segments.flatMap((s) => s.indexes)[0]?.index;
    const beside = { openMs: answer.openMs, firstMs: answer.firstMs, asked: answer.asked, recall: answer.recall, p99Ms: answer.p99Ms, kind: index?.kind, codec: index?.codec, bits: index?.bits, where: "Node.js worker" };
    const enough = answer.recall >= 0.95;
    return {
      "isolate.p50_ms": enough ? { value: answer.p50Ms, against: beside } : { missing: `recall ${answer.recall} at ${answer.p50Ms} ms: ${JSON.stringify(beside)}` },
      "isolate.mb": { value: answer.engineMb + answer.heapMb, against: { engineMb: answer.engineMb, heapMb: answer.heapMb } },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function measure(wanted, note) {
  const results = {};
  const guarded = async (names, work) => {
    if (!names.some((name) => wanted.has(name))) return;
    try {
      Object.assign(results, await work());
    } catch (error) {
      if (!(error instanceof Missing)) note(error.stack);
      for (const name of names) results[name] ??= { missing: error.message.split("\n")[0] };
    }
  };
  const wants = { hnswlib: wanted.has("wasm.vs_hnswlib_wasm") || wanted.has("wasm.build"), edgevec: wanted.has("wasm.vs_edgevec"), voy: wanted.has("wasm.vs_voy") };
  await guarded(["wasm.vs_hnswlib_wasm", "wasm.vs_edgevec", "wasm.vs_voy", "wasm.build"], async () => {
    const node = {};
    for (const name of SIZES) node[name] = await inNode(name, wants, note);
    const each = (peer) => Object.fromEntries(SIZES.map((name) => [name, node[name].all[peer] ? ratio(node[name].all.OmenDB, node[name].all[peer], 0.98) : NaN]));
    const beside = { queriesPerSecond: Object.fromEntries(SIZES.map((name) => [name, speeds(node[name].all, 0.98)])) };
    const why = (peer) => node[SIZES[0]].absent[peer] ?? node[SIZES[1]].absent[peer];
    const found = {};
    if (wants.edgevec) found["wasm.vs_edgevec"] = least(each("edgevec"), beside, why("edgevec"));
    if (wants.voy) found["wasm.vs_voy"] = least(each("voy"), beside, why("voy"));
    if (wanted.has("wasm.build")) {
      const rates = Object.fromEntries(SIZES.map((name) => [name, node[name].built.OmenDB / node[name].built["hnswlib-wasm"]]));
      found["wasm.build"] = least(rates, { rowsPerSecond: Object.fromEntries(SIZES.map((name) => [name, node[name].built])) }, why("hnswlib-wasm"));
    }
    if (wanted.has("wasm.vs_hnswlib_wasm")) {
      const ratios = each("hnswlib-wasm"), chromium = {};
      for (const name of SIZES) {
        try {
          const { all, built } = await inChromium(name, undefined, note);
          if (built.missing) throw new Missing(built.missing);
          ratios[`${name}Chromium`] = ratio(all["OmenDB x32"], all["hnswlib-wasm"], 0.98, "wall");
          chromium[name] = { ...speeds(all, 0.98, "wall"), oneByOne: ratio(all.OmenDB, all["hnswlib-wasm"], 0.98, "wall") };
        } catch (error) {
          if (!(error instanceof Missing)) throw error;
          chromium.missing = error.message;
        }
      }
      found["wasm.vs_hnswlib_wasm"] = least(ratios, { ...beside, chromium }, why("hnswlib-wasm"));
    }
    return found;
  });
  await guarded(["wasm.ann_over_native"], async () => ({
    "wasm.ann_over_native": await overNative(note, async (native) => {
      try {
        return await inChromium("glove50k", native, note);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        return { missing: error.message };
      }
    }),
  }));
  await guarded(["isolate.p50_ms", "isolate.mb"], () => isolate(note));
  return Object.fromEntries(Object.entries(results).filter(([name]) => wanted.has(name)));
}
