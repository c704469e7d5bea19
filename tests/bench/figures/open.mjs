/** Reopening a database of 100,000 x 128. Its records lie in segments; beside it, one whose newest records are still in the log and are replayed. */
import { json, program, run, withFolder } from "../lib.mjs";

export const figures = {
  "open.native_ms": { what: "reopening 100,000 x 128 natively, from segments", unit: "ms", bar: 50, better: "lower" },
};

export async function measure() {
  const open = program("open");
  const of = (how) =>
    withFolder(async (folder) => {
      await run(open, ["make", folder, 100_000, 128, how]);
      return json(open, ["open", folder, 15]);
    });
  const segments = await of("flush"), log = await of("log");
  return { "open.native_ms": { value: segments.openMs, against: { firstGetMs: segments.firstGetMs, withLogMs: log.openMs, records: segments.records } } };
}
