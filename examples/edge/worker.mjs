// Cloudflare Workers (workerd): a search in the isolate's own memory. POST a vector of four numbers, get the nearest records.
import { open } from "omendb";

const RECORDS = [
  { id: "tea", vector: [0.9, 0.1, 0.0, 0.2], title: "How to brew green tea" },
  { id: "coffee", vector: [0.8, 0.3, 0.1, 0.1], title: "Grinding coffee by hand" },
  { id: "bicycle", vector: [0.0, 0.2, 0.9, 0.4], title: "Mending a flat tyre" },
];

async function prepare() {
  const db = await open("notes", { storage: "memory", profile: "edge" });
  const notes = await db.collection("notes", { vector: { dimensions: 4, metric: "cosine" } });
  await notes.upsert(RECORDS);
  return notes;
}

let ready; // Made by the first request: at start-up an isolate may neither wait nor draw random numbers.

export default {
  async fetch(request) {
    const notes = await (ready ??= prepare());
    if (request.method !== "POST") return new Response("POST a vector, such as [1, 0.2, 0, 0.1]\n", { status: 405 });
    try {
      return Response.json(await notes.search({ vector: await request.json(), topK: 2 }));
    } catch (error) {
      return Response.json({ error: error.message }, { status: 400 });
    }
  },
};
