// The numbers a test has to tell; see report.h, which does the same for C.
import { appendFileSync } from "node:fs";

/** Whether `./dev test --deep` runs: more seeds, more kills, more of everything. */
export const deep = process.env.OMEN_TEST_DEEP === "1";

/** Adds n to the number `key` of `./dev test --report`; the keys are listed in cmake/dev/report.sh. */
export function report(key, n) {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`${key} is ${n}; a report takes a count`);
  if (process.env.OMEN_TEST_REPORT) appendFileSync(process.env.OMEN_TEST_REPORT, `${key} ${n}\n`);
}
