/** What the tests of the examples share: the built package under its own name, and clear words where something is not built. */
import { existsSync, lstatSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** `import "omendb"` in examples/ finds js/, as after an npm install. */
export function linkPackage() {
  const link = join(ROOT, "node_modules/omendb");
  mkdirSync(join(ROOT, "node_modules"), { recursive: true });
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync("../js", link, "dir");
}

/** Why a test cannot run, or false. */
export function notBuilt(...files) {
  const missing = files.filter((file) => !existsSync(join(ROOT, file)));
  return missing.length > 0 && `${missing.join(", ")} not there: run ./dev build native-gcc wasm wasm-relaxed, and npm run build in js/`;
}

/** What the quickstarts of Node and C print: the cosines of (1, 0.2, 0, 0.1), by hand 0.94 / (√1.05 · √0.86) and so on. */
export const NEAREST = [
  { id: "tea", score: 0.94 / (Math.sqrt(1.05) * Math.sqrt(0.86)), title: "How to brew green tea" },
  { id: "coffee", score: 0.87 / (Math.sqrt(1.05) * Math.sqrt(0.75)), title: "Grinding coffee by hand" },
].sort((a, b) => b.score - a.score);
