// The file system storage: files, the writer's lock between processes, and what a killed process leaves behind.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, utimesSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, test } from "node:test";
import { fs } from "../../js/dist/storage/fs.js";

const builtin = createRequire(import.meta.url)("node:fs");
const root = mkdtempSync(path.join(tmpdir(), "omendb-fs-"));
after(() => rmSync(root, { recursive: true, force: true }));
const adapter = fs(root);
const writing = { create: true, readOnly: false };
let name = "";
let folder = "";
beforeEach((t) => {
  name = `db-${t.name.replace(/\W+/g, "-").slice(0, 40)}`;
  folder = path.join(root, name);
});

test("files lie in the folder under their own names", async () => {
  const storage = await adapter.open(name, writing);
  const file = storage.openFile("manifest-0", "create");
  file.writeAt(0, new TextEncoder().encode("hello"));
  file.writeAt(8, new Uint8Array([1]));
  assert.equal(file.size(), 9);
  const into = new Uint8Array(20);
  assert.equal(file.readAt(3, into), 6);
  assert.deepEqual([...into.subarray(0, 6)], [0x6c, 0x6f, 0, 0, 0, 1]);
  file.truncate(5);
  assert.equal(file.size(), 5);
  await file.sync();
  storage.syncDirectory();
  file.close();
  assert.deepEqual(storage.list(), ["manifest-0"]);
  assert.equal(readFileSync(path.join(folder, "manifest-0"), "utf8"), "hello");
  assert.throws(() => storage.openFile("manifest-0", "create"), { code: "OMEN_ERR_EXISTS" });
  assert.throws(() => storage.openFile("manifest-1", "write"), { code: "OMEN_ERR_NOT_FOUND" });
  storage.remove("manifest-0");
  storage.remove("manifest-0");
  storage.close();
  assert.deepEqual(readdirSync(folder), []);
});

test("closing during a sync waits for it", async () => {
  const storage = await adapter.open(name, writing);
  const file = storage.openFile("log-0", "create");
  file.writeAt(0, new Uint8Array(1 << 20));
  const syncs = [file.sync(), file.sync()];
  file.close();
  await Promise.all(syncs);
  storage.close();
});

test("a folder that is absent, a file in its place, a name that is none", async () => {
  await assert.rejects(adapter.open(name, { create: false, readOnly: false }), { code: "OMEN_ERR_NOT_FOUND" });
  await assert.rejects(adapter.open(name, { create: true, readOnly: true }), { code: "OMEN_ERR_NOT_FOUND" });
  assert.equal(existsSync(folder), false);
  writeFileSync(folder, "text");
  await assert.rejects(adapter.open(name, writing), { code: "OMEN_ERR_FOREIGN" });
  await assert.rejects(adapter.open("", writing), { code: "OMEN_ERR_NAME" });
  await assert.rejects(adapter.open("a\0b", writing), { code: "OMEN_ERR_NAME" });
  await assert.rejects(adapter.open("x".repeat(300), writing), { code: "OMEN_ERR_NAME", message: /path is too long/ });
  await assert.rejects(adapter.open(`${name}/below/it`, writing), { code: "OMEN_ERR_FOREIGN", message: /no folder/ });
});

test("a folder that the system does not make, and one that there is no permission for, are told at once", async (t) => {
  // In a process of its own: what makes folders above others may try for ever.
  const program = `import(${JSON.stringify(new URL("../../js/dist/storage/fs.js", import.meta.url).href)}).then(({ fs }) => {
    if (process.argv[2]) process.setuid(65534);
    return fs(process.argv[1]).open("none", { create: true, readOnly: false });
  }).catch(({ code }) => console.log(code));`;
  const told = (...args) => spawnSync(process.execPath, ["-e", program, ...args], { encoding: "utf8", timeout: 120_000 }).stdout.trim();
  if (existsSync("/proc/self")) assert.equal(told("/proc"), "OMEN_ERR_NOT_FOUND");
  if (process.getuid() !== 0) return t.diagnostic("needs root, to become somebody else");
  mkdirSync(folder);
  assert.equal(told(folder, "somebody else"), "OMEN_ERR_READ_ONLY");
});

test("every folder that is made for a database is durable before anything is written there", async (t) => {
  const { openSync, fsyncSync } = builtin;
  const opened = new Map();
  const synced = [];
  t.after(() => {
    Object.assign(builtin, { openSync, fsyncSync });
    syncBuiltinESMExports();
  });
  builtin.openSync = (file, ...rest) => {
    const fd = openSync(file, ...rest);
    opened.set(fd, file);
    return fd;
  };
  builtin.fsyncSync = (fd) => {
    synced.push(opened.get(fd));
    fsyncSync(fd);
  };
  syncBuiltinESMExports();
  const storage = await adapter.open(path.join(name, "years", "2024"), writing);
  assert.deepEqual(synced, [root, folder, path.join(folder, "years")]);
  storage.close();
});

test("one writer at a time in a process, readers beside it", async () => {
  const storage = await adapter.open(name, writing);
  const lock = JSON.parse(readFileSync(path.join(folder, "lock"), "utf8"));
  assert.equal(lock.pid, process.pid);
  assert.equal(typeof lock.start, "string");
  await assert.rejects(adapter.open(name, writing), (error) => error.code === "OMEN_ERR_BUSY" && /this process/.test(error.message));
  const reader = await adapter.open(name, { create: false, readOnly: true });
  assert.throws(() => reader.openFile("log-0", "create"), { code: "OMEN_ERR_READ_ONLY" });
  assert.throws(() => reader.remove("log-0"), { code: "OMEN_ERR_READ_ONLY" });
  reader.close();
  assert.ok(existsSync(path.join(folder, "lock")), "a reader leaves the writer's lock alone");
  storage.close();
  assert.deepEqual(readdirSync(folder), []);
  (await adapter.open(name, writing)).close();
});

/** Another process that opens the folder for writing, says so, and waits. */
function holder(place) {
  const code = `
    import { fs } from ${JSON.stringify(new URL("../../js/dist/storage/fs.js", import.meta.url).href)};
    try { await fs().open(${JSON.stringify(place)}, { create: true, readOnly: false }); console.log("held"); }
    catch (error) { console.log(error.code); process.exit(0); }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  const said = new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data).trim())));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  return { child, said, exited };
}

test("another process is kept out, and its lock goes when it is killed", async () => {
  const { child, said, exited } = holder(folder);
  assert.equal(await said, "held");
  await assert.rejects(adapter.open(name, writing), (error) => error.code === "OMEN_ERR_BUSY" && error.message.includes(`process ${child.pid}`));
  child.kill("SIGKILL");
  await exited;
  assert.ok(existsSync(path.join(folder, "lock")), "a killed process cannot clean up");
  const storage = await adapter.open(name, writing);
  assert.deepEqual(readdirSync(folder), ["lock"]);
  storage.close();
});

test("of many that find a stale lock at once, one gets it", async () => {
  mkdirSync(folder);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(path.join(folder, "lock"), JSON.stringify({ pid: dead, start: "1" }));
  const others = Array.from({ length: 4 }, () => holder(folder));
  const answers = await Promise.all(others.map(({ said }) => said));
  assert.deepEqual(answers.toSorted?.() ?? [...answers].sort(), ["OMEN_ERR_BUSY", "OMEN_ERR_BUSY", "OMEN_ERR_BUSY", "held"]);
  for (const { child, exited } of others) {
    child.kill("SIGKILL");
    await exited;
  }
});

test("a lock is stale when its process number belongs to another process by now, or is no number", async () => {
  mkdirSync(folder);
  for (const [text, stale] of [
    [JSON.stringify({ pid: process.ppid, start: "1" }), existsSync("/proc/self/stat")],
    [JSON.stringify({ pid: process.ppid, start: "" }), false],
    ["", true],
    ["not JSON", true],
    ["null", true],
    [JSON.stringify({ pid: -1, start: "" }), true],
    [JSON.stringify({ pid: "1" }), true],
  ]) {
    writeFileSync(path.join(folder, "lock"), text);
    utimesSync(path.join(folder, "lock"), 1, 1);
    if (stale) (await adapter.open(name, writing)).close();
    else await assert.rejects(adapter.open(name, writing), { code: "OMEN_ERR_BUSY" }, text);
    rmSync(path.join(folder, "lock"), { force: true });
  }
});

test("a lock that is just being written is somebody's", async () => {
  mkdirSync(folder);
  writeFileSync(path.join(folder, "lock"), '{"pid":');
  const soon = Date.now() / 1000 + 1000; // however long this program is kept waiting now
  utimesSync(path.join(folder, "lock"), soon, soon);
  await assert.rejects(adapter.open(name, writing), { code: "OMEN_ERR_BUSY" });
  utimesSync(path.join(folder, "lock"), 1, 1);
  (await adapter.open(name, writing)).close();
});

test("taking over goes on where another was killed at it", async () => {
  mkdirSync(folder);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  const text = (nonce) => `{"pid":${dead},"start":"1","nonce":"${nonce}"}\n`;
  const successor = (of) => {
    let hash = 0xcbf29ce484222325n;
    for (const byte of Buffer.from(of)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    return path.join(folder, `.lock-after-${hash.toString(16).padStart(16, "0")}`);
  };
  writeFileSync(path.join(folder, "lock"), text("a"));
  writeFileSync(successor(text("a")), text("b"));
  writeFileSync(successor(text("b")), text("c"));
  const storage = await adapter.open(name, writing);
  assert.deepEqual(readdirSync(folder), ["lock"]);
  assert.equal(JSON.parse(readFileSync(path.join(folder, "lock"), "utf8")).pid, process.pid);
  storage.close();
  // A successor that lives is as good as the lock.
  writeFileSync(path.join(folder, "lock"), text("a"));
  writeFileSync(successor(text("a")), JSON.stringify({ pid: process.pid, start: "" }));
  await assert.rejects(adapter.open(name, writing), { code: "OMEN_ERR_BUSY" });
});

test("destroying removes what is the database's and nothing else", async () => {
  const storage = await adapter.open(name, writing);
  for (const file of ["manifest-0", "log-0000000000000001", "seg-0000000000000001"]) storage.openFile(file, "create").close();
  await assert.rejects(adapter.destroy(name), { code: "OMEN_ERR_BUSY" });
  storage.close();
  writeFileSync(path.join(folder, "letters.txt"), "mine");
  await adapter.destroy(name);
  assert.deepEqual(readdirSync(folder), ["letters.txt"]);
  rmSync(path.join(folder, "letters.txt"));
  await adapter.destroy(name);
  assert.equal(existsSync(folder), false);
  await adapter.destroy(name);
});
