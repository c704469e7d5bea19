/** Durable writes on this disk: 128 dimensions, f32. The peers and the plain loops run in turn with ours. */
import { createRequire } from "node:module";
import { Missing, interleaved, json, median, medianOf, peer, program, withFolder } from "../lib.mjs";

export const figures = {
  "write.native": { what: "level group, batches of 1,000 in flight", unit: "vectors/s", bar: 250000, better: "higher" },
  "write.raw_share": { what: "the same against a plain loop of as many bytes and fdatasyncs", unit: "of the loop", bar: 0.7, better: "higher" },
  "write.single": { what: "one record at a time at level full, against the disk's own fdatasync rate", unit: "of fdatasync", bar: 0.9, better: "higher" },
};

const VECTORS = 200_000, RECORDS = 1000, RUNS = 5;

/** The loadable extension of npm sqlite-vec for this machine, and a program that writes through it. */
function sqliteVec() {
  let extension;
  try {
    extension = createRequire(import.meta.url)("sqlite-vec").getLoadablePath();
  } catch {
    throw new Missing("sqlite-vec is not installed (npm ci in tests/bench)");
  }
  const file = peer("sqlite_vec.c", ["-lsqlite3"], { needs: "/usr/include/sqlite3.h", packages: "libsqlite3-dev" });
  return (folder) => json(file, [extension, folder, VECTORS / 4]);
}

export async function measure(wanted, note) {
  const results = {};
  const write = program("write");
  if (wanted.has("write.native") || wanted.has("write.raw_share")) {
    const runners = { ours: () => withFolder((folder) => json(write, [folder, VECTORS])) };
    let without;
    try {
      const beside = sqliteVec();
      runners.sqliteVec = () => withFolder(beside);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      note((without = error.message));
    }
    const answers = await interleaved(RUNS, runners);
    const rates = { fastest: Math.max(...answers.ours.map((a) => a.rate)), slowest: Math.min(...answers.ours.map((a) => a.rate)) };
    const peers = answers.sqliteVec ? { sqliteVec: medianOf(answers.sqliteVec, "rate") } : { sqliteVec: without };
    results["write.native"] = { value: medianOf(answers.ours, "rate"), against: { ...peers, ...rates } };
    results["write.raw_share"] = {
      value: medianOf(answers.ours, "share"),
      against: { plainVectorsPerSecond: median(answers.ours.map((a) => a.vectors / a.rawSeconds)), syncs: medianOf(answers.ours, "syncs"), bytes: medianOf(answers.ours, "bytes") },
    };
  }
  if (wanted.has("write.single")) {
    const { ours } = await interleaved(RUNS, { ours: () => withFolder((folder) => json(write, [folder, RECORDS, "single"])) });
    results["write.single"] = {
      value: medianOf(ours, "share"),
      against: { records: medianOf(ours, "rate"), fdatasyncs: median(ours.map((a) => a.syncs / a.rawSeconds)), syncsPerRecord: median(ours.map((a) => a.syncs / a.vectors)) },
    };
  }
  return results;
}
