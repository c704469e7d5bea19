// Node.js, Deno and Bun: keep three notes in a folder, then ask which two are nearest to a vector.
import { open } from "omendb";

const db = await open(process.argv[2] ?? "notes.omen"); // a folder, created on first use
const notes = await db.collection("notes", { vector: { dimensions: 4, metric: "cosine" } });

await notes.upsert([
  { id: "tea", vector: [0.9, 0.1, 0.0, 0.2], title: "How to brew green tea" },
  { id: "coffee", vector: [0.8, 0.3, 0.1, 0.1], title: "Grinding coffee by hand" },
  { id: "bicycle", vector: [0.0, 0.2, 0.9, 0.4], title: "Mending a flat tyre" },
]); // resolves when the records would survive a power loss

const hits = await notes.search({ vector: [1, 0.2, 0, 0.1], topK: 2 });
for (const { id, score, distance, metadata } of hits) console.log(id, score.toFixed(4), distance.toFixed(4), metadata.title);
await db.close();
