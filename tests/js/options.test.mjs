// Options of open: code before environment before file before profile; what is not ours is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { coreOptions, parseBytes, resolveSettings, settingsFromEnvironment, settingsFromFile } from "../../js/dist/options.js";

const source = (environment = {}, files = {}) => ({
  environment: (name) => environment[name],
  readText: async (file) => {
    if (!(file in files)) throw new Error(`ENOENT: no such file ${file}`);
    return files[file];
  },
});

test("sizes are numbers or text with a unit", () => {
  for (const [text, bytes] of [[1024, 1024], ["1024", 1024], ["64MiB", 64 * 2 ** 20], ["64 mib", 64 * 2 ** 20], ["1.5KiB", 1536], ["2GB", 2e9], ["0", 0]]) {
    assert.equal(parseBytes(text, "poolBytes", "here"), bytes);
  }
  for (const bad of ["", "64 parsecs", "-1", -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, null, {}, "MiB", "1e9"]) {
    assert.throws(() => parseBytes(bad, "poolBytes", "here"), { code: "OMEN_ERR_INVALID" }, String(bad));
  }
});

test("code beats environment beats file beats the file's profile", async () => {
  const files = {
    "omendb.json": JSON.stringify({ profile: "edge", durability: "os", poolBytes: "1MiB", memtableBytes: "1MiB", profiles: { edge: { memtableBytes: "2MiB", memoryBytes: "9MiB" }, production: { memoryBytes: 1 } } }),
  };
  const environment = { OMENDB_POOL_BYTES: "2MiB", OMENDB_READ_ONLY: "1", OMENDB_CONFIG: "omendb.json" };
  const settings = await resolveSettings({ readOnly: false }, source(environment, files));
  assert.deepEqual(settings, { profile: "edge", durability: "os", poolBytes: 2 * 2 ** 20, memtableBytes: 2 * 2 ** 20, memoryBytes: 9 * 2 ** 20, readOnly: false });
  const other = await resolveSettings({ profile: "production", config: "omendb.json" }, source({}, files));
  assert.equal(other.memoryBytes, 1);
  assert.deepEqual(await resolveSettings({}, source()), {});
});

test("environment variables are checked like everything else", () => {
  assert.deepEqual(settingsFromEnvironment((name) => ({ OMENDB_CREATE: "false", OMENDB_STORAGE: "memory", OMENDB_MANUAL_MAINTENANCE: "TRUE" })[name]), {
    create: false,
    storage: "memory",
    manualMaintenance: true,
  });
  assert.throws(() => settingsFromEnvironment((name) => (name === "OMENDB_DURABILITY" ? "sometimes" : undefined)), /OMENDB_DURABILITY.*"memory", "os", "group", "full"/);
  assert.throws(() => settingsFromEnvironment((name) => (name === "OMENDB_CREATE" ? "perhaps" : undefined)), { code: "OMEN_ERR_INVALID" });
});

test("unknown options and wrong values are refused by name, wherever they stand", async () => {
  const refused = async (options, files, pattern, code = "OMEN_ERR_INVALID") =>
    assert.rejects(resolveSettings(options, source({}, files)), (error) => error.code === code && pattern.test(error.message));
  await refused({ durabilty: "full" }, {}, /open: there is no option "durabilty"; there are profile, /);
  await refused({ durability: "fsync" }, {}, /durability is "fsync"/);
  await refused({ readOnly: "yes" }, {}, /readOnly is "yes"; it must be true or false/);
  await refused({ databaseId: "1234" }, {}, /32 hex digits/);
  await refused({ config: "missing.json" }, {}, /missing.json cannot be read/, "OMEN_ERR_NOT_FOUND");
  await refused({ config: "c" }, { c: "{" }, /^OMEN_ERR_JSON: c: /, "OMEN_ERR_JSON");
  await refused({ config: "c" }, { c: "[]" }, /must hold a JSON object/);
  await refused({ config: "c" }, { c: '{"pool": 1}' }, /c: there is no option "pool"/);
  await refused({ config: "c" }, { c: '{"profiles": {"huge": {}}}' }, /profiles: profile is "huge"/);
});

test("the core is given only what is the core's", () => {
  assert.deepEqual(coreOptions({ engine: "wasm", storage: "memory", durability: "full", poolBytes: 5 }), { durability: "full", poolBytes: 5 });
  assert.deepEqual(settingsFromFile("{}", "f"), { common: {}, profiles: {} });
});
