// Error codes: generated from the one table, and what is thrown elsewhere finds its code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { generate } from "../../js/scripts/generate-errors.mjs";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";
import { ERRORS, OmenError, asOmenError, codeOf } from "../../js/dist/errors.js";

const header = readFileSync(new URL("../../include/omendb_status.h", import.meta.url), "utf8");

test("codes.ts is what the header says", () => {
  assert.equal(readFileSync(new URL("../../js/src/codes.ts", import.meta.url), "utf8"), generate(header));
});

test("the generator notices what it does not understand", () => {
  assert.throws(() => generate("nothing here"), /no OMEN_STATUS_MAP/);
  assert.throws(() => generate(header.replace('X(ERR_IO, 40, "', 'X(ERR_IO, FORTY, "')), /understood \d+ of \d+ rows/);
});

test("every status of the header has its code, and no number is used twice", () => {
  const rows = [...header.matchAll(/X\((ERR_\w+), (\d+),/g)];
  assert.ok(rows.length > 20);
  for (const [, name, value] of rows) assert.equal(ERRORS[`OMEN_${name}`].status, Number(value));
  assert.equal(Object.keys(ERRORS).length, rows.length);
  assert.equal(new Set(Object.values(ERRORS).map(({ status }) => status)).size, rows.length);
});

test("an OmenError says what it is", () => {
  const error = new OmenError("OMEN_ERR_DIMENSION", 'vector of record "a" has 383 dimensions, collection "notes" has 384');
  assert.ok(error instanceof Error);
  assert.equal(error.name, "OmenError");
  assert.equal(error.status, 11);
  assert.equal(error.message, 'OMEN_ERR_DIMENSION: vector of record "a" has 383 dimensions, collection "notes" has 384');
  assert.equal(new OmenError("OMEN_ERR_BUSY").detail, ERRORS.OMEN_ERR_BUSY.meaning);
  assert.equal(codeOf(41), "OMEN_ERR_FULL");
  assert.equal(codeOf(99999), "OMEN_ERR_INTERNAL");
});

test("errors of systems find their code, and keep their message and cause", () => {
  const cases = [
    [Object.assign(new Error("no space left on device"), { code: "ENOSPC" }), "OMEN_ERR_FULL"],
    [Object.assign(new Error("quota"), { code: "EDQUOT" }), "OMEN_ERR_FULL"],
    [new DOMException("the quota is used up", "QuotaExceededError"), "OMEN_ERR_FULL"],
    [new DOMException("stopped", "AbortError"), "OMEN_ERR_CANCELLED"],
    [new Error("the cable fell out"), "OMEN_ERR_IO"],
    ["only text", "OMEN_ERR_IO"],
    [undefined, "OMEN_ERR_IO"],
    [Object.assign(new Error("OMEN_ERR_BUSY: elsewhere"), { code: "OMEN_ERR_BUSY" }), "OMEN_ERR_BUSY"],
  ];
  for (const [thrown, code] of cases) {
    const error = asOmenError(thrown, "reading seg-1");
    assert.equal(error.code, code);
    assert.equal(error.cause, thrown);
    assert.match(error.message, new RegExp(`^${code}: .*reading seg-1`));
  }
  const own = new OmenError("OMEN_ERR_BUSY", "x");
  assert.equal(asOmenError(own), own);
});

test("a place that is no path is named: by its name and its storage", async () => {
  const storage = memory();
  await assert.rejects(open("notes", { engine: "wasm", storage, create: false }), (error) => error.code === "OMEN_ERR_NOT_FOUND" && /"notes( \(memory\))?"/.test(error.message) && !error.message.includes('""'));
  const place = memory();
  place.import("notes", new Map([["letter.txt", new Uint8Array(5)]]));
  await assert.rejects(open("notes", { engine: "wasm", storage: place, log: () => {} }), (error) => error.code === "OMEN_ERR_FOREIGN" && error.message.includes('"notes (memory)"'));
  place.import("lost", new Map([["log-0000000000000001", new Uint8Array(500)]]));
  await assert.rejects(open("lost", { engine: "wasm", storage: place, log: () => {} }), (error) => error.message.includes('"lost (memory)"') || assert.fail(error.message));
});
