// check and repair: what is damaged is shown with its place, nothing is changed without --write, and what can be kept is kept.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fails, folder, json, notBuilt as skip, ok, omendb as run } from "./fixtures/omendb.mjs";

const image = (db) => Object.fromEntries(readdirSync(db).map((name) => [name, readFileSync(join(db, name)).toString("base64")]));

/** A bit in the file of that prefix that was written last: at a place, or at a share of its length. */
function flip(db, prefix, where) {
  const name = readdirSync(db).filter((one) => one.startsWith(prefix)).at(-1);
  const bytes = readFileSync(join(db, name));
  const at = where < 1 ? Math.floor(bytes.length * where) : where;
  writeFileSync(join(db, name), bytes.with(at, bytes[at] ^ 0x10));
  return name;
}

function build(t) {
  const db = join(folder(t), "db");
  ok(["create", db, "--dimensions", "2"]);
  const records = (from) => Array.from({ length: 20 }, (_, i) => JSON.stringify({ id: from + i, vector: [1, i], text: "words ".repeat(20) }));
  ok(["upsert", db, ...records(0)]);
  ok(["flush", db]);
  for (const from of [100, 200, 300]) ok(["upsert", db, ...records(from)]);
  return db;
}

test("a damaged log", { skip }, (t) => {
  const db = build(t);
  assert.deepEqual(json(["check", db]).damage, []);
  const name = flip(db, "log-", 0.5);
  const before = image(db);
  const { message } = fails(50, ["count", db]);
  assert.match(message, new RegExp(`${name}.*; \`omendb check .*db\` tells all that is damaged$`));
  assert.match(fails(50, ["check", db]).message, new RegExp(name));
  fails(50, ["repair", db]);
  assert.deepEqual(image(db), before, "nothing changes without --write");
  assert.match(run(["check", db]).out, /lost: \d+ records/);
  const report = json(["repair", db, "--write"]);
  assert.equal(report.written, true);
  assert.equal(report.damage[0].kind, "log");
  assert.equal(report.lost.log[0].file, name);
  assert.equal(json(["check", db]).ok, true);
  assert.equal(Number(ok(["count", db])), 80 - report.lost.records);
  assert.equal(report.lost.records, 20);
});

test("a segment that is gone, and a manifest that is", { skip }, (t) => {
  const db = build(t);
  const remove = (prefix) => readdirSync(db).filter((name) => name.startsWith(prefix)).forEach((name) => rmSync(join(db, name)));
  remove("seg-");
  assert.match(run(["check", db]).out, /^lost:\n {2}all records of seg-/m);
  assert.match(fails(50, ["check", db]).message, /^1 place is damaged; the first: seg-.* is missing/);
  remove("manifest-");
  assert.match(fails(50, ["count", db]).message, /holds log-.* but no manifest; repair it while it has no segments, else restore it from a backup$/);
  assert.match(fails(50, ["repair", db, "--write"]).message, /begin at LSN \d+, .* restore the database from a backup/);
  const young = join(folder(t), "db");
  ok(["create", young, "--dimensions", "2"]);
  ok(["upsert", young, '{"id": 1, "vector": [1, 2]}']);
  for (const name of readdirSync(young)) if (name.startsWith("manifest-")) rmSync(join(young, name));
  assert.equal(json(["repair", young, "--write"]).lost.records, 0);
  assert.equal(ok(["count", young]), "1\n");
});

test("a damaged segment: what is lost is named", { skip }, (t) => {
  const db = build(t);
  const name = flip(db, "seg-", 140) /* where ids are */;
  const report = JSON.parse(run(["check", db, "--json"]).out);
  assert.equal(report.ok, false);
  assert.equal(report.damage[0].file, name);
  assert.ok(report.damage[0].offset > 0 && typeof report.damage[0].section === "string");
  const repaired = json(["repair", db, "--write"]);
  assert.equal(repaired.lost.records, report.lost.records);
  assert.equal(json(["check", db]).ok, true);
  assert.equal(Number(ok(["count", db])), 80 - repaired.lost.records);
});
