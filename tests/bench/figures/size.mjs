/** The modules a browser downloads: the first part at once, the second (wasm/later.txt) when it is needed. 1 KB is 1,000 bytes. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Missing, ROOT } from "../lib.mjs";

export const figures = {
  "wasm.brotli_kb": { what: "the first part of the WebAssembly module, which opens, writes, reads and searches vectors, after brotli, quality 11", unit: "KB", bar: 130, better: "lower" },
  "wasm.gzip_kb": { what: "the same after gzip, level 9", unit: "KB", bar: 160, better: "lower" },
};

const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });

export async function measure() {
  const read = (name) => {
    const file = path.join(ROOT, "js/dist", name);
    if (!existsSync(file)) throw new Missing(`js/dist/${name} is not built`);
    return readFileSync(file);
  };
  const plain = read("omendb.wasm"), relaxed = read("omendb-relaxed.wasm");
  const later = read("omendb-later.wasm"), relaxedLater = read("omendb-relaxed-later.wasm");
  const kb = (bytes) => bytes.length / 1000;
  return {
    "wasm.brotli_kb": { value: kb(brotli(plain)), against: { bytes: brotli(plain).length, plainKb: kb(plain), relaxedKb: kb(brotli(relaxed)), secondPartKb: kb(brotli(later)), bothPartsKb: kb(brotli(plain)) + kb(brotli(later)), relaxedBothPartsKb: kb(brotli(relaxed)) + kb(brotli(relaxedLater)) } },
    "wasm.gzip_kb": { value: kb(gzipSync(plain, { level: 9 })), against: { bytes: gzipSync(plain, { level: 9 }).length, relaxedKb: kb(gzipSync(relaxed, { level: 9 })) } },
  };
}
