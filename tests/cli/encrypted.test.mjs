// Encrypted databases on the command line: keys by file and by variable, and a change of keys.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fails, folder, json, notBuilt, ok, omendb } from "./fixtures/omendb.mjs";

const HEX = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER = "ff".repeat(32);

/** Without libcrypto, as under an emulator, there is nothing to test. */
function isSupported() {
  if (notBuilt) return notBuilt;
  const { code } = omendb(["create", join(tmpdir(), `omen-key-${process.pid}`)], { env: { OMENDB_KEY: HEX } });
  rmSync(join(tmpdir(), `omen-key-${process.pid}`), { recursive: true, force: true });
  return code === 70 ? "this machine has no libcrypto for the command line" : false;
}
const skip = isSupported();

/** An encrypted database with two records, and files of keys. */
function filled(t) {
  const place = folder(t);
  const db = join(place, "notes");
  const file = (name, content) => {
    writeFileSync(join(place, name), content);
    return join(place, name);
  };
  const keys = { hex: file("hex.key", `${HEX}\n`), base64: file("base64.key", Buffer.from(HEX, "hex").toString("base64")), raw: file("raw.key", Buffer.from(HEX, "hex")), other: file("other.key", OTHER) };
  ok(["create", db, "--dimensions", "2", "--collection", "notes", "--key-file", keys.hex, "--key-id", "first"]);
  ok(["upsert", db, '{"id": "a", "vector": [1, 0], "title": "eastern secrets"}', '{"id": "b", "vector": [0, 1]}', "--key-file", keys.hex]);
  return { db, keys, file };
}

test("one key in every form; none and another one are refused", { skip }, (t) => {
  const { db, keys, file } = filled(t);
  for (const key of [keys.hex, keys.base64, keys.raw]) assert.deepEqual(json(["count", db, "--key-file", key]), { count: 2 });
  for (const OMENDB_KEY of [HEX, HEX.toUpperCase(), Buffer.from(HEX, "hex").toString("base64url")]) assert.deepEqual(json(["count", db], { env: { OMENDB_KEY } }), { count: 2 });
  assert.match(ok(["get", db, "a", "--key-file", keys.raw]), /eastern secrets/);
  assert.match(fails(53, ["count", db]).message, /encrypted.*--key-file/s);
  assert.match(fails(53, ["count", db, "--key-file", keys.other]).message, /key/);
  for (const text of ["", "00", `${HEX}00`, "zz".repeat(32), "?".repeat(43)]) assert.match(fails(10, ["count", db, "--key-file", file("bad.key", text)]).message, /holds no key/);
  for (const OMENDB_KEY of ["x".repeat(32), ""]) assert.match(fails(10, ["count", db], { env: { OMENDB_KEY } }).message, /OMENDB_KEY/);
  assert.match(fails(10, ["create", `${db}-2`, "--key-id", "a"]).message, /--key-id names a key, but there is none/);
  assert.match(fails(10, ["count", db, "--key-file", join(db, "none")]).message, /none cannot be opened/);
  assert.match(fails(10, ["count", db, "--key-file", keys.hex, "--key-id", "x".repeat(33)]).message, /key-id/);
  for (const name of readdirSync(db)) {
    const bytes = readFileSync(join(db, name));
    assert.equal(bytes.subarray(0, 8).toString(), "OMENSEAL");
    assert.equal(bytes.indexOf("eastern"), -1);
  }
});

test("a plain database is refused with a key", { skip }, (t) => {
  const db = join(folder(t), "plain");
  ok(["create", db, "--dimensions", "2"]);
  assert.match(fails(53, ["collections", db], { env: { OMENDB_KEY: HEX } }).message, /manifest-0 is not encrypted, and a key was given; open the database without a key[^(]*$/);
  ok(["collections", db]);
});

test("clone: a plain database becomes an encrypted one, an encrypted one a plain one, and one under another key", { skip }, (t) => {
  const { db, keys } = filled(t);
  ok(["flush", db, "--key-file", keys.hex]);
  const holdsPlaintext = (folder) => readdirSync(folder).some((name) => readFileSync(join(folder, name)).indexOf("eastern") >= 0 || readFileSync(join(folder, name)).subarray(0, 8).toString() !== "OMENSEAL");
  ok(["clone", db, `${db}-plain`, "--key-file", keys.hex, "--plain"]);
  assert.deepEqual(json(["count", `${db}-plain`]), { count: 2 });
  assert.ok(holdsPlaintext(`${db}-plain`));
  ok(["clone", `${db}-plain`, `${db}-again`, "--new-key-file", keys.other, "--new-key-id", "second"]);
  assert.deepEqual(json(["count", `${db}-again`, "--key-file", keys.other]), { count: 2 });
  assert.match(fails(53, ["count", `${db}-again`]).message, /"second"/);
  ok(["clone", db, `${db}-other`, "--key-file", keys.hex], { env: { OMENDB_NEW_KEY: OTHER } });
  assert.deepEqual(json(["count", `${db}-other`, "--key-file", keys.other]), { count: 2 });
  fails(53, ["count", `${db}-other`, "--key-file", keys.hex]);
  for (const copy of ["again", "other"]) {
    assert.ok(!holdsPlaintext(`${db}-${copy}`), copy);
    ok(["check", `${db}-${copy}`, "--key-file", keys.other]);
  }
  assert.match(fails(10, ["clone", db, `${db}-x`, "--key-file", keys.hex, "--plain", "--new-key-file", keys.other]).message, /leave one of them out/);
  assert.match(fails(10, ["clone", db, `${db}-x`, "--key-file", keys.hex, "--new-key-id", "x"]).message, /--new-key-id names a key/);
});

test("rotate-key", { skip }, (t) => {
  const { db, keys } = filled(t);
  ok(["flush", db, "--key-file", keys.hex]);
  const files = readdirSync(db).length;
  assert.match(fails(10, ["rotate-key", db, "--key-file", keys.hex]).message, /new key/);
  assert.match(fails(10, ["rotate-key", db, "--new-key-file", keys.other]).message, /present key/);
  assert.match(fails(53, ["rotate-key", db, "--key-file", keys.other, "--new-key-file", keys.other]).message, /neither/);
  assert.match(fails(20, ["rotate-key", `${db}-none`, "--key-file", keys.hex, "--new-key-file", keys.other]).message, /no database/);
  assert.deepEqual(json(["rotate-key", db, "--key-file", keys.hex, "--new-key-file", keys.other, "--new-key-id", "second"]), { ok: true, files });
  assert.deepEqual(json(["count", db, "--key-file", keys.other]), { count: 2 });
  fails(53, ["count", db, "--key-file", keys.hex]);
  assert.deepEqual(json(["rotate-key", db, "--key-file", keys.hex, "--new-key-file", keys.other]), { ok: true, files: 0 });
  assert.equal(ok(["rotate-key", db, "--key-file", keys.hex, "--new-key-file", keys.other]), "all files are under the new key already\n");
  ok(["check", db, "--key-file", keys.other]);
  assert.ok(readFileSync(join(db, "manifest-1")).indexOf("second") > 0);
});
