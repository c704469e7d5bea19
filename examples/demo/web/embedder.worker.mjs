/**
 * The sentence model in the browser: a worker that is asked for one text at a time. Of questions that wait, only the last is answered:
 * who types on does not want the others any more.
 *
 * It is the same code and the same WebAssembly kernels as in Node.js (../embed.mjs), so the numbers are the same. The model's weights
 * are kept in the browser's cache storage: later visits load nothing. (The kernels' .wasm file lies beside this script.)
 */
import { initModel } from "@energetic-ai/embeddings";
import { loadGraphModel, ready as backendReady } from "@energetic-ai/core";
import { embedPassages } from "../passages.mjs";

const CACHE = "omendb-demo-model-1";

/** Fetches a file once; later it comes from the cache storage. */
async function fetchKept(url) {
  const cache = await caches.open(CACHE).catch(() => undefined);
  const kept = await cache?.match(url);
  if (kept !== undefined) return kept;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  await cache?.put(url, response.clone()).catch(() => {});
  return response;
}

async function load() {
  await backendReady();
  const description = await fetchKept("/model/model.json").then((response) => response.json());
  const paths = description.weightsManifest.flatMap(({ paths }) => paths);
  const vocabulary = await fetchKept("/model/vocab.json").then((response) => response.json());
  let loaded = 0;
  const shards = await Promise.all(
    paths.map(async (path) => {
      const bytes = new Uint8Array(await (await fetchKept(`/model/${path}`)).arrayBuffer());
      postMessage({ type: "progress", share: ++loaded / paths.length });
      return bytes;
    }),
  );
  const weightData = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
  shards.reduce((at, bytes) => (weightData.set(bytes, at), at + bytes.length), 0);
  const handler = {
    load: async () => ({
      modelTopology: description.modelTopology,
      format: description.format,
      generatedBy: description.generatedBy,
      convertedBy: description.convertedBy,
      weightSpecs: description.weightsManifest.flatMap(({ weights }) => weights),
      weightData: weightData.buffer,
    }),
  };
  const model = await initModel(async () => ({ model: await loadGraphModel(handler), vocabulary }));
  const embed = async (text) => Float32Array.from(await model.embed(text));
  await embed("warm up"); // The first run compiles the kernels' pipelines.
  return embed;
}

const ready = load();
ready.then(
  () => postMessage({ type: "ready" }),
  (error) => postMessage({ type: "failed", message: String(error?.message ?? error) }),
);

let busy = false;
const waiting = []; // { id, text } a question, or { id, passages } a record

async function work() {
  if (busy) return;
  busy = true;
  const embed = await ready;
  while (waiting.length > 0) {
    const { id, text, passages } = waiting.shift();
    try {
      const began = performance.now();
      const vector = text === undefined ? await embedPassages(embed, passages) : await embed(text);
      postMessage({ type: "vector", id, vector, ms: performance.now() - began }, [vector.buffer]);
    } catch (error) {
      postMessage({ type: "vector", id, error: String(error?.message ?? error) });
    }
    await new Promise((resolve) => setTimeout(resolve)); // Lets newer questions in.
  }
  busy = false;
}

onmessage = ({ data }) => {
  if (data.text !== undefined) {
    for (let i = waiting.length - 1; i >= 0; i--) {
      if (waiting[i].text !== undefined) postMessage({ type: "vector", id: waiting.splice(i, 1)[0].id, superseded: true });
    }
  }
  waiting.push(data);
  ready.then(work, () => {});
};
