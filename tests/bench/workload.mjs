/**
 * What figures in JavaScript measure, the same in Node.js and in a page: nothing here knows where it runs.
 * `open` is the package's own function for the platform.
 */

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Numbers that depend on nothing but the seed (a linear congruence; Knuth, 1981), in [-1, 1). */
export function floats(count, seed = 1) {
  const out = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = (state >>> 8) / 8388608 - 1;
  }
  return out;
}

const idsFrom = (first, count) => Int32Array.from({ length: count }, (_, i) => first + i);

/** Writes `total` vectors in batches of 1,000, `inFlight` of them under way at a time; vectors a second, durable as the options say. */
export async function writeRate(open, name, options, { total, dims = 128, batch = 1000, inFlight = 8 }) {
  const db = await open(name, options);
  const things = await db.collection("bench", { vector: { dimensions: dims, metric: "l2" } });
  const rows = floats(batch * dims);
  const begun = performance.now();
  const pending = [];
  for (let at = 0; at < total; at += batch) {
    if (pending.length >= inFlight) await pending.shift();
    pending.push(things.upsert({ ids: idsFrom(at, batch), vectors: rows }));
  }
  await Promise.all(pending);
  const rate = (total / (performance.now() - begun)) * 1000;
  if ((await things.count()) !== total) throw new Error("not every vector arrived");
  await db.close();
  return rate;
}

/** A flushed database of `rows` vectors, and what one exact search of it takes. */
export async function searchable(open, name, options, { rows, dims }) {
  const db = await open(name, options);
  const things = await db.collection("bench", { vector: { dimensions: dims, metric: "l2" } });
  const data = floats(rows * dims);
  for (let at = 0; at < rows; at += 1000) await things.upsert({ ids: idsFrom(at, 1000), vectors: data.subarray(at * dims, (at + 1000) * dims) });
  await db.flush();
  const search = (i) => things.search({ vector: data.subarray(((i * 7) % rows) * dims, (((i * 7) % rows) + 1) * dims), topK: 10, include: [] });
  for (let i = 0; i < 3; i++) await search(i);
  return {
    db,
    /** Median milliseconds of `queries` searches one after the other. */
    async time(queries) {
      const times = [];
      for (let i = 0; i < queries; i++) {
        const begun = performance.now();
        const hits = await search(i);
        times.push(performance.now() - begun);
        if (hits[0].id !== (i * 7) % rows) throw new Error("the nearest of a vector is not itself");
      }
      return median(times);
    },
    /** Milliseconds for each of `queries` searches sent at once: the cost of handing calls over is shared. */
    async timeTogether(queries) {
      const begun = performance.now();
      await Promise.all(Array.from({ length: queries }, (_, i) => search(i)));
      return (performance.now() - begun) / queries;
    },
  };
}

/** Fills and closes a database, then opens it `times` times: median milliseconds until its collection is open. */
export async function openTime(open, name, options, { rows, dims, times }) {
  const db = await open(name, options);
  const things = await db.collection("bench", { vector: { dimensions: dims, metric: "l2" } });
  const batch = floats(1000 * dims);
  for (let at = 0; at < rows; at += 1000) await things.upsert({ ids: idsFrom(at, 1000), vectors: batch });
  await db.flush();
  await db.close();
  const taken = [];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    const again = await open(name, options);
    const collection = await again.collection("bench");
    taken.push(performance.now() - begun);
    const [first] = await collection.get([rows - 1]);
    if (first?.id !== rows - 1) throw new Error("a record is gone");
    await again.close();
  }
  return median(taken);
}
