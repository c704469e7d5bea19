// The public interface over WebAssembly: every storage that runs in Node.js, and one that answers late and in random order.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { memory } from "../../js/dist/storage/memory.js";
import { random } from "./random.mjs";
import { slow } from "./slow.mjs";
import { suite } from "./suite.mjs";

suite("memory", () => ({ name: "db", options: { engine: "wasm", storage: memory() } }));

suite("fs", (t) => {
  const root = mkdtempSync(path.join(tmpdir(), "omendb-api-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return { name: path.join(root, "db"), options: { engine: "wasm", storage: "fs" } };
});

suite("late answers", (t) => ({ name: "db", options: { engine: "wasm", storage: slow(memory(), random(t)) } }));
