/** Runs in a page: OmenDB in its worker and hnswlib-wasm on the page's own thread, over a set that the server hands out. */
import { open } from "/js/dist/platform/browser.js";
import { hnswlibWasm, omendb, pass } from "../ann_wasm.mjs";

const systems = {};
let set;

async function file(name, Type) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Type(await response.arrayBuffer());
}

/** Fetches the set in `folder` and builds both; their rows a second, or why one cannot run. */
export async function build(folder, dims) {
  set = { base: await file(`${folder}/base.f32`, Float32Array), query: await file(`${folder}/query.f32`, Float32Array), truth: await file(`${folder}/truth.i32`, Int32Array), dims };
  set.rows = set.base.length / dims;
  systems.OmenDB = await omendb(open, `ann-${set.rows}`, { storage: "memory" }, set);
  const answer = { OmenDB: systems.OmenDB.rowsPerSecond, kernels: systems.OmenDB.kernels };
  try {
    const { loadHnswlib } = await import("/tests/bench/node_modules/hnswlib-wasm/dist/hnswlib.js");
    systems["hnswlib-wasm"] = await hnswlibWasm(await loadHnswlib(), set);
    answer["hnswlib-wasm"] = systems["hnswlib-wasm"].rowsPerSecond;
  } catch (error) {
    answer.missing = String(error.message ?? error);
  }
  return answer;
}

export const run = (name, effort, together) => pass(systems[name], set, effort, together);

export const close = () => systems.OmenDB.close();
