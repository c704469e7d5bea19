// The golden workload (wasm/command/workload.c has its description) through the JavaScript interface. It imports nothing, so
// that it runs in every runtime and in pages.

const [BATCHES, ROWS, STRIDE, NOTES, NEAR, FAR] = [6, 200, 150, 24, 7, 33];

/** FNV-1a of 64 bits, in four 16-bit digits, because BigInt is slow. */
export class Hash {
  #digits = [0x2325, 0x8422, 0x9ce4, 0xcbf2];

  add(bytes) {
    let [a, b, c, d] = this.#digits;
    for (const byte of bytes) {
      a ^= byte;
      // times 0x100000001b3 = 2^40 + 0x1b3
      const a1 = a * 0x1b3;
      const b1 = b * 0x1b3 + (a1 >>> 16);
      const c1 = c * 0x1b3 + (b1 >>> 16) + ((a << 8) & 0xffff);
      d = (d * 0x1b3 + (c1 >>> 16) + ((b << 8) & 0xffff) + (a >>> 8)) & 0xffff;
      a = a1 & 0xffff;
      b = b1 & 0xffff;
      c = c1 & 0xffff;
    }
    this.#digits = [a, b, c, d];
    return this;
  }

  toString() {
    return [...this.#digits].reverse().map((digit) => digit.toString(16).padStart(4, "0")).join("");
  }
}

const encoder = new TextEncoder();
const text = (string) => encoder.encode(string);
const floats = (...values) => new Uint8Array(new Float32Array(values).buffer);

/** Runs it. `open` answers a database at an empty place; the answer is the hash over every answer of the database. */
export async function runWorkload(open) {
  const db = await open({ databaseId: "0123456789abcdef".repeat(2), manualMaintenance: true });
  const notes = await db.collection("notes", { vector: { dimensions: NOTES, metric: "cosine" }, text: ["title"] });
  const pairs = await db.collection("pairs", { vectors: { near: { dimensions: NEAR, metric: "l2" }, far: { dimensions: FAR, metric: "ip" } } });
  const hash = new Hash();
  let x = 12345;
  const fill = (count) =>
    Float32Array.from({ length: count }, () => {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      return (x >>> 8) / 8388608 - 1;
    });
  const idOf = (n) => (n % 2 === 0 ? n - 400 : `n${n}`);
  const hashId = (id) => hash.add(typeof id === "string" ? text(id) : new Uint8Array(new BigInt64Array([BigInt(id)]).buffer));
  // Metadata comes back as an object; its text is what went in, because its keys keep their order and there are no blanks in it.
  const hashDocument = (document) => hash.add(text(Object.keys(document).length === 0 ? "" : JSON.stringify(document)));

  const ask = async (collection, field, dimensions, topK, more = {}) => {
    const hits = await collection.search({ ...(dimensions === 0 ? {} : { vector: fill(dimensions), field }), topK, ...more });
    for (const { id, distance, score, metadata } of hits) {
      hashId(id);
      if (dimensions !== 0 && distance !== undefined && !Number.isNaN(distance)) hash.add(floats(distance));
      hash.add(floats(score));
      hashDocument(metadata);
    }
    if (hits.facets !== undefined) hash.add(text(JSON.stringify(hits.facets)));
  };
  const hashCount = (count) => hash.add(new Uint8Array(new BigInt64Array([BigInt(count)]).buffer));

  for (let batch = 0; batch < BATCHES; batch++) {
    const numbers = Array.from({ length: ROWS }, (_, i) => batch * STRIDE + i);
    const ids = numbers.map(idOf);
    const documents = numbers.map((n) => (n % 5 === 0 ? undefined : `{"n":${n},"title":"Notiz ${n % 17} äß😀"}`));
    await notes.upsert({ ids, vectors: fill(ROWS * NOTES), documents });
    const near = fill(ROWS * NEAR);
    await pairs.upsert({ ids, vectors: { near, far: fill(ROWS * FAR) }, documents });
    await notes.delete(Array.from({ length: 20 }, (_, j) => idOf(batch * STRIDE + 7 * j)));
    if (batch === 2) {
      const some = Array.from({ length: 10 }, (_, i) => idOf(300 + i));
      await notes.upsert({ ids: some, vectors: fill(10 * NOTES) });
      await notes.update({ ids: some, documents: some.map(() => `{"n":null,"seen":${batch}}`) });
    }
    if (batch === 1 || batch === 3) await db.flush();
    if (batch === 3) {
      await notes.delete({ filter: "n BETWEEN 480 AND 489" });
      await notes.update({ filter: "n < 5", set: { few: true } });
    }
    if (batch === 4) await db.compact();
    for (let i = 0; i < 3; i++) await ask(notes, "vector", NOTES, 10);
    for (let i = 0; i < 2; i++) await ask(pairs, "near", NEAR, 5);
    for (let i = 0; i < 2; i++) await ask(pairs, "far", FAR, 5);
    await ask(notes, "vector", NOTES, 10, { filter: { n: { $gte: 300 } } });
    await ask(notes, "vector", NOTES, 10, { text: "notiz 7" });
    await ask(notes, "vector", 0, 10, { text: "+notiz 3", facets: ["title"] });
    await ask(notes, "vector", NOTES, 10, { groupBy: "title" });
    hashCount(await notes.count({ filter: "title = 'Notiz 4 äß😀'" }));
  }
  for (const collection of [notes, pairs]) hashCount(await collection.count());
  for await (const { id, vector, ...document } of notes.scroll({ batch: 64, include: ["metadata", "vector"] })) {
    hashId(id);
    hashDocument(document);
    hash.add(floats(...vector));
  }
  await db.check();
  await db.close();
  return hash.toString();
}

/** What the WASI command prints: `files` are the files that are left, as [name, bytes]; `answers` what runWorkload answered. */
export function report(files, answers) {
  const lines = [...files]
    .filter(([name]) => name !== "lock")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => `file ${name} ${bytes.length} ${new Hash().add(bytes)}\n`);
  lines.push(`answers ${answers}\n`);
  const golden = lines.reduce((hash, line) => hash.add(text(line)), new Hash());
  return `${lines.join("")}golden ${golden}\n`;
}
