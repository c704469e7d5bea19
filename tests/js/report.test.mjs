// What checkReport tells, in one agreement: the C code that writes it (src/db/findings.c), its types (js/src/types.ts), the parts' explanations in the
// documentation and in the command line, and a report itself.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { open } from "../../js/dist/platform/node.js";
import { memory } from "../../js/dist/storage/memory.js";

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const ts = createRequire(new URL("../../js/package.json", import.meta.url))("typescript");
const types = ts.createSourceFile("types.ts", read("js/src/types.ts"), ts.ScriptTarget.ES2022, true);
const findings = read("src/db/findings.c");

/** Members of an interface: those that are always there, and those that may be missing. */
function members(name) {
  const found = types.statements.find((one) => ts.isInterfaceDeclaration(one) && one.name.text === name);
  assert.ok(found, `types.ts has no interface ${name}`);
  const names = (optional) => found.members.filter((one) => (one.questionToken !== undefined) === optional).map((one) => one.name.text).sort();
  return { always: names(false), perhaps: names(true) };
}

/** The texts of a union of them. */
function union(name) {
  const found = types.statements.find((one) => ts.isTypeAliasDeclaration(one) && one.name.text === name);
  return found.type.types.map((one) => one.literal.text);
}

/** The keys that a function of findings.c writes, in its source's order. */
function written(name) {
  const body = new RegExp(`^\\w[^\\n]*\\b${name}\\(.*?^}`, "ms").exec(findings)?.[0];
  assert.ok(body, `findings.c has no ${name}`);
  return [...body.matchAll(/(?:omen_jw_key|text|number|list)\(&?w, "(\w+)"/g)].map(([, key]) => key);
}

const all = (name) => Object.values(members(name)).flat().sort();

test("the types have the members that C writes", () => {
  assert.deepEqual(all("Damage"), written("omen_findings_add").sort());
  assert.deepEqual(all("LostId"), written("omen_findings_lose").sort());
  assert.deepEqual(all("LostLog"), written("omen_findings_lose_log").sort());
  assert.deepEqual(all("LostSegment"), written("omen_findings_lose_segment").sort());
  // One function writes the whole: members of "lost" and of "checked" come behind these keys, "notes" between them.
  const keys = written("omen_findings_write");
  const [lost, notes, checked] = ["lost", "notes", "checked"].map((key) => keys.indexOf(key));
  assert.deepEqual(all("LostRecords"), keys.slice(lost + 1, notes).sort());
  assert.deepEqual(all("Checked"), keys.slice(checked + 1).sort());
  assert.deepEqual(all("CheckReport"), [...keys.slice(0, lost + 1), "notes", "checked"].sort());
});

test("the parts of files are named and explained everywhere", () => {
  const sections = [...findings.matchAll(/\{OMEN_SECTION_\w+, (true|false), "([^"]+)"\}/g)].map(([, derived, name]) => ({ name, derived: derived === "true" }));
  assert.ok(sections.length > 30);
  const names = sections.map(({ name }) => name);
  assert.deepEqual(union("DamagedSection").sort(), [...names, "unknown"].sort());
  const documented = [...read("docs/DURABILITY.md").matchAll(/^\| `([^`]+)` \| (.+) \| (yes|no)(?:; [^|]*)? \|$/gm)].map(([, name, what, loses]) => ({ name, what, derived: loses === "no" }));
  assert.deepEqual(documented.map(({ name, derived }) => ({ name, derived })), sections);
  const printed = [...read("native/cli/repair.c").matchAll(/^ {4}\{"([^"]+)", "([^"]+)"\},$/gm)].map(([, name, what]) => ({ name, what }));
  assert.deepEqual(printed, documented.map(({ name, what }) => ({ name, what })));
});

test("a report of damage has these members, and no others", async () => {
  const storage = memory();
  const db = await open("db", { engine: "wasm", storage, log: () => {} });
  const c = await db.collection("c", { vector: { dimensions: 64, metric: "l2" } });
  await c.upsert(Array.from({ length: 2000 }, (_, i) => ({ id: i, vector: Array.from({ length: 64 }, (_, d) => i + d), n: i })));
  await db.close();
  const sound = await open("db", { engine: "wasm", storage, log: () => {} });
  await sound.flush();
  await sound.close();
  const files = storage.export("db");
  const segment = [...files.keys()].find((name) => name.startsWith("seg-"));
  const bytes = files.get(segment);
  bytes[bytes.length >> 1] ^= 0x55; // most of it are vectors
  const broken = memory();
  broken.import("db", files);
  const again = await open("db", { engine: "wasm", storage: broken, log: () => {} });
  const report = await again.checkReport();
  const within = (object, name, exact = false) => {
    const { always, perhaps } = members(name);
    for (const key of always) assert.ok(key in object, `${name}.${key} is missing`);
    for (const key of Object.keys(object)) assert.ok([...always, ...(exact ? [] : perhaps)].includes(key), `${name} has no member ${key}`);
  };
  within(report, "CheckReport", true);
  within(report.lost, "LostRecords", true);
  within(report.checked, "Checked", true);
  assert.deepEqual([report.ok, report.written], [false, false]);
  assert.ok(report.damage.some(({ section }) => section === "vectors"), JSON.stringify(report.damage));
  assert.ok(report.lost.ids.length > 0);
  for (const lost of report.lost.ids) within(lost, "LostId", true);
  for (const damage of report.damage) {
    within(damage, "Damage");
    if (damage.section !== undefined) assert.ok(union("DamagedSection").includes(damage.section), damage.section);
  }
  await again.close().catch(() => undefined);
});
