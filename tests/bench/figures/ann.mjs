/**
 * Approximate search, native, beside hnswlib, faiss, usearch and hnswlib-node: the same data, one run, one query thread, k = 10, recall@10.
 * The peers' indexes are built once and kept in build/bench/data; OmenDB's is built anew. Curves are drawn into build/bench/ann-*.svg.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { Server, at, draw, middle, passes, ratio } from "../ann.mjs";
import { prepare } from "../ann_data.mjs";
import { Missing, ROOT, json, median, peer, program } from "../lib.mjs";

const against = "against hnswlib (M = 16, efConstruction = 200)";
export const figures = {
  "ann.mnist.r95": { what: `queries/s ${against} at recall 0.95, mnist-784 L2`, unit: "times", bar: 5, better: "higher" },
  "ann.mnist.r99": { what: "the same at recall 0.99", unit: "times", bar: 5, better: "higher" },
  "ann.glove.r95": { what: `queries/s ${against} at recall 0.95, GloVe-100 cosine`, unit: "times", bar: 5, better: "higher" },
  "ann.glove.r99": { what: "the same at recall 0.99", unit: "times", bar: 4.5, better: "higher" },
  "memory.full": { what: "memory of an open index beside the raw f32 vectors, vectors in memory, the larger of mnist-784 and GloVe-100", unit: "of raw", bar: 1.4, better: "lower" },
  "memory.paged": { what: "the same, vectors paged through the pool", unit: "of raw", bar: 0.35, better: "lower" },
  "ivf.mnist.r98": { what: "IVF with RaBitQ codes, no f32 in memory, at most 45 MB resident: queries/s against hnswlib at recall 0.98, mnist-784", unit: "times", bar: 1, better: "higher" },
  "build.mnist": { what: `CPU seconds of writing and building ${against}, one thread, mnist-784`, unit: "of hnswlib", bar: 0.4, better: "lower" },
  "build.glove": { what: "the same, GloVe-100", unit: "of hnswlib", bar: 0.4, better: "lower" },
  "build.threads": { what: "building GloVe-100's index on two threads against one, the same bytes", unit: "times", bar: 1.8, better: "higher" },
  "million.p50_ms": { what: "a query at recall 0.95, 1,000,000 x 128 (synthetic clusters)", unit: "ms", bar: 5, better: "lower" },
  "million.mb": { what: "resident memory meanwhile", unit: "MB", bar: 1000, better: "lower" },
  "million.paged_ms": { what: "a query at recall 0.90, the same data, disk graph with 256 MB", unit: "ms", bar: 10, better: "lower" },
};

const ROUNDS = 5, MIB = 1 << 20;
const OWN = path.join(ROOT, "build/bench");
const NODE_MODULES = path.join(ROOT, "tests/bench/node_modules");
const EFFORTS = {
  mnist: { peers: [10, 15, 20, 30, 40, 60, 100, 200], faissIvf: [2, 4, 8, 16, 32, 64] },
  glove: { peers: [40, 80, 120, 160, 200, 300, 500, 700, 1000], faissIvf: [8, 16, 32, 64, 128, 256] },
};

/** OmenDB is asked for a recall, and its audit sets the effort: these. */
const RECALLS = [0.5, 0.8, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995];

const fast = ["-O3", "-march=native"];
const hnswlib = () => peer("ann_hnswlib.cpp", ["-pthread"], { needs: "/usr/include/hnswlib/hnswlib.h", packages: "libhnswlib-dev, g++", flags: fast, with: ["ann_peer.hpp"] });
const faiss = () => peer("ann_faiss.cpp", ["-fopenmp", "-lfaiss", "-lopenblas"], { needs: "/usr/include/faiss/IndexHNSW.h", packages: "libfaiss-dev, libopenblas-dev, g++", flags: fast, with: ["ann_peer.hpp"] });

/** hnswlib-node has no compiled addon in its package: it is compiled here, as npm would. */
function addon() {
  const source = path.join(NODE_MODULES, "hnswlib-node/src/addon.cc"), target = path.join(OWN, "hnswlib-node.node");
  if (!existsSync(source)) throw new Missing("npm package hnswlib-node is not installed (./dev setup)");
  const headers = ["/usr/include/node", path.join(process.execPath, "../../include/node")].find((folder) => existsSync(path.join(folder, "node_api.h")));
  if (headers === undefined) throw new Missing("node_api.h is missing (Debian package libnode-dev): hnswlib-node cannot be compiled");
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) return target;
  mkdirSync(OWN, { recursive: true });
  const flags = ["-fPIC", "-shared", "-std=c++17", "-DNAPI_DISABLE_CPP_EXCEPTIONS", "-DNODE_GYP_MODULE_NAME=addon", "-DBUILDING_NODE_EXTENSION", `-I${headers}`, `-I${path.join(NODE_MODULES, "node-addon-api")}`];
  execFileSync("g++", [...fast, "-w", ...flags, "-o", target, source], { stdio: ["ignore", "ignore", "inherit"] });
  return target;
}

const where = (set) => [set.folder, set.metric, set.dims];
const kept = (set, name) => path.join(set.folder, `${name}.index`);

/** The native peers of a set, started; what cannot run is in `absent` with its reason. */
async function startPeers(set, note) {
  const graphs = EFFORTS[set.name].peers;
  const one = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
  const parts = set.dims / (set.dims % 4 === 0 && set.dims > 256 ? 4 : 2);
  const wanted = {
    hnswlib: { efforts: graphs, start: () => Server.start(hnswlib(), [...where(set), kept(set, "hnswlib-16-200"), 2], one) },
    "faiss HNSW": { efforts: graphs, start: () => Server.start(faiss(), [...where(set), kept(set, "faiss-hnsw-16-200"), 2, "hnsw"]) },
    "faiss IVF-PQ": { efforts: EFFORTS[set.name].faissIvf, start: () => Server.start(faiss(), [...where(set), kept(set, "faiss-ivfpq"), 2, "ivfpq", 1024, parts]) },
    usearch: { efforts: graphs, start: () => npm("usearch", set, [kept(set, "usearch-16-200"), 2]) },
    "hnswlib-node": { efforts: graphs, start: () => npm("hnswlib-node", set, [kept(set, "hnswlib-16-200"), 1, addon()]) },
  };
  const servers = {}, absent = {};
  for (const [name, { efforts, start }] of Object.entries(wanted)) {
    try {
      if (name !== "hnswlib-node" || servers.hnswlib) servers[name] = { server: await start(), efforts };
      else absent[name] = "needs the index of hnswlib";
      const { built, buildWall, buildCpu } = servers[name]?.server.ready ?? {};
      if (built) note(`${name} built ${set.name} in ${buildWall.toFixed(1)} s (${buildCpu.toFixed(1)} s of CPU); kept for the next time`);
    } catch (error) {
      absent[name] = error.message.split("\n")[0];
      note(`${name} is missing: ${absent[name]}`);
    }
  }
  return { servers, absent };
}

function npm(name, set, rest) {
  if (!existsSync(path.join(NODE_MODULES, name))) throw new Missing(`npm package ${name} is not installed (./dev setup)`);
  return Server.start(process.execPath, [path.join(ROOT, "tests/bench/peers/ann_npm.mjs"), name, ...where(set), ...rest]);
}

const location = (folder, set) => [folder, set.folder, set.dims, set.metric];
/** Writes and builds a database of a set in a new folder; { folder, … what the program says }. The caller removes the folder. */
async function build(set, settings, threads) {
  mkdirSync(OWN, { recursive: true });
  const folder = mkdtempSync(path.join(OWN, "run-ann-"));
  try {
    return { ...(await json(program("ann"), ["build", ...location(folder, set), ...settings], { env: threads === undefined ? {} : { OMENDB_THREADS: String(threads) } })), folder };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

const open = (built, set, settings) => Server.start(program("ann"), ["serve", ...location(built.folder, set), ...settings], { OMENDB_THREADS: "1" });
const remove = (built) => built && rmSync(built.folder, { recursive: true, force: true });
const indexes = (stats) => stats.collections.flatMap((c) => c.segments.flatMap((s) => s.indexes.map((i) => i.index)));
const rawMb = (set) => (set.rows * set.dims * 4) / MIB;
const brief = (index) => index && { kind: index.kind, codec: index.codec, m: index.m, efConstruction: index.efConstruction, lists: index.lists, bits: index.bits, fileMb: index.bytes / MIB, memoryMb: index.memoryBytes / MIB };

/** ann.<set>.*: every system's curve. */
async function curves(name, note) {
  const set = prepare(name, note);
  const { servers, absent } = await startPeers(set, note);
  let built;
  try {
    if (!servers.hnswlib) throw new Missing(absent.hnswlib);
    built = await build(set, ["kind=hnsw"]);
    note(`OmenDB built ${name} in ${built.buildWall.toFixed(1)} s (${built.buildCpu.toFixed(1)} s of CPU), kernels ${built.kernels}`);
    servers.OmenDB = { server: await open(built, set, []), efforts: RECALLS };
    const ask = servers.OmenDB.server;
    const exact = await ask.ask("recall 1");
    if (exact.recall < 0.9999) throw new Error(`exact search found only ${exact.recall} of ${name}'s neighbours`);
    const systems = Object.fromEntries(Object.entries(servers).reverse().map(([n, { server, efforts }]) => [n, { efforts, ask: (effort) => server.ask(n === "OmenDB" ? `recall ${effort}` : effort) }]));
    const all = await passes(ROUNDS, systems);
    const targets = { asked95: await ask.ask("recall 0.95"), asked99: await ask.ask("recall 0.99") };
    const medians = Object.fromEntries(Object.entries(all).map(([n, rounds]) => [n, middle(rounds)]));
    const svg = draw(`ann-${name}`, `${set.what}, ${set.rows.toLocaleString("en-US")} x ${set.dims}, ${set.metric}`, medians);
    note(`drawn: ${svg}`);
    return { set, all, medians, absent, svg, kernels: built.kernels, targets: Object.fromEntries(Object.entries(targets).map(([n, t]) => [n, { recall: t.recall, qps: t.queries / t.cpu }])) };
  } finally {
    for (const { server } of Object.values(servers)) await server.close();
    remove(built);
  }
}

function compared({ all, medians, absent, svg, kernels, targets }, recall) {
  const value = ratio(all.OmenDB, all.hnswlib, recall);
  const byClock = ratio(all.OmenDB, all.hnswlib, recall, "wall");
  const speeds = Object.fromEntries(Object.entries(medians).map(([n, points]) => [n, Number.isNaN(at(points, recall)) ? `at most recall ${Math.max(...points.map((p) => p.recall))}` : at(points, recall)]));
  const beside = { kernels, byClock, queriesPerSecond: speeds, ...targets, svg, ...(Object.keys(absent).length > 0 ? { missing: absent } : {}) };
  return Number.isNaN(value) ? { missing: `recall ${recall} was not reached: ${JSON.stringify(beside)}` } : { value, against: beside };
}

/** Opens a built database, runs passes so that what searches touch is in memory, and says what it takes. */
async function memoryOf(set, settings) {
  const built = await build(set, settings);
  try {
    const server = await open(built, set, settings);
    const first = await server.ask("recall 0.95");
    const pass = await server.ask("recall 0.95");
    const { residentMb, stats } = await server.ask("memory");
    await server.close();
    return { share: residentMb / rawMb(set), residentMb, engineMb: stats.memoryBytes / MIB, rawMb: rawMb(set), recall: pass.recall, qps: pass.queries / pass.seconds, firstQps: first.queries / first.seconds, index: brief(indexes(stats)[0]) };
  } finally {
    remove(built);
  }
}

async function memory(settings) {
  const [mnist, glove] = [prepare("mnist"), prepare("glove")];
  const answers = { mnist: await memoryOf(mnist, settings(mnist)), glove: await memoryOf(glove, settings(glove)) };
  return { value: Math.max(answers.mnist.share, answers.glove.share), against: answers };
}

/** ivf.mnist.r98: in 45 MB, whatever the pool and the index take of it. */
async function smallMemory(note) {
  const set = prepare("mnist", note), settings = ["kind=ivf", "codec=rabitq", "index_bytes=36MiB", "pool_bytes=4MiB"];
  const { servers, absent } = { servers: { hnswlib: { server: await Server.start(hnswlib(), [...where(set), kept(set, "hnswlib-16-200"), 2]), efforts: EFFORTS.mnist.peers } }, absent: {} };
  let built;
  try {
    built = await build(set, settings);
    servers.OmenDB = { server: await open(built, set, settings), efforts: [4, 8, 12, 16, 24, 32, 48, 64, 96, 128] };
    const all = await passes(ROUNDS, Object.fromEntries(Object.entries(servers).map(([n, { server, efforts }]) => [n, { efforts, ask: (effort) => server.ask(n === "OmenDB" ? `nprobe ${effort}` : effort) }])));
    const { residentMb, stats } = await servers.OmenDB.server.ask("memory");
    draw("ann-mnist-ivf", "mnist-784, IVF with RaBitQ codes in little memory", Object.fromEntries(Object.entries(all).map(([n, rounds]) => [n, middle(rounds)])));
    const value = ratio(all.OmenDB, all.hnswlib, 0.98), points = middle(all.OmenDB);
    const beside = { residentMb, ours: at(points, 0.98), hnswlib: at(middle(all.hnswlib), 0.98), bestRecall: Math.max(...points.map((p) => p.recall)), index: brief(indexes(stats)[0]), ...absent };
    if (Number.isNaN(value)) return { missing: `recall 0.98 was not reached: ${JSON.stringify(beside)}` };
    if (residentMb > 45) return { missing: `${residentMb} MB were resident: ${value.toFixed(2)} times, ${JSON.stringify(beside)}` };
    return { value, against: beside };
  } finally {
    for (const { server } of Object.values(servers)) await server.close();
    remove(built);
  }
}

/** build.<set>: both build from nothing, one thread, one after the other. What recall each can reach is beside it. */
async function building(name, note) {
  const set = prepare(name, note);
  const built = await build(set, ["kind=hnsw"], 1);
  let server, theirs;
  try {
    server = await open(built, set, []);
    theirs = await Server.start(hnswlib(), [...where(set), "none", 1]);
    const recalls = {};
    for (const effort of [50, 200, 800]) recalls[`ef${effort}`] = { ours: (await server.ask(`ef ${effort}`)).recall, hnswlib: (await theirs.ask(effort)).recall };
    const { buildCpu } = theirs.ready;
    return {
      value: (built.buildCpu + built.writeCpu) / buildCpu,
      against: { ourCpu: built.buildCpu + built.writeCpu, ofItIndex: built.buildCpu, indexOnly: built.buildCpu / buildCpu, hnswlibCpu: buildCpu, peakMb: built.peakMb, recalls, index: brief(indexes(built.stats)[0]) },
    };
  } finally {
    await server?.close();
    await theirs?.close();
    remove(built);
  }
}

async function threads() {
  const set = prepare("glove"), walls = { 1: [], 2: [] }, hashes = new Set();
  let cpu;
  for (const count of [1, 2, 2, 1]) {
    const built = await build(set, ["kind=hnsw"], count);
    walls[count].push(built.buildWall);
    for (const index of indexes(built.stats)) hashes.add(index.hash);
    if (count === 2) cpu = built.buildCpu;
    remove(built);
  }
  if (hashes.size !== 1) throw new Error(`the index has ${hashes.size} hashes over thread counts: ${[...hashes].join(", ")}`);
  return { value: median(walls[1]) / median(walls[2]), against: { oneThread: median(walls[1]), twoThreads: median(walls[2]), cpuOfTwo: cpu, hash: [...hashes][0] } };
}

async function million(wanted, note) {
  const set = prepare("million", note), results = {};
  if (wanted.has("million.p50_ms") || wanted.has("million.mb")) {
    const built = await build(set, ["kind=hnsw"]);
    try {
      const server = await open(built, set, ["pool_bytes=64MiB", "index_bytes=832MiB"]);
      const all = await passes(3, { OmenDB: { efforts: RECALLS, ask: (recall) => server.ask(`recall ${recall}`) } });
      const points = middle(all.OmenDB), asked = await server.ask("recall 0.95");
      const { residentMb, stats } = await server.ask("memory");
      await server.close();
      draw("ann-million", set.what, { OmenDB: points });
      const against = { qps: at(points, 0.95), buildWall: built.buildWall, buildCpu: built.buildCpu, asked95: { recall: asked.recall, p50Ms: asked.p50Ms, p99Ms: asked.p99Ms }, index: brief(indexes(stats)[0]), data: set.what };
      const value = at(points, 0.95, "p50Ms");
      results["million.p50_ms"] = Number.isNaN(value) ? { missing: `recall 0.95 was not reached: ${JSON.stringify(points.at(-1))}` } : { value, against };
      results["million.mb"] = { value: residentMb, against: { rawMb: rawMb(set), engineMb: stats.memoryBytes / MIB } };
    } finally {
      remove(built);
    }
  }
  if (wanted.has("million.paged_ms")) {
    const settings = ["pool_bytes=96MiB", "index_bytes=48MiB"], built = await build(set, ["kind=disk"]);
    try {
      const server = await open(built, set, settings);
      const all = await passes(3, { OmenDB: { efforts: RECALLS, ask: (recall) => server.ask(`recall ${recall}`) } });
      const points = middle(all.OmenDB), { residentMb, stats } = await server.ask("memory");
      await server.close();
      const value = at(points, 0.9, "p50Ms");
      if (residentMb > 256) results["million.paged_ms"] = { missing: `${residentMb} MB were resident, at ${value} ms` };
      else results["million.paged_ms"] = Number.isNaN(value) ? { missing: `recall 0.90 was not reached: ${JSON.stringify(points.at(-1))}` } : { value, against: { qps: at(points, 0.9), residentMb, buildWall: built.buildWall, index: brief(indexes(stats)[0]) } };
    } finally {
      remove(built);
    }
  }
  return results;
}

/** One figure's failure leaves the others; what is missing says so, everything else is an error that the run's end tells. */
export async function measure(wanted, note) {
  const results = {}, errors = [];
  const attempt = async (names, work) => {
    const mine = names.filter((name) => wanted.has(name));
    if (mine.length === 0) return;
    try {
      Object.assign(results, await work());
    } catch (error) {
      if (!(error instanceof Missing)) errors.push(error), note(error.stack);
      for (const name of mine) results[name] ??= { missing: error.message.split("\n")[0] };
    }
  };
  for (const name of ["mnist", "glove"])
    await attempt([`ann.${name}.r95`, `ann.${name}.r99`], async () => {
      const found = await curves(name, note);
      return { [`ann.${name}.r95`]: compared(found, 0.95), [`ann.${name}.r99`]: compared(found, 0.99) };
    });
  await attempt(["memory.full"], async () => ({ "memory.full": await memory(() => ["kind=hnsw"]) }));
  await attempt(["memory.paged"], async () => ({ "memory.paged": await memory((set) => [`index_bytes=${Math.round(rawMb(set) * 0.22)}MiB`, `pool_bytes=${Math.round(rawMb(set) * 0.08)}MiB`]) }));
  await attempt(["ivf.mnist.r98"], async () => ({ "ivf.mnist.r98": await smallMemory(note) }));
  for (const name of ["mnist", "glove"]) await attempt([`build.${name}`], async () => ({ [`build.${name}`]: await building(name, note) }));
  await attempt(["build.threads"], async () => ({ "build.threads": await threads() }));
  await attempt(["million.p50_ms", "million.mb", "million.paged_ms"], () => million(wanted, note));
  if (errors.length > 0 && Object.values(results).every((r) => r.value === undefined)) throw errors[0];
  return results;
}
