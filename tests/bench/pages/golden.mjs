/** The golden workload in a page. */
import { open } from "/js/dist/platform/browser.js";
import { memory } from "/js/dist/storage/memory.js";
import { report, runWorkload } from "/tests/golden/workload.mjs";

export async function hash() {
  const place = memory();
  const answers = await runWorkload((options) => open("golden", { storage: place, ...options }));
  return report(place.export("golden"), answers).trimEnd().split("\n").at(-1).split(" ")[1];
}
