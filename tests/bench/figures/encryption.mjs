/** What encryption at rest costs writes: the same course with a key and without one, in turn, on this disk; 128 dimensions, f32. */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Missing, ROOT, interleaved, json, median, medianOf, program, withFolder } from "../lib.mjs";
import { writeRate } from "../workload.mjs";

export const figures = {
  "encryption.native": { what: "what a key takes from writes: level group, batches of 1,000 in flight", unit: "of the rate", bar: 0.15, better: "lower" },
  "encryption.single": { what: "the same, one record at a time at level full", unit: "of the rate", bar: 0.15, better: "lower" },
  "encryption.wasm": { what: "the same as encryption.native, WebAssembly in Node.js with node:crypto, in a folder", unit: "of the rate", bar: 0.15, better: "lower" },
};

const VECTORS = 200_000, RECORDS = 1000, RUNS = 7;
const cost = (plain, sealed) => 1 - sealed / plain;

export async function measure(wanted) {
  const results = {};
  const write = program("write");
  const course = (args, env) => () => withFolder((folder) => json(write, [folder, ...args], { env }));
  for (const [name, args] of [["encryption.native", [VECTORS]], ["encryption.single", [RECORDS, "single"]]]) {
    if (!wanted.has(name)) continue;
    const { plain, sealed } = await interleaved(RUNS, { plain: course(args, { OMEN_BENCH_KEY: "" }), sealed: course(args, { OMEN_BENCH_KEY: "1" }) });
    const rates = { plain: medianOf(plain, "rate"), sealed: medianOf(sealed, "rate") };
    results[name] = { value: cost(rates.plain, rates.sealed), against: { plainPerSecond: rates.plain, sealedPerSecond: rates.sealed } };
  }
  if (wanted.has("encryption.wasm")) {
    const file = path.join(ROOT, "js/dist/platform/node.js");
    if (!existsSync(file)) throw new Missing("js/dist is not built (./dev bench builds it)");
    const { open } = await import(pathToFileURL(file));
    const encryption = { key: new Uint8Array(32).fill(7) };
    const rate = (options) => () => withFolder((folder) => writeRate(open, path.join(folder, "db"), { engine: "wasm", profile: "production", ...options }, { total: 100_000 }));
    const { plain, sealed, webcrypto } = await interleaved(RUNS, { plain: rate({}), sealed: rate({ encryption }), webcrypto: rate({ encryption: { key: await crypto.subtle.importKey("raw", encryption.key, "AES-GCM", false, ["encrypt", "decrypt"]) } }) });
    const rates = { plain: median(plain), sealed: median(sealed), webcrypto: median(webcrypto) };
    results["encryption.wasm"] = { value: cost(rates.plain, rates.sealed), against: { plainPerSecond: rates.plain, sealedPerSecond: rates.sealed, keyHeldByWebCryptoPerSecond: rates.webcrypto } };
  }
  return results;
}
