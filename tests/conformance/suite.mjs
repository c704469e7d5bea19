/**
 * The storage contract (js/src/storage/storage.ts) as cases that every adapter must pass, in Node.js and in browsers.
 *
 * A case is `{ name, run(adapter, { name }) }`: it throws when the adapter breaks the contract. `name` is a place that nothing has used
 * yet. The cases ask nothing of a test framework, so that a worker can run them.
 */

const show = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: ${show(actual)} instead of ${show(expected)}`);
}

function sameBytes(actual, expected, what) {
  equal(actual.length, expected.length, `${what}: length`);
  for (let i = 0; i < expected.length; i++) if (actual[i] !== expected[i]) equal(actual[i], expected[i], `${what}: byte ${i}`);
}

/** The action must throw, at once or later, an error with this code (any code of ours when `code` is left out). */
async function refuses(action, code, what) {
  let error;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new Error(`${what}: was allowed`);
  if (code !== undefined && error.code !== code) throw new Error(`${what}: ${error.code ?? error.stack ?? error} instead of ${code} (${error.message})`);
  if (!String(error.code).startsWith("OMEN_ERR_")) throw new Error(`${what}: an error without a code: ${error.stack ?? error}`);
}

const WRITE = { create: true, readOnly: false };
const REOPEN = { create: false, readOnly: false };
const READ = { create: false, readOnly: true };

/** Bytes without a period that a mistake could hide in. */
function pattern(length, seed = 1) {
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

async function readAll(file, beyond = 7) {
  const into = new Uint8Array(file.size() + beyond).fill(0xee);
  const got = await file.readAt(0, into);
  equal(got, file.size(), "reading more than there is answers what there is");
  for (let i = got; i < into.length; i++) equal(into[i], 0xee, "nothing is written behind what was read");
  return into.subarray(0, got);
}

async function contentOf(storage, name) {
  const file = await storage.openFile(name, "read");
  try {
    return (await readAll(file)).slice();
  } finally {
    file.close();
  }
}

/** Makes a file, durable and closed. */
async function put(storage, name, ...writes) {
  const file = await storage.openFile(name, "create");
  for (const [offset, bytes] of writes) file.writeAt(offset, bytes);
  await file.sync();
  file.close();
  await storage.syncDirectory();
}

/** Opens, works, closes whatever happens: a case that fails must not block the place for the next one. */
async function using(adapter, name, options, work) {
  const storage = await adapter.open(name, options);
  const opened = [];
  const watched = {
    synchronous: storage.synchronous,
    list: () => storage.list(),
    remove: (file) => storage.remove(file),
    syncDirectory: () => storage.syncDirectory(),
    openFile: async (file, mode) => {
      const answer = storage.openFile(file, mode);
      if (storage.synchronous) equal(typeof answer?.then, "undefined", "a synchronous storage answers no promise");
      const handle = await answer;
      const close = handle.close.bind(handle);
      let closed = false;
      handle.close = () => {
        if (!closed) close();
        closed = true;
      };
      opened.push(handle);
      return handle;
    },
  };
  try {
    return await work(watched);
  } finally {
    for (const handle of opened) handle.close();
    await storage.close();
  }
}

/** What `work` leaves in the file must be the same read at once, after a sync, and in a storage opened anew. */
async function leaves(adapter, name, expected, work) {
  await using(adapter, name, WRITE, async (storage) => {
    const file = await storage.openFile("log-1", "create");
    await work(file, storage);
    equal(file.size(), expected.length, "size, staged");
    sameBytes(await readAll(file), expected, "staged");
    await file.sync();
    await storage.syncDirectory();
    equal(file.size(), expected.length, "size, synced");
    sameBytes(await readAll(file), expected, "synced");
  });
  await using(adapter, name, REOPEN, async (storage) => sameBytes(await contentOf(storage, "log-1"), expected, "opened anew"));
}

export const suite = [];
const add = (name, run) => suite.push({ name, run });

add("a place that is not there: NOT_FOUND, and nothing is created", async (adapter, { name }) => {
  await refuses(() => adapter.open(name, REOPEN), "OMEN_ERR_NOT_FOUND", "opening to write");
  await refuses(() => adapter.open(name, READ), "OMEN_ERR_NOT_FOUND", "opening to read");
  await refuses(() => adapter.open(name, { create: true, readOnly: true }), "OMEN_ERR_NOT_FOUND", "reading never creates");
  await refuses(() => adapter.open(name, REOPEN), "OMEN_ERR_NOT_FOUND", "opening to write, again");
  await using(adapter, name, WRITE, async (storage) => equal((await storage.list()).length, 0, "files of a new place"));
  await using(adapter, name, REOPEN, async (storage) => equal((await storage.list()).length, 0, "files of an empty place"));
});

add("modes of opening a file", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    await refuses(() => storage.openFile("seg-1", "read"), "OMEN_ERR_NOT_FOUND", "reading an absent file");
    await refuses(() => storage.openFile("seg-1", "write"), "OMEN_ERR_NOT_FOUND", "writing an absent file");
    equal((await storage.list()).length, 0, "files after the refusals");
    const file = await storage.openFile("seg-1", "create");
    equal(file.size(), 0, "size of a new file");
    file.writeAt(0, pattern(10));
    await file.sync();
    file.close();
    await refuses(() => storage.openFile("seg-1", "create"), "OMEN_ERR_EXISTS", "creating what exists");
    const again = await storage.openFile("seg-1", "write");
    again.writeAt(10, pattern(5, 2));
    await again.sync();
    again.close();
    sameBytes(await contentOf(storage, "seg-1"), [...pattern(10), ...pattern(5, 2)], "written in two openings");
  });
});

add("a file opened to read refuses to be changed", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    await put(storage, "seg-1", [0, pattern(10)]);
    const file = await storage.openFile("seg-1", "read");
    await refuses(() => file.writeAt(0, pattern(3, 9)), undefined, "writing");
    await refuses(() => file.truncate(1), undefined, "cutting");
    file.close();
    sameBytes(await contentOf(storage, "seg-1"), pattern(10), "afterwards");
  });
});

add("reads at the end and beyond it", async (adapter, { name }) => {
  const bytes = pattern(100);
  await using(adapter, name, WRITE, async (storage) => put(storage, "seg-1", [0, bytes]));
  await using(adapter, name, REOPEN, async (storage) => {
    const file = await storage.openFile("seg-1", "write");
    const read = async (offset, length) => {
      const into = new Uint8Array(length).fill(0xee);
      const got = await file.readAt(offset, into);
      for (let i = got; i < length; i++) equal(into[i], 0xee, "nothing behind what was read");
      return into.subarray(0, got);
    };
    for (const [offset, length] of [[0, 0], [0, 1], [0, 100], [37, 20], [99, 1], [99, 2], [100, 1], [100, 0], [101, 10], [5000000, 10], [60, 100]]) {
      sameBytes(await read(offset, length), bytes.subarray(offset, offset + length), `[${offset}, +${length})`);
    }
    file.writeAt(100, pattern(4, 3));
    sameBytes(await read(98, 10), [...bytes.subarray(98), ...pattern(4, 3)], "over stored and staged bytes");
    sameBytes(await read(0, 50), bytes.subarray(0, 50), "stored bytes beside staged ones");
    await file.sync();
  });
});

add("an empty file stays", async (adapter, { name }) => {
  await leaves(adapter, name, new Uint8Array(0), (file) => file.writeAt(0, new Uint8Array(0)));
});

add("bytes are borrowed only for the call", async (adapter, { name }) => {
  await leaves(adapter, name, pattern(64), (file) => {
    const bytes = pattern(64);
    file.writeAt(0, bytes);
    bytes.fill(0xaa);
  });
});

add("appends", async (adapter, { name }) => {
  const parts = [1, 4096, 13, 70000, 1, 5].map((length, i) => pattern(length, i + 1));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  await leaves(adapter, name, whole, async (file) => {
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      file.writeAt(at, part);
      at += part.length;
      if (at % 2 === 0) await file.sync();
    }
  });
});

add("writes with gaps: zeros between", async (adapter, { name }) => {
  const expected = new Uint8Array(300010);
  expected.set(pattern(10, 1), 5);
  expected.set(pattern(10, 2), 300000);
  expected.set(pattern(10, 3), 150000);
  await leaves(adapter, name, expected, (file) => {
    file.writeAt(5, pattern(10, 1));
    file.writeAt(300000, pattern(10, 2));
    file.writeAt(150000, pattern(10, 3));
  });
});

for (const syncs of [false, true]) {
  add(`overlapping rewrites${syncs ? ", a sync after each" : ""}`, async (adapter, { name }) => {
    const expected = new Uint8Array(1000);
    await leaves(adapter, name, expected, async (file) => {
      let x = 7;
      for (let i = 0; i < 60; i++) {
        x = (Math.imul(x, 1103515245) + 12345) >>> 0;
        const offset = i === 0 ? 0 : (x >>> 8) % 900;
        const bytes = pattern(i === 0 ? 1000 : 1 + ((x >>> 20) % 100), i + 1);
        expected.set(bytes, offset);
        file.writeAt(offset, bytes);
        if (syncs) await file.sync();
        if (i % 10 === 9) sameBytes(await readAll(file), expected, `after ${i + 1} writes`);
      }
    });
  });
}

add("the same place written again and again", async (adapter, { name }) => {
  await leaves(adapter, name, pattern(4096, 30), async (file) => {
    for (let i = 1; i <= 30; i++) {
      file.writeAt(0, pattern(4096, i));
      if (i % 3 === 0) await file.sync();
    }
  });
});

for (const syncs of [false, true]) {
  const after = async (file) => syncs && file.sync();
  const and = syncs ? ", a sync after each" : "";

  add(`cut${and}`, async (adapter, { name }) => {
    await leaves(adapter, name, pattern(1000).subarray(0, 333), async (file) => {
      file.writeAt(0, pattern(1000));
      await after(file);
      file.truncate(333);
    });
  });

  add(`cut twice${and}`, async (adapter, { name }) => {
    await leaves(adapter, name, pattern(1000).subarray(0, 10), async (file) => {
      file.writeAt(0, pattern(1000));
      await after(file);
      file.truncate(333);
      await after(file);
      file.truncate(10);
    });
  });

  add(`cut to nothing and written anew${and}`, async (adapter, { name }) => {
    await leaves(adapter, name, pattern(20, 2), async (file) => {
      file.writeAt(0, pattern(1000));
      file.writeAt(1000, pattern(1000));
      await after(file);
      file.truncate(1500);
      await after(file);
      file.truncate(0);
      await after(file);
      file.writeAt(0, pattern(20, 2));
    });
  });

  add(`what was cut off does not come back when the file grows${and}`, async (adapter, { name }) => {
    const expected = new Uint8Array(901);
    expected.set(pattern(1000).subarray(0, 100));
    expected[900] = 5;
    await leaves(adapter, name, expected, async (file) => {
      file.writeAt(0, pattern(1000));
      await after(file);
      file.truncate(100);
      await after(file);
      file.writeAt(900, new Uint8Array([5]));
    });
  });

  add(`cut inside rewrites${and}`, async (adapter, { name }) => {
    const expected = new Uint8Array(500);
    expected.set(pattern(500, 1));
    expected.set(pattern(1000, 2).subarray(0, 200), 300);
    await leaves(adapter, name, expected, async (file) => {
      file.writeAt(0, pattern(1000, 1));
      await after(file);
      file.writeAt(300, pattern(1000, 2));
      await after(file);
      file.truncate(500);
    });
  });
}

add("cut, removed, made again under the same name: nothing of the old one", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    await put(storage, "seg-1", [0, pattern(1000)]);
    const file = await storage.openFile("seg-1", "write");
    file.truncate(500);
    file.close();
    await storage.remove("seg-1");
    await put(storage, "seg-1", [90, pattern(10, 2)]);
  });
  const expected = new Uint8Array(100);
  expected.set(pattern(10, 2), 90);
  await using(adapter, name, REOPEN, async (storage) => sameBytes(await contentOf(storage, "seg-1"), expected, "opened anew"));
});

add("reads see staged writes while a sync is under way", async (adapter, { name }) => {
  await leaves(adapter, name, [...pattern(5000, 1), ...pattern(5000, 2), ...pattern(5000, 3)], async (file) => {
    file.writeAt(0, pattern(5000, 1));
    const first = file.sync();
    file.writeAt(5000, pattern(5000, 2));
    sameBytes(await readAll(file), [...pattern(5000, 1), ...pattern(5000, 2)], "during the first sync");
    const second = file.sync();
    file.writeAt(10000, pattern(5000, 3));
    await Promise.all([first, second]);
  });
});

add("cut while a sync is under way", async (adapter, { name }) => {
  await leaves(adapter, name, pattern(5000, 1).subarray(0, 77), async (file) => {
    file.writeAt(0, pattern(5000, 1));
    const sync = file.sync();
    file.truncate(77);
    sameBytes(await readAll(file), pattern(5000, 1).subarray(0, 77), "during the sync");
    await sync;
    sameBytes(await readAll(file), pattern(5000, 1).subarray(0, 77), "after the sync");
  });
});

add("several reads at a time", async (adapter, { name }) => {
  const bytes = pattern(200000);
  await using(adapter, name, WRITE, async (storage) => put(storage, "seg-1", ...[0, 50000, 100000, 150000].map((at) => [at, bytes.subarray(at, at + 50000)])));
  await using(adapter, name, REOPEN, async (storage) => {
    const file = await storage.openFile("seg-1", "read");
    const places = Array.from({ length: 40 }, (_, i) => (i * 4999) % 190000);
    const read = await Promise.all(
      places.map(async (at) => {
        const into = new Uint8Array(10000);
        return [await file.readAt(at, into), into];
      }),
    );
    read.forEach(([got, into], i) => sameBytes(into.subarray(0, got), bytes.subarray(places[i], places[i] + 10000), `at ${places[i]}`));
  });
});

add("a file of 3 MB", async (adapter, { name }) => {
  const bytes = pattern(3 << 20);
  await leaves(adapter, name, bytes, (file) => {
    for (let at = 0; at < bytes.length; at += 250001) file.writeAt(at, bytes.subarray(at, at + 250001));
  });
});

add("more than is kept in memory before a sync", async (adapter, { name }) => {
  const bytes = pattern(9 << 20);
  await leaves(adapter, name, bytes, async (file) => {
    for (let at = 0; at < bytes.length; at += 1 << 20) file.writeAt(at, bytes.subarray(at, at + (1 << 20)));
    file.writeAt(0, bytes.subarray(0, 100));
  });
});

add("60 files: list, contents, removal", async (adapter, { name }) => {
  const names = Array.from({ length: 60 }, (_, i) => `seg-${String(i).padStart(16, "0")}`);
  await using(adapter, name, WRITE, async (storage) => {
    for (const [i, file] of names.entries()) {
      const handle = await storage.openFile(file, "create");
      handle.writeAt(0, pattern(100 + i, i + 1));
      await handle.sync();
      handle.close();
    }
    await storage.syncDirectory();
    equal([...(await storage.list())].sort().join(), names.join(), "names");
  });
  await using(adapter, name, REOPEN, async (storage) => {
    equal([...(await storage.list())].sort().join(), names.join(), "names, opened anew");
    for (const [i, file] of names.entries()) sameBytes(await contentOf(storage, file), pattern(100 + i, i + 1), file);
    for (const [i, file] of names.entries()) if (i % 2 === 0) await storage.remove(file);
    await storage.syncDirectory();
  });
  await using(adapter, name, REOPEN, async (storage) =>
    equal([...(await storage.list())].sort().join(), names.filter((_, i) => i % 2 === 1).join(), "names after the removals"),
  );
});

add("removing", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    await storage.remove("seg-1");
    await put(storage, "seg-1", [0, pattern(10)]);
    await put(storage, "seg-2", [0, pattern(10)]);
    await storage.remove("seg-1");
    await refuses(() => storage.openFile("seg-1", "read"), "OMEN_ERR_NOT_FOUND", "reading what was removed");
    equal([...(await storage.list())].join(), "seg-2", "what is left");
    await storage.syncDirectory();
  });
  await using(adapter, name, REOPEN, async (storage) => equal([...(await storage.list())].join(), "seg-2", "what is left, opened anew"));
});

add("several files, changed by turns", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    const log = await storage.openFile("log-1", "create");
    const seg = await storage.openFile("seg-1", "create");
    for (let i = 0; i < 10; i++) {
      log.writeAt(i * 100, pattern(100, i + 1));
      seg.writeAt(i * 50, pattern(50, i + 101));
      if (i % 3 === 0) await log.sync();
    }
    await Promise.all([log.sync(), seg.sync(), storage.syncDirectory()]);
  });
  await using(adapter, name, REOPEN, async (storage) => {
    const [log, seg] = [await contentOf(storage, "log-1"), await contentOf(storage, "seg-1")];
    for (let i = 0; i < 10; i++) {
      sameBytes(log.subarray(i * 100, i * 100 + 100), pattern(100, i + 1), `log-1, part ${i}`);
      sameBytes(seg.subarray(i * 50, i * 50 + 50), pattern(50, i + 101), `seg-1, part ${i}`);
    }
    equal(log.length + seg.length, 1500, "bytes");
  });
});

add("one writer: BUSY until it closes", async (adapter, { name }) => {
  const first = await adapter.open(name, WRITE);
  try {
    await refuses(() => adapter.open(name, REOPEN), "OMEN_ERR_BUSY", "a second writer");
    await refuses(() => adapter.open(name, WRITE), "OMEN_ERR_BUSY", "a second writer that may create");
    await using(adapter, `${name}-other`, WRITE, async (storage) => equal((await storage.list()).length, 0, "another place is free"));
  } finally {
    await first.close();
  }
  for (let i = 0; i < 3; i++) await using(adapter, name, REOPEN, async (storage) => equal((await storage.list()).length, 0, "the lock was released"));
});

add("a refused opening keeps no lock", async (adapter, { name }) => {
  await refuses(() => adapter.open(name, REOPEN), "OMEN_ERR_NOT_FOUND", "opening");
  await using(adapter, name, WRITE, async () => undefined);
});

add("reading takes no lock and changes nothing", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => put(storage, "seg-1", [0, pattern(10)]));
  await using(adapter, name, READ, async (first) => {
    await using(adapter, name, READ, async (second) => {
      sameBytes(await contentOf(first, "seg-1"), pattern(10), "the first reader");
      sameBytes(await contentOf(second, "seg-1"), pattern(10), "the second reader");
    });
    await refuses(() => first.openFile("seg-1", "write"), "OMEN_ERR_READ_ONLY", "opening a file to write");
    await refuses(() => first.openFile("seg-2", "create"), "OMEN_ERR_READ_ONLY", "creating a file");
    await refuses(() => first.remove("seg-1"), "OMEN_ERR_READ_ONLY", "removing a file");
  });
  await using(adapter, name, REOPEN, async (storage) => equal([...(await storage.list())].join(), "seg-1", "files"));
});

add("destroy: BUSY while open, then everything is gone", async (adapter, { name }) => {
  await using(adapter, name, WRITE, async (storage) => {
    await put(storage, "manifest-0", [0, pattern(10)]);
    await refuses(() => adapter.destroy(name), "OMEN_ERR_BUSY", "destroying what is open");
    sameBytes(await contentOf(storage, "manifest-0"), pattern(10), "after the refusal");
  });
  await adapter.destroy(name);
  await refuses(() => adapter.open(name, REOPEN), "OMEN_ERR_NOT_FOUND", "opening what was destroyed");
  await adapter.destroy(name);
  await using(adapter, name, WRITE, async (storage) => equal((await storage.list()).length, 0, "files of the new place"));
});

add("places do not mix", async (adapter, { name }) => {
  await using(adapter, `${name}-a`, WRITE, async (a) => {
    await using(adapter, `${name}-b`, WRITE, async (b) => {
      await put(a, "seg-1", [0, pattern(10, 1)]);
      await put(b, "seg-1", [0, pattern(10, 2)]);
      sameBytes(await contentOf(a, "seg-1"), pattern(10, 1), "a");
      sameBytes(await contentOf(b, "seg-1"), pattern(10, 2), "b");
    });
  });
  await adapter.destroy(`${name}-a`);
  await using(adapter, `${name}-b`, REOPEN, async (b) => sameBytes(await contentOf(b, "seg-1"), pattern(10, 2), "b, when a is gone"));
});

/** Runs cases and answers, for each, its name and why it failed, if it did. `deadline` ms a case: one that hangs is a failure. */
export async function runSuite(adapter, prefix, { deadline = 600_000 } = {}) {
  const results = [];
  for (const [i, { name, run }] of suite.entries()) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer")), deadline);
    });
    try {
      await Promise.race([run(adapter, { name: `${prefix}-${i}` }), late]);
      results.push({ name });
    } catch (error) {
      results.push({ name, error: `${error}\n${error?.stack ?? ""}` });
    } finally {
      clearTimeout(timer);
    }
  }
  return results;
}
