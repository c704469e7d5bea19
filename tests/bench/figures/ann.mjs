/**
 * Approximate search, native, one query thread, k = 10, on the data of ann_data.mjs.
 *
 * Our databases and the peers' indexes lie beside the data under build/bench/data and are used again: ours until the program changes, a peer's with the
 * CPU seconds it took then. OMEN_BENCH_FRESH=1 builds the peers' again.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import path from "node:path";
import { prepare } from "../ann_data.mjs";
import { plot } from "../ann-plot.mjs";
import { Served, climb, qpsAt } from "../ann-serve.mjs";
import { Missing, ROOT, json, median, peer, program, withFolder } from "../lib.mjs";

const ratio = (what, bar) => ({ what, unit: "times", bar, better: "higher" });
const most = (what, unit, bar) => ({ what, unit, bar, better: "lower" });
export const figures = {
  "ann.mnist.r95": ratio("mnist-784, queries a second against hnswlib (M = 16, efConstruction = 200) at recall 0.95", 5),
  "ann.mnist.r99": ratio("the same at 0.99", 5),
  "ann.glove.r95": ratio("GloVe-100, the same at 0.95; queries: the last words of the package", 5),
  "ann.glove.r99": ratio("the same at 0.99", 4.5),
  "memory.full": most("mnist-784: growth of resident memory with the vectors in memory, after searches", "of the raw vectors", 1.4),
  "memory.paged": most("mnist-784: the same with vectors paged through the pool", "of the raw vectors", 0.35),
  "ivf.mnist.r98": ratio("mnist-784: IVF with RaBitQ codes and paged vectors against hnswlib at recall 0.98", 1),
  "build.mnist": most("mnist-784: CPU seconds of writing and indexing against hnswlib's", "of hnswlib's", 0.4),
  "build.glove": most("GloVe-100: the same", "of hnswlib's", 0.4),
  "build.threads": ratio("mnist-784: time to index on one thread against two, same bytes", 1.8),
  "million.p50_ms": most("1,000,000 x 128: median search at recall 0.95", "ms", 5),
  "million.mb": most("1,000,000 x 128: growth of resident memory, after searches", "MB", 1024),
  "million.paged_ms": most("1,000,000 x 128: median search at recall 0.90 with 256 MB for pool and index", "ms", 10),
};

const ROUNDS = 5, MB = 1 << 20;
const ONE = { OMENDB_THREADS: "1", OMP_NUM_THREADS: "1" };
const LADDERS = {
  mnist: { ours: [10, 12, 14, 16, 20, 24, 32, 40, 56, 80, 128, 200], peer: [10, 14, 20, 28, 40, 56, 80, 112, 160, 240] },
  glove_tail: { ours: [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024], peer: [10, 20, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900] },
  million: { ours: [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384] },
  lists: [4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256],
};

/* ---- our side ---- */

const described = (set) => [`dimensions=${set.dims}`, `metric=${set.metric}`];
const bench = () => program("index");
const indexOf = (stats) => stats.collections[0].segments[0]?.indexes?.[0]?.index;
const buildOurs = (folder, set, options = [], threads = "1") => json(bench(), ["build", folder, set.folder, ...described(set), ...options], { env: { OMENDB_THREADS: threads } });

/** A database of the set, built by this very program: { folder, built }. */
async function database(set, label, options = [], note) {
  const key = createHash("sha256").update(readFileSync(bench())).update(JSON.stringify(options)).digest("hex").slice(0, 12);
  const folder = path.join(set.folder, `omendb-${label}-${key}`), report = path.join(folder, "build.json");
  if (existsSync(report)) return { folder: path.join(folder, "db"), built: JSON.parse(readFileSync(report, "utf8")) };
  for (const old of readdirSync(set.folder)) if (old.startsWith(`omendb-${label}-`)) rmSync(path.join(set.folder, old), { recursive: true, force: true });
  note(`building OmenDB's index of ${set.name} (${label})`);
  mkdirSync(folder, { recursive: true });
  const built = await buildOurs(path.join(folder, "db"), set, options, process.env.OMENDB_THREADS ?? "2");
  writeFileSync(report, JSON.stringify(built));
  return { folder: path.join(folder, "db"), built };
}

async function withOurs(folder, set, options, use) {
  const served = new Served(bench(), ["serve", folder, set.folder, ...described(set), ...options], ONE);
  try {
    return await use(served);
  } finally {
    await served.close();
  }
}

/** Growth of resident memory since before the database was open, and what the database counts itself. */
async function memory(served) {
  const { rssBefore, rss, stats } = await served.ask("memory");
  return { resident: rss - rssBefore, counted: stats.memoryBytes };
}

/* ---- peers ---- */

const NATIVE = ["-O3", "-march=native"];
const PEERS = {
  hnswlib: { source: "ann_hnswlib.cpp", libraries: ["-pthread"], needs: "/usr/include/hnswlib/hnswlib.h", packages: "libhnswlib-dev, g++", file: "hnswlib-16-200.index", words: [] },
  "faiss HNSW": { source: "ann_faiss.cpp", libraries: ["-fopenmp", "-lfaiss", "-lopenblas"], needs: "/usr/include/faiss/IndexHNSW.h", packages: "libfaiss-dev, libopenblas-dev, g++", file: "faiss-hnsw.index", words: ["hnsw"] },
};

const peerArgs = (set, { words }, file) => [set.folder, set.metric, set.dims, file, 1, ...words];
const peerProgram = ({ source, libraries, needs, packages }) => peer(source, libraries, { needs, packages, flags: NATIVE });

/** The peer's index of the set with what building it took on one thread: { file, cpuSeconds, measured }. */
async function peerIndex(set, name, note) {
  const spec = PEERS[name], built = peerProgram(spec), file = path.join(set.folder, spec.file), report = `${file}.json`;
  if (!process.env.OMEN_BENCH_FRESH && existsSync(file) && existsSync(report)) return { file, ...JSON.parse(readFileSync(report, "utf8")) };
  note(`building ${name}'s index of ${set.name}`);
  const own = `${file}.${process.pid}`;
  const served = new Served(built, peerArgs(set, spec, own), ONE);
  try {
    const { buildCpu } = await served.answer();
    const facts = { cpuSeconds: buildCpu, measured: new Date().toISOString().slice(0, 16) };
    renameSync(own, file);
    writeFileSync(report, JSON.stringify(facts));
    return { file, ...facts };
  } finally {
    await served.close();
    rmSync(own, { force: true });
  }
}

/** Calls `use` with sides of `names` for climb(); a peer that is missing is left out. */
async function withPeers(set, names, note, use) {
  const sides = {}, running = [];
  try {
    for (const name of names) {
      try {
        const { file } = await peerIndex(set, name, note);
        const served = new Served(peerProgram(PEERS[name]), peerArgs(set, PEERS[name], file), ONE);
        running.push(served);
        await served.answer();
        sides[name] = {
          ladder: LADDERS[set.name].peer,
          pass: async (effort) => {
            const { recall, queries, seconds } = await served.ask(effort);
            return { recall, qps: queries / seconds };
          },
        };
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        note(`${name}: ${error.message}`);
      }
    }
    return await use(sides);
  } finally {
    for (const served of running) await served.close();
  }
}

/* ---- figures ---- */

const reached = (value, against, why) => (Number.isFinite(value) ? { value, against } : { missing: why });

/** Curves of OmenDB and its peers, drawn; the ratios at two recalls, and what the tuner gives who asks for them. */
async function curves(name, title, note) {
  const set = prepare(name.set, note), ours = await database(set, "auto", [], note), label = name.short;
  return withOurs(ours.folder, set, [], (served) =>
    withPeers(set, Object.keys(PEERS), note, async (sides) => {
      const points = await climb({ OmenDB: { ladder: LADDERS[set.name].ours, pass: (ef) => served.ask(`ef ${ef}`) }, ...sides }, ROUNDS);
      const file = path.join(ROOT, `build/bench/ann-${label}.svg`);
      writeFileSync(file, plot(title, points));
      writeFileSync(file.replace(/svg$/, "json"), JSON.stringify(points, null, 1));
      note(`drawn: ${path.relative(ROOT, file)}`);
      const asked = await climb({ OmenDB: { ladder: [0.95, 0.99], pass: (recall) => served.ask(`recall ${recall}`) } }, ROUNDS);
      const index = indexOf(ours.built.stats);
      return Object.fromEntries(
        [0.95, 0.99].map((recall, i) => {
          if (!points.hnswlib) return [`ann.${label}.r${recall * 100}`, { missing: "hnswlib is missing (Debian package libhnswlib-dev)" }];
          const mine = qpsAt(points.OmenDB, recall), theirs = qpsAt(points.hnswlib, recall);
          const faiss = points["faiss HNSW"] && { faissQps: qpsAt(points["faiss HNSW"], recall) };
          const against = { kernels: ours.built.kernels, index: index?.kind, qps: mine, hnswlibQps: theirs, ...faiss, askedRecall: asked.OmenDB[i].recall, askedQps: asked.OmenDB[i].qps };
          return [`ann.${label}.r${recall * 100}`, reached(mine / theirs, against, `recall ${recall} was not reached: OmenDB ${Math.max(...points.OmenDB.map((p) => p.recall))}`)];
        }),
      );
    }),
  );
}

/** Resident memory over the raw vectors after searches, with the recall and the speed they had. */
async function memoryOver(setName, limits, note) {
  const set = prepare(setName, note), ours = await database(set, "auto", [], note), raw = set.rows * set.dims * 4;
  const options = limits ? [`index_bytes=${Math.round(limits.index * raw)}`, `pool_bytes=${Math.round(limits.pool * raw)}`] : [];
  return withOurs(ours.folder, set, options, async (served) => {
    const { recall, qps } = await served.ask("recall 0.95"), { resident, counted } = await memory(served), { sources } = await served.ask("explain");
    const ranked = sources.find((s) => s.index !== "flat") ?? sources.at(-1);
    return { share: resident / raw, counted: counted / raw, recall, qps, index: ranked.index };
  });
}

async function memoryFigure(limits, note) {
  const mnist = await memoryOver("mnist", limits, note);
  let glove = { missing: "GloVe is missing" };
  try {
    glove = await memoryOver("glove_tail", limits, note);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
  }
  return { value: mnist.share, against: { mnist, glove } };
}

async function lists(note) {
  const set = prepare("mnist", note), ours = await database(set, "ivf", ["kind=ivf", "codec=rabitq"], note);
  return withOurs(ours.folder, set, [`index_bytes=${36 * MB}`, `pool_bytes=${4 * MB}`], (served) =>
    withPeers(set, ["hnswlib"], note, async (sides) => {
      if (!sides.hnswlib) return { missing: "hnswlib is missing (Debian package libhnswlib-dev)" };
      const points = await climb({ OmenDB: { ladder: LADDERS.lists, pass: (n) => served.ask(`nprobe ${n}`) }, ...sides }, 3);
      const asked = await served.ask("recall 0.98"), { resident } = await memory(served), best = Math.max(...points.OmenDB.map((p) => p.recall));
      const mine = qpsAt(points.OmenDB, 0.98), theirs = qpsAt(points.hnswlib, 0.98);
      return reached(mine / theirs, { residentMb: resident / MB, qps: mine, hnswlibQps: theirs, bestRecall: best, askedRecall: asked.recall, askedQps: asked.qps }, `recall 0.98 was not reached: ${best} at ${resident / MB} MB`);
    }),
  );
}

/** CPU seconds of writing and indexing on one thread over hnswlib's, and the recall either graph gives at ef = 320. */
async function build(setName, note) {
  const set = prepare(setName, note), theirs = await peerIndex(set, "hnswlib", note);
  return withFolder(async (folder) => {
    const ours = await buildOurs(path.join(folder, "db"), set);
    const recall = await withOurs(path.join(folder, "db"), set, [], async (served) => (await served.ask("ef 320")).recall);
    const peerRecall = await withPeers(set, ["hnswlib"], note, async ({ hnswlib }) => (await hnswlib.pass(320)).recall);
    return {
      value: ours.cpuSeconds / theirs.cpuSeconds,
      against: { cpuSeconds: ours.cpuSeconds, indexCpuSeconds: ours.indexCpuSeconds, hnswlibCpuSeconds: theirs.cpuSeconds, hnswlibMeasured: theirs.measured, recall320: recall, hnswlibRecall320: peerRecall },
    };
  });
}

async function threads(note) {
  const set = prepare("mnist", note), runs = { 1: [], 2: [] };
  for (const n of ["1", "2", "2", "1", "1", "2"]) runs[n].push(await withFolder((folder) => buildOurs(path.join(folder, "db"), set, [], n)));
  const seconds = (n) => median(runs[n].map((r) => r.indexSeconds)), hashes = new Set([...runs[1], ...runs[2]].map((r) => indexOf(r.stats)?.hash));
  if (hashes.size !== 1) throw new Error(`the bytes of the index differ by threads: ${[...hashes].join(", ")}`);
  return { value: seconds(1) / seconds(2), against: { oneThread: seconds(1), twoThreads: seconds(2), hash: [...hashes][0], load: loadavg()[0] } };
}

/** The first effort whose recall is enough, as medians. */
const enough = (points, recall) => points.find((p) => p.recall >= recall);

async function million(wanted, note) {
  const set = prepare("million", note), found = {};
  if (wanted.has("million.p50_ms") || wanted.has("million.mb")) {
    const ours = await database(set, "auto", [], note);
    await withOurs(ours.folder, set, [`pool_bytes=${64 * MB}`], async (served) => {
      const { OmenDB } = await climb({ OmenDB: { ladder: LADDERS.million.ours, pass: (ef) => served.ask(`ef ${ef}`) } }, 3);
      const asked = await served.ask("recall 0.95"), { resident, counted } = await memory(served), at = enough(OmenDB, 0.95);
      const against = { index: indexOf(ours.built.stats)?.kind, buildSeconds: ours.built.indexSeconds, askedRecall: asked.recall, askedMs: asked.p50Us / 1e3 };
      found["million.p50_ms"] = reached((at?.p50Us ?? NaN) / 1e3, { ...against, ef: at?.effort, recall: at?.recall }, `recall 0.95 was not reached: ${OmenDB.at(-1).recall}`);
      found["million.mb"] = { value: resident / MB, against: { countedMb: counted / MB, rawMb: (set.rows * set.dims * 4) / MB, poolMb: 64 } };
    });
  }
  if (wanted.has("million.paged_ms")) {
    const ours = await database(set, "disk", ["kind=disk"], note);
    await withOurs(ours.folder, set, [`index_bytes=${160 * MB}`, `pool_bytes=${96 * MB}`], async (served) => {
      const { OmenDB } = await climb({ OmenDB: { ladder: LADDERS.million.ours.slice(0, 8), pass: (ef) => served.ask(`ef ${ef}`) } }, 3);
      const asked = await served.ask("recall 0.9"), { resident } = await memory(served), at = enough(OmenDB, 0.9);
      const against = { residentMb: resident / MB, ef: at?.effort, recall: at?.recall, askedRecall: asked.recall, askedMs: asked.p50Us / 1e3 };
      found["million.paged_ms"] = reached((at?.p50Us ?? NaN) / 1e3, against, `recall 0.90 was not reached: ${OmenDB.at(-1).recall}`);
    });
  }
  return found;
}

export async function measure(wanted, note) {
  const found = {};
  /** One group after another; what is missing for one leaves the others be. */
  const group = async (names, take) => {
    if (!names.some((name) => wanted.has(name))) return;
    try {
      Object.assign(found, await take());
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      for (const name of names) found[name] = { missing: error.message };
    }
  };
  const one = (name, take) => group([name], async () => ({ [name]: await take() }));
  await group(["ann.mnist.r95", "ann.mnist.r99"], () => curves({ set: "mnist", short: "mnist" }, "mnist-784, L2, 60,000 rows", note));
  await group(["ann.glove.r95", "ann.glove.r99"], () => curves({ set: "glove_tail", short: "glove" }, "GloVe-100, cosine, 331,479 rows", note));
  await one("memory.full", () => memoryFigure(null, note));
  await one("memory.paged", () => memoryFigure({ index: 0.2, pool: 0.08 }, note));
  await one("ivf.mnist.r98", () => lists(note));
  await one("build.mnist", () => build("mnist", note));
  await one("build.glove", () => build("glove_tail", note));
  await one("build.threads", () => threads(note));
  await group(["million.p50_ms", "million.mb", "million.paged_ms"], () => million(wanted, note));
  return found;
}
