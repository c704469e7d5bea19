/**
 * Bundles the one part of the page that needs it: the worker with the sentence model, whose packages are written for Node.js.
 * What they ask of Node.js (files, paths) is never called in a browser and is left empty.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Builds `folder`/embedder.js unless it is there and made of the same sources. */
export async function bundleEmbedder(folder, say = () => {}) {
  const sum = createHash("sha256");
  for (const file of ["embedder.worker.mjs", "bundle.mjs", "../passages.mjs", "../package-lock.json"]) sum.update(await readFile(join(HERE, file)));
  const version = sum.digest("hex");
  const mark = join(folder, "embedder.version");
  if ((await readFile(mark, "utf8").catch(() => "")) === version) return;
  say("bundling the sentence model's worker");
  const { build } = await import("vite");
  await build({
    root: HERE,
    configFile: false,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [
      {
        name: "no-node-modules",
        enforce: "pre",
        resolveId: (id) => (/^(node:)?(fs|fs\/promises|path|os|perf_hooks|worker_threads|crypto|util)$/.test(id) || id === "node-fetch" ? `\0empty` : undefined),
        load: (id) => (id === "\0empty" ? "export default {}; export const promises = {};" : undefined),
      },
    ],
    build: {
      outDir: folder,
      emptyOutDir: false,
      minify: true,
      target: "es2022",
      lib: { entry: join(HERE, "embedder.worker.mjs"), formats: ["es"], fileName: () => "embedder.js" },
    },
  });
  await writeFile(mark, version);
}
