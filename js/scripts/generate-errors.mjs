// Writes src/codes.ts from the one table of statuses, include/omendb_status.h. `--check` only compares, for the tests.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const header = fileURLToPath(new URL("../../include/omendb_status.h", import.meta.url));
const target = fileURLToPath(new URL("../src/codes.ts", import.meta.url));

/** The source of codes.ts for the text of omendb_status.h. */
export function generate(text) {
  const map = /#define OMEN_STATUS_MAP\(X\)((?:.*\\\n)+.*\n)/.exec(text)?.[1];
  if (map === undefined) throw new Error("omendb_status.h has no OMEN_STATUS_MAP");
  const rows = [...map.matchAll(/X\((\w+),\s*(\d+),\s*((?:"(?:[^"\\]|\\.)*"\s*\\?\s*)+)\)/g)].map(([, name, value, text]) => ({
    name: `OMEN_${name}`,
    value: Number(value),
    text: [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part).join(""),
  }));
  const declared = [...map.matchAll(/X\(/g)].length;
  if (rows.length !== declared) throw new Error(`understood ${rows.length} of ${declared} rows of OMEN_STATUS_MAP`);
  const errors = rows.filter((row) => row.name.startsWith("OMEN_ERR_"));
  return `// Generated from include/omendb_status.h by scripts/generate-errors.mjs; do not edit.

/** Every error's stable number and what it means. The numbers are the C library's and the command line's exit codes. */
export const ERRORS = {
${errors.map((row) => `  ${row.name}: { status: ${row.value}, meaning: ${JSON.stringify(row.text)} },`).join("\n")}
} as const;

/** The stable name of an error. */
export type ErrorCode = keyof typeof ERRORS;

/** The answers that are no errors. */
export const STATUS = {
${rows.filter((row) => !errors.includes(row)).map((row) => `  ${row.name}: ${row.value},`).join("\n")}
} as const;
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = generate(readFileSync(header, "utf8"));
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) {
    console.error("src/codes.ts is not what include/omendb_status.h says: run npm run generate");
    process.exitCode = 1;
  }
}
