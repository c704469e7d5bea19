// The import layer: promises become OMEN_PENDING and, asked again, their results; errors become statuses and keep their words.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { OmenError } from "../../js/dist/errors.js";
import { HostImports } from "../../js/dist/engine/imports.js";
import { memory } from "../../js/dist/storage/memory.js";

const PENDING = -1;
let host, omen, memoryOf, at;

const put = (text) => {
  const bytes = new TextEncoder().encode(text);
  host.heap.set(bytes, at);
  at += bytes.length;
  return [at - bytes.length, bytes.length];
};
const text = (from, length) => Buffer.from(host.heap.subarray(from, from + length)).toString();

beforeEach(() => {
  host = new HostImports();
  memoryOf = new WebAssembly.Memory({ initial: 1 });
  host.bind(memoryOf);
  omen = host.imports();
  at = 1024;
});

/** A storage whose every answer is a promise that the test settles. */
function controlled(storage) {
  const waiting = [];
  const later = (action) => new Promise((resolve, reject) => waiting.push((error) => (error ? reject(error) : resolve(action()))));
  const file = (inner) => ({
    size: () => inner.size(),
    readAt: (offset, into) => later(() => inner.readAt(offset, into)),
    writeAt: (offset, bytes) => inner.writeAt(offset, bytes),
    truncate: (size) => inner.truncate(size),
    sync: () => later(() => inner.sync()),
    close: () => inner.close(),
  });
  return {
    waiting,
    synchronous: false,
    list: () => later(() => storage.list()),
    openFile: (name, mode) => later(() => file(storage.openFile(name, mode))),
    remove: (name) => later(() => storage.remove(name)),
    syncDirectory: () => later(() => storage.syncDirectory()),
    close: () => later(() => storage.close()),
  };
}
const settle = async (storage, error) => {
  storage.waiting.shift()(error);
  await new Promise((resolve) => setImmediate(resolve));
};

test("a synchronous storage is answered at once", async () => {
  const storage = await memory().open("db", { create: true, readOnly: false });
  const place = host.addStorage(storage);
  const file = omen.storage_open(place, ...put("log-0"), 2);
  assert.ok(file > 0);
  const [from, length] = put("hello");
  assert.equal(omen.storage_write(file, 3, from, length), 0);
  assert.equal(omen.storage_size(file), 8);
  assert.equal(omen.storage_read(file, 2, 2048, 100), 6);
  assert.equal(text(2048, 6), "\0hello");
  assert.equal(omen.storage_truncate(file, 4), 0);
  assert.equal(omen.storage_size(file), 4);
  assert.equal(omen.storage_sync(file), 0);
  assert.equal(omen.storage_sync_dir(place), 0);
  assert.equal(omen.storage_open(place, ...put("log-0"), 2), -21, "exists");
  assert.equal(omen.storage_open(place, ...put("log-1"), 0), -20, "is not there");
  omen.storage_close(file);
  assert.equal(omen.storage_size(file), -32, "closed");
  assert.equal(omen.storage_remove(place, ...put("log-0")), 0);
  assert.equal(host.outstanding, 0);
});

test("what pends is asked for once and answered once", async () => {
  let progress = 0;
  host.onProgress = () => progress++;
  const inner = await memory().open("db", { create: true, readOnly: false });
  const storage = controlled(inner);
  const place = host.addStorage(storage);
  const name = put("seg-1");
  assert.equal(omen.storage_open(place, ...name, 2), PENDING);
  assert.equal(omen.storage_open(place, ...name, 2), PENDING);
  assert.equal(storage.waiting.length, 1);
  assert.equal(host.outstanding, 1);
  await settle(storage);
  assert.equal(progress, 1);
  const file = omen.storage_open(place, ...name, 2);
  assert.ok(file > 0);
  omen.storage_write(file, 0, ...put("0123456789"));

  // Two reads of one file are two questions, and the memory may grow and move before they are answered.
  assert.equal(omen.storage_read(file, 0, 2048, 4), PENDING);
  assert.equal(omen.storage_read(file, 4, 3072, 100), PENDING);
  assert.equal(storage.waiting.length, 2);
  const before = memoryOf.buffer;
  memoryOf.grow(4);
  assert.notEqual(memoryOf.buffer, before);
  await settle(storage);
  await settle(storage);
  assert.equal(omen.storage_read(file, 4, 3072, 100), 6);
  assert.equal(omen.storage_read(file, 0, 2048, 4), 4);
  assert.equal(text(2048, 4), "0123");
  assert.equal(text(3072, 6), "456789");
  // Fetched means gone: the same question is put anew.
  assert.equal(omen.storage_read(file, 0, 2048, 4), PENDING);
  await settle(storage);
  host.forgetReads();
  assert.equal(omen.storage_read(file, 0, 2048, 4), PENDING, "a forgotten result is asked for again");
  await settle(storage);

  assert.equal(omen.storage_sync(file), PENDING);
  assert.equal(omen.storage_sync(file), PENDING);
  await settle(storage);
  host.forgetReads();
  assert.equal(omen.storage_sync(file), 0, "a finished sync is never forgotten");
});

test("a failure comes out once, as its status, and its words are kept", async () => {
  const storage = controlled(await memory().open("db", { create: true, readOnly: false }));
  const place = host.addStorage(storage);
  assert.equal(omen.storage_sync_dir(place), PENDING);
  await settle(storage, Object.assign(new Error("no space left"), { code: "ENOSPC" }));
  assert.equal(omen.storage_sync_dir(place), -41);
  assert.match(host.failure.message, /OMEN_ERR_FULL: syncing the folder: no space left/);
  assert.equal(omen.storage_remove(place, ...put("a")), PENDING);
  await settle(storage, new OmenError("OMEN_ERR_DATA_EVICTED", "the browser removed it"));
  assert.equal(omen.storage_remove(place, ...put("a")), -42);
  assert.equal(host.failure.detail, "the browser removed it");
  assert.equal(omen.storage_size(999), -32);
});

test("a list is kept until there is room for it", async () => {
  const inner = await memory().open("db", { create: true, readOnly: false });
  const names = Array.from({ length: 30 }, (_, i) => `log-${i}`);
  for (const name of names) inner.openFile(name, "create");
  const storage = controlled(inner);
  const place = host.addStorage(storage);
  assert.equal(omen.storage_list(place, 2048, 10), PENDING);
  await settle(storage);
  const bytes = omen.storage_list(place, 2048, 10);
  assert.equal(bytes, names.join("\0").length + 1);
  assert.equal(omen.storage_list(place, 2048, bytes), bytes);
  assert.deepEqual(text(2048, bytes).split("\0").slice(0, -1), names);
  assert.equal(omen.storage_list(place, 2048, bytes), PENDING, "and then asked for anew");
  await settle(storage);
});

test("closing releases everything, files of cancelled calls included", async () => {
  const closed = [];
  const file = { size: () => 0, readAt: () => 0, writeAt() {}, truncate() {}, sync() {}, close: () => closed.push("file") };
  const storage = {
    synchronous: false,
    list: () => [],
    openFile: async () => file,
    remove() {},
    syncDirectory() {},
    close: async () => closed.push("storage"),
  };
  const place = host.addStorage(storage);
  const name = put("log-9");
  assert.equal(omen.storage_open(place, ...name, 2), PENDING);
  await new Promise((resolve) => setImmediate(resolve));
  // The call that asked is gone; nobody fetches the file.
  await host.close();
  assert.deepEqual(closed, ["file", "storage"]);
  await host.close();
  assert.equal(closed.length, 2, "once is enough");
});

test("time, entropy and log lines", () => {
  const lines = [];
  host.onLog = (level, line) => {
    lines.push([level, line]);
    throw new Error("a log line must not stop the core");
  };
  omen.log(1, ...put("careful"));
  assert.deepEqual(lines, [["warn", "careful"]]);
  const before = Date.now();
  const wall = omen.wall_ms();
  assert.ok(wall >= before - 1 && wall <= Date.now() + 1, `${wall}`);
  const first = omen.ticks();
  assert.ok(omen.ticks() >= first);
  assert.equal(omen.entropy(4096, 32), 0);
  assert.ok(host.heap.subarray(4096, 4128).some((byte) => byte !== 0));
});
