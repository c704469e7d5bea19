// Encryption at rest: the same files by every engine and every library, keys that fit and keys that do not, changes of keys, damage, and what the files show.
import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { loadNative } from "../../js/dist/engine/native.js";
import { open } from "../../js/dist/platform/node.js";
import { randomBytes, webSuite } from "../../js/dist/storage/encrypted-crypto.js";
import { nodeSuite } from "../../js/dist/storage/encrypted-node.js";
import { encrypted } from "../../js/dist/storage/encrypted.js";
import { fs } from "../../js/dist/storage/fs.js";
import { memory } from "../../js/dist/storage/memory.js";

const root = mkdtempSync(path.join(tmpdir(), "omen-encrypted-"));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;
const place = () => path.join(root, `db-${++places}`);
const key = (n) => new Uint8Array(32).fill(n);

const native = await loadNative(process.env.OMENDB_NATIVE || undefined).catch(() => undefined);
const withoutNative = native === undefined ? "there is no native engine" : native.encrypts ? false : "the native engine finds no libcrypto";
await native?.close();
const engines = withoutNative ? ["wasm"] : ["wasm", "native"];

/** The xorshift of tests/unit/native/encrypted_posix_test.c. */
function pattern(length, seed) {
  const bytes = new Uint8Array(length);
  let x = (Math.imul(seed, 2654435761) | 1) >>> 0;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

const WRITE = { create: true, readOnly: false };
const NAME = "seg-0000000000000001";

async function contentOf(storage, name) {
  const file = await storage.openFile(name, "read");
  try {
    const into = new Uint8Array(file.size());
    assert.equal(await file.readAt(0, into), into.length);
    return into;
  } finally {
    file.close();
  }
}

async function using(adapter, name, work) {
  const storage = await adapter.open(name, WRITE);
  try {
    return await work(storage);
  } finally {
    await storage.close();
  }
}

async function put(storage, name, bytes) {
  const file = await storage.openFile(name, "create");
  file.writeAt(0, bytes);
  await file.sync();
  file.close();
}

for (const [who, makeSuite] of [["node:crypto", () => nodeSuite], ["WebCrypto", webSuite]]) {
  test(`${who} writes and reads the file that the native engine writes and reads`, async () => {
    const golden = new Uint8Array(readFileSync(new URL("../golden/encrypted.bin", import.meta.url)));
    let at = 0;
    const random = (length) => Uint8Array.from({ length }, () => at++ * 167 + 13);
    const inner = memory();
    const adapter = encrypted(inner, { key: key(0x42), keyId: "test" }, { ...makeSuite(), random });
    const bytes = pattern(70000, 9);
    await using(adapter, "a", async (storage) => {
      const file = await storage.openFile(NAME, "create");
      file.writeAt(0, bytes.subarray(0, 100));
      file.truncate(90);
      file.writeAt(120, bytes);
      file.writeAt(10, bytes.subarray(0, 3));
      await file.sync();
      file.close();
    });
    assert.deepEqual(inner.export("a").get(NAME), golden);

    inner.import("b", [[NAME, golden]]);
    const content = await using(adapter, "b", (storage) => contentOf(storage, NAME));
    const expected = new Uint8Array(70120);
    expected.set(bytes.subarray(0, 90));
    expected.set(bytes, 120);
    expected.set(bytes.subarray(0, 3), 10);
    assert.deepEqual(content, expected);

    const before = golden.slice().fill(0, 512, 1024); // as it was before new files had the second slot
    inner.import("b", [[NAME, before]]);
    assert.deepEqual(await using(adapter, "b", (storage) => contentOf(storage, NAME)), expected);
  });

  test(`${who}: either slot of a header is enough, and tells a wrong key from damage`, async () => {
    const inner = memory();
    const right = { key: key(1) };
    const wrong = { key: key(2) };
    const bytes = pattern(600, 1);
    const look = (options) => using(encrypted(inner, options, makeSuite()), "b", (storage) => contentOf(storage, "seg-1"));
    await using(encrypted(inner, right, makeSuite()), "a", (storage) => put(storage, "seg-1", bytes));
    const whole = inner.export("a").get("seg-1");
    assert.deepEqual(whole.subarray(0, 512), whole.subarray(512, 1024));
    for (let at = 0; at < 1024; at += who === "WebCrypto" ? 7 : 1) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = whole.slice();
        damaged[at] ^= 1 << bit;
        inner.import("b", [["seg-1", damaged]]);
        assert.deepEqual(await look(right), bytes);
        if (bit !== at % 8) continue;
        await assert.rejects(look(wrong), { code: "OMEN_ERR_KEY" });
        // Changing keys to the same one makes it whole, so that the other slot is needed no more.
        await assert.rejects(look({ ...wrong, rotate: true }), { code: "OMEN_ERR_KEY" });
        assert.deepEqual(await look({ ...right, rotate: true }), bytes);
        const mended = inner.export("b").get("seg-1");
        mended[at < 512 ? 600 : 100] ^= 1;
        inner.import("b", [["seg-1", mended]]);
        assert.deepEqual(await look(right), bytes);
        mended[at < 512 ? 100 : 600] ^= 1;
        inner.import("b", [["seg-1", mended]]);
        await assert.rejects(look(right), { code: "OMEN_ERR_CORRUPT" });
      }
    }
  });

  test(`${who}: a header that is cut off in its second slot is made whole before anything follows it`, async () => {
    const inner = memory();
    const bytes = pattern(600, 1);
    await using(encrypted(inner, { key: key(1) }, makeSuite()), "a", (storage) => put(storage, "manifest-1", bytes));
    const whole = inner.export("a").get("manifest-1");
    for (const length of [512, 700, 1023, 1024]) {
      inner.import("b", [["manifest-1", whole.subarray(0, length)]]);
      await using(encrypted(inner, { key: key(1) }, makeSuite()), "b", async (storage) => {
        assert.equal((await contentOf(storage, "manifest-1")).length, 0);
        const file = await storage.openFile("manifest-1", "write");
        file.writeAt(0, bytes);
        await file.sync();
        file.close();
      });
      const after = inner.export("b").get("manifest-1");
      assert.deepEqual(after.subarray(0, 1024), whole.subarray(0, 1024));
      after[100] ^= 1; // the first slot is needed no more
      inner.import("b", [["manifest-1", after]]);
      assert.deepEqual(await using(encrypted(inner, { key: key(1) }, makeSuite()), "b", (storage) => contentOf(storage, "manifest-1")), bytes);
    }
  });

  test(`${who}: every byte flipped is reported, or changes nothing`, async () => {
    const inner = memory();
    const adapter = encrypted(inner, { key: key(1) }, makeSuite());
    const bytes = pattern(1200, 1);
    await using(adapter, "a", (storage) => put(storage, "seg-1", bytes));
    const whole = inner.export("a").get("seg-1");
    let reported = 0;
    let shorter = 0;
    for (let i = 0; i < whole.length; i += who === "WebCrypto" ? 7 : 1) {
      const damaged = whole.slice();
      damaged[i] ^= 1 << (i % 8);
      inner.import("b", [["seg-1", damaged]]);
      try {
        const content = await using(adapter, "b", (storage) => contentOf(storage, "seg-1"));
        if (content.length < bytes.length) {
          shorter++;
          assert.deepEqual(content, bytes.subarray(0, content.length));
        } else assert.deepEqual(content, bytes);
      } catch (error) {
        assert.ok(["OMEN_ERR_CORRUPT", "OMEN_ERR_KEY"].includes(error.code), String(error));
        reported++;
      }
    }
    assert.ok(reported * (who === "WebCrypto" ? 7 : 1) > 1000, `${reported} reported`);
    assert.ok(shorter > 0);
  });
}

const row = (i) => Float32Array.from({ length: 8 }, (_, d) => Math.fround(Math.sin(i * 8 + d)));
const SECRET = "the quick brown fox has a secret";

/** A database with segments, an index, and records that are only in the log. */
async function fill(db) {
  const c = await db.collection("secrets", { vector: { dimensions: 8, metric: "l2" }, text: ["note"] });
  await c.upsert(Array.from({ length: 300 }, (_, i) => ({ id: `person-${i}`, vector: row(i), note: `${SECRET} ${i}` })));
  await db.flush();
  await c.upsert(Array.from({ length: 20 }, (_, i) => ({ id: `late-${i}`, vector: row(1000 + i), note: `${SECRET}, late` })));
  await db.sync();
}

async function look(db) {
  const c = await db.collection("secrets");
  assert.equal(await c.count(), 320);
  const [hit] = await c.search({ vector: row(77), topK: 1 });
  assert.equal(hit.id, "person-77");
  const late = await c.get("late-3", { include: ["vector", "metadata"] });
  assert.deepEqual(late.vector, row(1003));
  assert.equal(late.note, `${SECRET}, late`);
  await db.check();
}

async function at(name, options, work) {
  const db = await open(name, options);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

for (const writer of engines) {
  test(`a database written by ${writer} opens in every engine with its key, and in none without`, async () => {
    const name = place();
    await at(name, { engine: writer, encryption: { key: key(1), keyId: "first" } }, fill);
    for (const reader of engines) {
      await at(name, { engine: reader, encryption: { key: key(1) } }, look);
      await at(name, { engine: reader, readOnly: true, encryption: { key: key(9), previousKeys: [key(1)] } }, look);
      await assert.rejects(open(name, { engine: reader, encryption: { key: key(2) } }), { code: "OMEN_ERR_KEY" });
      await assert.rejects(open(name, { engine: reader }), { code: "OMEN_ERR_KEY", message: /encrypted/ });
    }
    await at(name, { engine: writer, encryption: { key: key(1) } }, look); // no attempt changed anything
    await at(name, { engine: "auto", encryption: { key: key(1) } }, look);
    await at(name, { engine: "wasm", encryption: { key: await crypto.subtle.importKey("raw", key(1), "AES-GCM", false, ["encrypt", "decrypt"]) } }, look);
    for (const file of readdirSync(name)) {
      const bytes = readFileSync(path.join(name, file));
      assert.equal(bytes.subarray(0, 8).toString(), "OMENSEAL", file);
      for (const piece of ["quick", "person-", "late-", "secrets", "OMLF", "OMENSEG1", Buffer.from(row(77).buffer).subarray(0, 8)]) assert.equal(bytes.indexOf(piece), -1, `${file} holds ${piece}`);
    }
  });

  test(`a plain database of ${writer} is refused with a key`, async () => {
    const name = place();
    await at(name, { engine: writer }, fill);
    for (const reader of engines) await assert.rejects(open(name, { engine: reader, encryption: { key: key(1) } }), { code: "OMEN_ERR_KEY", message: /not encrypted|is not/ });
    await at(name, { engine: writer }, look);
  });

  test(`rotate puts a database of ${writer} under another key`, async () => {
    const name = place();
    await at(name, { engine: writer, encryption: { key: key(1) } }, fill);
    await at(name, { encryption: { key: key(2), keyId: "second", previousKeys: [key(1)], rotate: true } }, look);
    for (const reader of engines) {
      await at(name, { engine: reader, encryption: { key: key(2) } }, look);
      await assert.rejects(open(name, { engine: reader, encryption: { key: key(1) } }), { code: "OMEN_ERR_KEY" });
    }
  });
}

test("why a key does not fit is said in the same words by every engine", async () => {
  const places = { named: { encryption: { key: key(1), keyId: "first" } }, unnamed: { encryption: { key: key(1) } }, plain: {} };
  for (const [name, options] of Object.entries(places)) {
    places[name] = place();
    await at(places[name], options, fill);
  }
  const advice = "; give the right key, or both where keys are being changed; nothing is damaged";
  const cases = [
    ["named", undefined, 'the database is encrypted with the key "first", and no key was given; open it with that key'],
    ["unnamed", undefined, "the database is encrypted with a key without an id, and no key was given; open it with its key"],
    ["plain", { key: key(1) }, "manifest-0 is not encrypted, and a key was given; open the database without a key, or clone it into an encrypted one"],
    ["named", { key: key(2) }, `manifest-0 is encrypted with the key "first", and the key given does not open it${advice}`],
    ["named", { key: key(2), keyId: "second" }, `manifest-0 is encrypted with the key "first", and the key given, "second", does not open it${advice}`],
    ["named", { key: key(2), keyId: "first" }, `manifest-0 is encrypted with the key "first", and the key given, "first", does not open it: another key has the same id${advice}`],
    ["named", { key: key(2), keyId: "second", previousKeys: [key(3)] }, `manifest-0 is encrypted with the key "first", and none of the keys given opens it${advice}`],
    ["unnamed", { key: key(2), keyId: "second" }, `manifest-0 is encrypted with a key without an id, and the key given, "second", does not open it${advice}`],
  ];
  for (const engine of engines) {
    for (const [name, encryption, detail] of cases) {
      for (const readOnly of [false, true]) await assert.rejects(open(places[name], { engine, readOnly, encryption }), { code: "OMEN_ERR_KEY", detail });
    }
  }
});

test("files that change places are damage in every engine", async () => {
  const name = place();
  const encryption = { key: key(1) };
  await at(name, { encryption }, fill);
  await at(name, { encryption }, async (db) => (await db.collection("secrets")).upsert([{ id: "one more", vector: row(1), note: "more" }]).then(() => db.flush()));
  const segments = readdirSync(name).filter((file) => file.startsWith("seg-"));
  assert.ok(segments.length >= 2, String(segments));
  const [a, b] = segments.map((file) => path.join(name, file));
  const change = () => {
    renameSync(a, `${a}-`);
    renameSync(b, a);
    renameSync(`${a}-`, b);
  };
  change();
  for (const engine of engines) await assert.rejects(open(name, { engine, encryption }), (error) => error.code === "OMEN_ERR_CORRUPT" && segments.some((file) => error.detail.includes(file)));
  change();
  for (const engine of engines) await at(name, { engine, encryption }, (db) => db.check());
});

/** The data keys of all files of a folder, by the caller's key. */
function dataKeys(folder, bytes) {
  const found = new Set();
  for (const file of readdirSync(folder)) {
    const slot = readFileSync(path.join(folder, file)).subarray(0, 512);
    assert.equal(slot.subarray(0, 8).toString(), "OMENSEAL", file);
    const decipher = createDecipheriv("aes-256-gcm", bytes, slot.subarray(80, 92));
    decipher.setAAD(Buffer.concat([slot.subarray(0, 80), slot.subarray(140, 204)]));
    decipher.setAuthTag(slot.subarray(124, 140));
    found.add(Buffer.concat([decipher.update(slot.subarray(92, 124)), decipher.final()]).toString("hex"));
  }
  return found;
}

for (const engine of engines) {
  test(`a clone by ${engine} writes everything anew: under data keys of its own, and with no plaintext where it is encrypted`, async () => {
    const [name, anew, plain, again] = [place(), place(), place(), place()];
    await at(name, { engine, encryption: { key: key(1) } }, async (db) => {
      await fill(db);
      await db.clone({ name: anew, encryption: { key: key(2), keyId: "new" } });
      await db.clone(plain, { plain: true });
    });
    await at(plain, { engine }, async (db) => {
      await look(db);
      await db.clone({ name: again, encryption: { key: key(3) } });
    });
    for (const [copy, bytes] of [[anew, key(2)], [again, key(3)]]) {
      for (const reader of engines) await at(copy, { engine: reader, encryption: { key: bytes } }, look);
      const old = dataKeys(name, key(1));
      const now = dataKeys(copy, bytes);
      assert.ok(old.size >= 3 && now.size >= 3);
      for (const one of now) assert.ok(!old.has(one));
      for (const file of readdirSync(copy)) {
        const content = readFileSync(path.join(copy, file));
        for (const piece of ["quick", "person-", "late-", "secrets", "OMLF", "OMENSEG1", Buffer.from(row(77).buffer).subarray(0, 8)]) assert.equal(content.indexOf(piece), -1, `${file} holds ${piece}`);
      }
    }
    assert.ok(readdirSync(plain).some((file) => readFileSync(path.join(plain, file)).indexOf("person-") >= 0)); // what is looked for would be found
  });
}

test("in memory, and without a wait where the library does not need one", async () => {
  const storage = memory();
  await at("a", { storage, encryption: { key: key(1) } }, fill);
  await at("a", { storage, encryption: { key: key(1) } }, look);
  for (const [file, bytes] of storage.export("a")) assert.equal(Buffer.from(bytes).indexOf("quick"), -1, file);
  const opened = await encrypted(storage, { key: key(1) }, nodeSuite).open("a", { create: false, readOnly: true });
  assert.equal(opened.synchronous, true);
  await opened.close();
});

test("a removed file leaves nothing: one that is made under its name is another one", async () => {
  for (const suite of [nodeSuite, webSuite()]) {
    await using(encrypted(fs(root), { key: key(1) }, suite), path.basename(place()), async (storage) => {
      const old = await storage.openFile("seg-1", "create");
      old.writeAt(0, pattern(15, 1));
      await storage.remove("seg-1");
      const next = await storage.openFile("seg-1", "create");
      next.writeAt(0, pattern(3, 2));
      assert.deepEqual(await contentOf(storage, "seg-1"), pattern(3, 2));
      const into = new Uint8Array(20);
      assert.equal(await old.readAt(0, into), 15);
      assert.deepEqual(into.subarray(0, 15), pattern(15, 1));
      await old.sync();
      old.close();
      assert.deepEqual(await contentOf(storage, "seg-1"), pattern(3, 2));
      await next.sync();
      next.close();
    });
  }
});

/** An adapter whose storage fails for good at its nth change, as if the power went. */
function failing(inner, n) {
  let left = n;
  const change = (action) => {
    if (--left <= 0) throw new Error("no power");
    return action();
  };
  return {
    kind: inner.kind,
    destroy: (name) => inner.destroy(name),
    hit: () => left <= 0,
    async open(name, options) {
      const storage = await inner.open(name, options);
      return {
        ...{ synchronous: true, list: () => storage.list(), remove: (f) => change(() => storage.remove(f)), syncDirectory: () => storage.syncDirectory(), close: () => storage.close() },
        openFile(file, mode) {
          const f = storage.openFile(file, mode);
          return { size: () => f.size(), readAt: (o, b) => f.readAt(o, b), writeAt: (o, b) => change(() => f.writeAt(o, b)), truncate: (s) => change(() => f.truncate(s)), sync: () => change(() => f.sync()), close: () => f.close() };
        },
      };
    },
  };
}

test("a change of keys that is cut off at any step loses nothing and can be finished", async () => {
  const storage = memory();
  const change = { key: key(2), previousKeys: [key(1)], rotate: true };
  await using(encrypted(storage, { key: key(1) }, nodeSuite), "a", async (s) => {
    for (const [i, name] of ["manifest-1", "log-1", "seg-1"].entries()) await put(s, name, pattern(500, i + 1));
  });
  const files = storage.export("a");
  const holds = async (name, options) =>
    using(encrypted(storage, options, nodeSuite), name, async (s) => {
      for (const [i, file] of ["manifest-1", "log-1", "seg-1"].entries()) assert.deepEqual(await contentOf(s, file), pattern(500, i + 1));
    });
  let steps = 0;
  for (let n = 1; ; n++) {
    storage.import("b", files);
    const inner = failing(storage, n);
    const result = await encrypted(inner, change, nodeSuite).open("b", WRITE).then((s) => s.close(), (error) => error);
    if (!inner.hit()) break;
    steps++;
    assert.equal(result.code, "OMEN_ERR_IO");
    await holds("b", { ...change, rotate: false });
    await holds("b", change);
    await holds("b", { key: key(2) });
    await assert.rejects(holds("b", { key: key(1) }), { code: "OMEN_ERR_KEY" });
  }
  assert.equal(steps, 12);
});

/** node:crypto, watched: which ciphers were made, which were forgotten, and what the bytes were that they were made of. */
function watching() {
  const made = [];
  const cipher = (bytes) => {
    const inside = nodeSuite.cipher(bytes);
    const one = {
      bytes,
      forgotten: false,
      seal: (...a) => inside.seal(...a),
      sealInto: (...a) => inside.sealInto(...a),
      open: (...a) => inside.open(...a),
      forget() {
        one.forgotten = true;
        inside.forget();
        assert.throws(() => assert.deepEqual(inside.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(16)), nodeSuite.cipher(one.was).seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(16))));
      },
      was: new Uint8Array(bytes),
    };
    made.push(one);
    return one;
  };
  return { suite: { ...nodeSuite, cipher }, made };
}

test("keys are overwritten when a storage is closed, and when opening fails", async () => {
  const caller = key(1);
  const other = key(2);
  const storage = memory();
  const check = (made, atLeast) => {
    assert.ok(made.length >= atLeast, String(made.length));
    for (const { bytes, forgotten } of made) {
      assert.ok(forgotten);
      assert.ok(bytes === caller || bytes === other || bytes.every((byte) => byte === 0)); // the caller's are the caller's
    }
  };
  const course = async (options, atLeast, work) => {
    const { suite, made } = watching();
    await using(encrypted(storage, options, suite), "a", work).catch((error) => assert.match(error.code, /^OMEN_ERR_(KEY|CORRUPT|IO)$/));
    check(made, atLeast);
  };
  await course({ key: caller }, 4, async (s) => {
    for (const name of ["manifest-1", "log-1", "seg-1"]) await put(s, name, pattern(500, 1));
  });
  await course({ key: caller }, 4, async (s) => {
    for (const name of ["manifest-1", "log-1", "seg-1"]) await contentOf(s, name);
    const both = await Promise.all([s.openFile("seg-1", "read"), s.openFile("seg-1", "read")]);
    for (const file of both) file.close();
  });
  await course({ key: other }, 1, (s) => contentOf(s, "seg-1"));
  await course({ key: other, previousKeys: [caller] }, 3, (s) => contentOf(s, "seg-1"));
  const files = storage.export("a");
  for (let n = 1; n <= 12; n++) {
    const { suite, made } = watching();
    storage.import("b", files);
    await encrypted(failing(storage, n), { key: other, previousKeys: [caller], rotate: true }, suite).open("b", WRITE).then((s) => s.close(), () => undefined);
    check(made, 2);
  }
  const open = async (name, options) => {
    const s = await storage.open(name, options);
    return { synchronous: true, list: () => s.list(), remove: (f) => s.remove(f), syncDirectory: () => s.syncDirectory(), close: () => s.close(), openFile: (f, mode) => {
      const file = s.openFile(f, mode);
      return { size: () => file.size(), readAt: (at, into) => (at >= 1024 ? assert.fail("unreadable") : file.readAt(at, into)), writeAt: (...a) => file.writeAt(...a), truncate: (n) => file.truncate(n), sync: () => file.sync(), close: () => file.close() };
    } };
  };
  const { suite, made } = watching();
  const opened = await encrypted({ kind: "unreadable", open }, { key: caller }, suite).open("a", { create: false, readOnly: true });
  assert.throws(() => opened.openFile("seg-1", "read"), /unreadable/); // the header can be read, the records cannot
  assert.equal(made.length, 2);
  assert.ok(made[1].forgotten);
  await opened.close();
  check(made, 2);
});

test("what is no key is refused", async () => {
  const other = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["encrypt", "decrypt"]);
  const sealing = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt"]);
  for (const encryption of [{}, null, { key: "secret" }, { key: new Uint8Array(16) }, { key: key(1), keyId: "x".repeat(33) }, { key: key(1), previousKeys: [1] }, { key: key(1), previousKeys: Array(17).fill(key(1)) }, { key: other }, { key: sealing }]) {
    await assert.rejects(open(place(), { encryption, engine: "wasm" }), { code: "OMEN_ERR_INVALID" });
  }
  await assert.rejects(open(place(), { engine: "native", encryption: { key: await crypto.subtle.importKey("raw", key(1), "AES-GCM", false, ["encrypt", "decrypt"]) } }), { code: "OMEN_ERR_UNSUPPORTED" });
  assert.equal(randomBytes(12).length, 12);
});
