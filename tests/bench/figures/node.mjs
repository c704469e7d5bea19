/** The package in Node.js: writes through WebAssembly, and its exact search beside the native engine's. */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Missing, ROOT, interleaved, json, median, medianOf, program, withFolder } from "../lib.mjs";
import { searchable, writeRate } from "../workload.mjs";

export const figures = {
  "write.wasm": { what: "the same writes through WebAssembly, memory storage, Node.js", unit: "vectors/s", bar: 150000, better: "higher" },
  "exact.wasm_over_native": { what: "exact search, 10,000 x 768, WebAssembly against native in Node.js", unit: "of native", bar: 0.4, better: "higher" },
};

const RUNS = 5;

export async function measure(wanted) {
  const file = path.join(ROOT, "js/dist/platform/node.js");
  if (!existsSync(file)) throw new Missing("js/dist is not built (./dev bench builds it)");
  const { open } = await import(pathToFileURL(file));
  const results = {};
  if (wanted.has("write.wasm")) {
    const { wasm, native } = await interleaved(RUNS, {
      wasm: () => writeRate(open, "db", { engine: "wasm", storage: "memory", profile: "production" }, { total: 100_000 }),
      native: () => withFolder((folder) => writeRate(open, path.join(folder, "db"), { engine: "native", profile: "production" }, { total: 100_000 })),
    });
    results["write.wasm"] = { value: median(wasm), against: { fastest: Math.max(...wasm), slowest: Math.min(...wasm), nativeEngineInNodeOnDisk: median(native) } };
  }
  if (wanted.has("exact.wasm_over_native")) results["exact.wasm_over_native"] = await ratio(open);
  return results;
}

/**
 * Both engines answer the same searches through the package, in turn. Beside it the C program without any JavaScript, and 128 dimensions,
 * where a search is so short that handing it over weighs as much.
 */
async function ratio(open) {
  const answer = {};
  for (const dims of [768, 128]) {
    await withFolder(async (folder) => {
      const wasm = await searchable(open, "db", { engine: "wasm", storage: "memory", profile: "production" }, { rows: 10_000, dims });
      const native = await searchable(open, path.join(folder, "db"), { engine: "native", profile: "production" }, { rows: 10_000, dims });
      const times = await interleaved(RUNS, {
        wasm: () => wasm.time(60),
        native: () => native.time(60),
        c: () => withFolder((inner) => json(program("exact"), [inner, 10_000, dims, 60])),
      });
      await Promise.all([wasm.db.close(), native.db.close()]);
      answer[dims] = { wasm: median(times.wasm), native: median(times.native), c: medianOf(times.c, "msQuery"), share: median(times.wasm.map((w, i) => times.native[i] / w)) };
    });
  }
  const [large, small] = [answer[768], answer[128]];
  return { value: large.share, against: { wasmMs: large.wasm, nativeMs: large.native, cMs: large.c, overC: large.c / large.wasm, share128: small.share, wasmMs128: small.wasm, nativeMs128: small.native, cMs128: small.c } };
}
