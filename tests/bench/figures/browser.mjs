/** The package in a page of Debian's Chromium, headless: the database in its worker, on the browser's own storage. */
import { existsSync } from "node:fs";
import path from "node:path";
import { Missing, ROOT, interleaved, json, median, medianOf, program, withFolder } from "../lib.mjs";

export const figures = {
  "write.opfs": { what: "writes in batches of 1,000 in flight, level group, OPFS in Chromium", unit: "vectors/s", bar: 50000, better: "higher" },
  "write.indexeddb": { what: "the same, IndexedDB", unit: "vectors/s", bar: 30000, better: "higher" },
  "open.opfs_ms": { what: "reopening 100,000 x 128 in Chromium from OPFS", unit: "ms", bar: 250, better: "lower" },
  "encryption.opfs": { what: "what a key takes from write.opfs; WebCrypto", unit: "of the rate", bar: 0.15, better: "lower" },
  "encryption.indexeddb": { what: "what a key takes from write.indexeddb; WebCrypto", unit: "of the rate", bar: 0.15, better: "lower" },
  "exact.wasm_over_native_chromium": { what: "exact search, 10,000 x 768, Chromium against the native C program", unit: "of native", bar: 0.4, better: "higher" },
};

export async function measure(wanted) {
  const harness = path.join(ROOT, "tests/browser/harness.mjs");
  if (!existsSync(harness)) throw new Missing("tests/browser/harness.mjs is not there");
  if (!existsSync(path.join(ROOT, "js/dist/platform/browser.js"))) throw new Missing("js/dist is not built (./dev bench builds it)");
  const { launch, serve, blankPage, callModule, missing } = await import(harness);
  const absent = missing("chromium");
  if (absent) throw new Missing(absent);
  const results = {};
  const server = await serve({ isolated: true });
  const session = await launch("chromium");
  try {
    const page = await blankPage(session, server.origin);
    const call = (name, ...args) => callModule(page, "/tests/bench/pages/page.mjs", { name, args });
    for (const storage of ["opfs", "indexeddb"]) {
      if (!wanted.has(`write.${storage}`)) continue;
      const rates = await call("writes", storage, 50_000, 5);
      results[`write.${storage}`] = { value: median(rates), against: { fastest: Math.max(...rates), slowest: Math.min(...rates) } };
    }
    for (const storage of ["opfs", "indexeddb"]) {
      if (!wanted.has(`encryption.${storage}`)) continue;
      const once = (key) => async () => (await call("writes", storage, 50_000, 1, key))[0];
      const { plain, sealed } = await interleaved(11, { plain: once(), sealed: once(7) });
      const rates = { plain: median(plain), sealed: median(sealed) };
      results[`encryption.${storage}`] = { value: 1 - rates.sealed / rates.plain, against: { plainPerSecond: rates.plain, sealedPerSecond: rates.sealed } };
    }
    if (wanted.has("open.opfs_ms")) results["open.opfs_ms"] = { value: await call("opens", "opfs", 100_000, 128, 9) };
    if (wanted.has("exact.wasm_over_native_chromium")) {
      const native = (dims) => () => withFolder((folder) => json(program("exact"), [folder, 10_000, dims, 60]));
      const times = await interleaved(3, { page: () => call("search", 10_000, 768, 60), c: native(768), page128: () => call("search", 10_000, 128, 60), c128: native(128) });
      const [single, c] = [medianOf(times.page, "single"), medianOf(times.c, "msQuery")];
      results["exact.wasm_over_native_chromium"] = {
        value: median(times.page.map((p, i) => times.c[i].msQuery / p.single)),
        against: {
          pageMs: single,
          cMs: c,
          pageTogetherMs: medianOf(times.page, "together"),
          pageMs128: medianOf(times.page128, "single"),
          pageTogetherMs128: medianOf(times.page128, "together"),
          cMs128: medianOf(times.c128, "msQuery"),
        },
      };
    }
  } finally {
    await session.close();
    await server.close();
  }
  return results;
}
