/** A thread of embed.mjs: texts come in, one block of vectors goes out. */
import { parentPort } from "node:worker_threads";
import { DIMENSIONS, loadModel } from "./embed.mjs";
import { embedPassages } from "./passages.mjs";

const model = loadModel();

parentPort.on("message", async ({ start, texts }) => {
  const embed = await model;
  const vectors = new Float32Array(texts.length * DIMENSIONS);
  for (const [i, passages] of texts.entries()) vectors.set(await embedPassages(embed, passages), i * DIMENSIONS);
  parentPort.postMessage({ start, vectors }, [vectors.buffer]);
});
