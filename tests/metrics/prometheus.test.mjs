// The Prometheus text as other people's parsers read it, beside the JSON of the same metrics: both engines, one content.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { labelKey, parsers, promtool } from "./parsers.mjs";

const dist = new URL("../../js/dist/platform/node.js", import.meta.url);
const unbuilt = existsSync(dist) ? false : "js/dist is not built (./dev test builds it)";
const { open } = unbuilt ? {} : await import(dist);
const command = fileURLToPath(new URL("../../build/native-gcc/omendb", import.meta.url));
const engines = {
  wasm: unbuilt,
  native: unbuilt || (existsSync(new URL("../prebuilds", dist)) ? false : "the native engine is not built"),
};

/** Label values that have broken exporters before. */
const HOSTILE = {
  quote: 'say "hi"',
  backslash: "C:\\new\\temp\\",
  newline: "one\ntwo\n# HELP fake A fake.\nfake 1",
  braces: '},{="x"} 1 #',
  comma: 'a,b="c"',
  empty: "",
  wide: "Zürich 東京 😀 \u2028\u0301",
  escapes: '\\n is not "\\n", \\\\n neither \\"',
  tab: "a\tb",
  _9: "a label may begin with one underscore",
};

/** A database in which some of everything has happened, and nothing more happens by itself. */
async function busy(t, engine) {
  const root = mkdtempSync(path.join(tmpdir(), "omendb-metrics-"));
  const db = await open(path.join(root, "db"), { engine, storage: "fs", databaseId: "00112233445566778899aabbccddeeff", manualMaintenance: true });
  t.after(async () => {
    await db.close();
    rmSync(root, { recursive: true, force: true });
  });
  const things = await db.collection("things", { vector: { dimensions: 8, metric: "l2" } });
  const ids = Int32Array.from({ length: 500 }, (_, i) => i);
  const vectors = Float32Array.from({ length: 500 * 8 }, (_, i) => Math.sin(i));
  await things.upsert({ ids, vectors });
  await db.flush();
  await things.upsert({ ids: ids.slice(0, 20), vectors: vectors.slice(0, 160) });
  await things.delete([1, 2, 3]);
  for (let i = 0; i < 7; i++) await things.search({ vector: vectors.subarray(i * 8, i * 8 + 8), topK: 3 });
  await things.get([4, 5]);
  await things.count();
  await assert.rejects(() => things.insert([{ id: 100, vector: vectors.subarray(0, 8) }]), { code: "OMEN_ERR_EXISTS" });
  await db.compact();
  return db;
}

/** The metrics of one state, as text and as JSON: what a call before them leaves behind may come to an end between the two; then they are asked for again. */
async function bothOf(db, labels) {
  for (let tries = 1; ; tries++) {
    const [text, json, again] = [await db.metrics({ format: "prometheus", labels }), await db.metrics({ labels }), await db.metrics({ format: "prometheus", labels })];
    if (text === again) return [text, json];
    assert.ok(tries < 1000, "the metrics never stand still");
  }
}

const samplesOf = (families) => families.flatMap((family) => family.samples);
const valueOf = (families, name, labels = {}) => {
  const found = samplesOf(families).filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v));
  assert.equal(found.length, 1, `${found.length} samples ${name} ${JSON.stringify(labels)}`);
  return found[0].value;
};

for (const [engine, skip] of Object.entries(engines)) {
  for (const [parserName, { parse, missing }] of Object.entries(parsers)) {
    test(`${engine}: ${parserName} reads what happened`, { skip: skip || missing }, async (t) => {
      const db = await busy(t, engine);
      const text = await db.metrics({ format: "prometheus" });
      const families = parse(text);
      assert.equal(valueOf(families, "omendb_engine_queries_total", { kind: "search" }), 7);
      assert.equal(valueOf(families, "omendb_engine_query_duration_seconds_count", { kind: "search" }), 7);
      assert.equal(valueOf(families, "omendb_engine_queries_total", { kind: "get" }), 1);
      assert.equal(valueOf(families, "omendb_engine_writes_total"), 520);
      assert.equal(valueOf(families, "omendb_engine_deletes_total"), 3);
      assert.equal(valueOf(families, "omendb_engine_failures_total", { class: "existence" }), 1);
      assert.equal(valueOf(families, "omendb_engine_segments"), 1);
      assert.equal(valueOf(families, "omendb_engine_search_accuracy_ratio"), 1);
      assert.ok(valueOf(families, "omendb_engine_memory_allocated_bytes") > 0);
      assert.ok(valueOf(families, "omendb_engine_memory_peak_bytes") > 500 * 8 * 4);
      assert.ok(valueOf(families, "omendb_blocks_misses_total") > 0);
      assert.ok(valueOf(families, "omendb_log_bytes_total") > 500 * 8 * 4);
      for (const sample of samplesOf(families)) assert.equal(sample.labels.db_id, "00112233445566778899aabbccddeeff");

      // Each family stands once, with one HELP and one TYPE, whichever source it is from; no series stands twice.
      const names = families.map((family) => family.name);
      assert.deepEqual(names, [...new Set(names)]);
      for (const name of names) {
        assert.equal(text.split(`# HELP ${name} `).length, 2, name);
        assert.equal(text.split(`# TYPE ${name} `).length, 2, name);
      }
      const series = samplesOf(families).map((s) => s.name + labelKey(s.labels));
      assert.equal(new Set(series).size, series.length);
      assert.equal(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length, series.length, "a line was not understood");

      for (const family of families) {
        assert.ok(family.help.length > 4, family.name);
        assert.match(family.name, /^omendb_(engine|blocks|log)_[a-z_]+$/);
        assert.doesNotMatch(family.name, /_(count|sum|bucket|info)$/); // names that belong to other types
        assert.equal(family.name.endsWith("_total"), family.type === "counter", family.name);
        assert.equal(family.name.endsWith("_seconds"), family.type === "histogram", family.name);
        if (family.type === "histogram") checkHistograms(family);
      }
    });

    test(`${engine}: ${parserName} reads hostile labels as they were`, { skip: skip || missing }, async (t) => {
      const db = await busy(t, engine);
      const plain = samplesOf(parse(await db.metrics({ format: "prometheus" })));
      const labelled = samplesOf(parse(await db.metrics({ format: "prometheus", labels: HOSTILE })));
      // The value with an escaped newline did not break out of its line: no series came up, none went, each has every label.
      assert.deepEqual(labelled.map(({ name }) => name), plain.map(({ name }) => name));
      for (const { name, labels } of labelled) for (const [key, value] of Object.entries(HOSTILE)) assert.equal(labels[key], value, `${name} ${key}`);
    });

    test(`${engine}: ${parserName} and JSON agree`, { skip: skip || missing }, async (t) => {
      const db = await busy(t, engine);
      const labels = { host: "h1" };
      const [text, json] = await bothOf(db, labels);
      const families = parse(text);
      assert.deepEqual(Object.keys(json), families.map((family) => family.name));
      for (const family of families) {
        const { type, help, series } = json[family.name];
        assert.equal(type, family.type);
        assert.equal(help, family.help);
        for (const one of series) {
          if (type !== "histogram") {
            assert.equal(one.value, valueOf([family], family.name, one.labels), family.name);
            continue;
          }
          assert.equal(one.count, valueOf([family], `${family.name}_count`, one.labels));
          assert.equal(one.sum, valueOf([family], `${family.name}_sum`, one.labels));
          assert.equal(one.buckets.reduce((sum, [, n]) => sum + n, 0), one.count);
          assert.ok(one.p50 <= one.p90 && one.p90 <= one.p99 && one.p99 <= one.p999);
          // Where both have a bound, they count the same.
          for (const { name, labels: at, value } of family.samples) {
            if (!name.endsWith("_bucket") || !Object.entries(one.labels).every(([k, v]) => at[k] === v)) continue;
            const below = one.buckets.reduce((sum, [bound, n]) => sum + (bound !== null && bound <= Number(at.le.replace("+Inf", "Infinity")) ? n : 0), 0);
            assert.equal(value, at.le === "+Inf" ? one.count : below, `${family.name} le ${at.le}`);
          }
        }
      }
    });
  }

  test(`${engine}: reset`, { skip }, async (t) => {
    const db = await busy(t, engine);
    await db.resetMetrics();
    for (const [name, { type, series }] of Object.entries(await db.metrics())) {
      for (const one of series) {
        if (type === "counter") assert.equal(one.value, 0, name);
        if (type === "histogram") assert.deepEqual([one.count, one.sum, one.buckets], [0, 0, []], name);
      }
      if (name === "omendb_engine_segments") assert.equal(series[0].value, 1);
      if (name === "omendb_engine_memory_peak_bytes") assert.ok(series[0].value > 0);
    }
  });

  test(`${engine}: labels that cannot be are refused`, { skip }, async (t) => {
    const db = await busy(t, engine);
    for (const labels of [{ __name__: "x" }, { le: "1" }, { "a-b": "x" }, { "": "x" }, { ä: "x" }, { db_id: "x" }, { kind: "x" }, { class: "x" }, { a: 1 }, { a: null }, { a: "x\0" }]) {
      for (const format of ["json", "prometheus"]) {
        await assert.rejects(() => db.metrics({ format, labels }), { code: "OMEN_ERR_INVALID", message: /label/ }, JSON.stringify(labels));
      }
    }
  });

  test(`${engine}: promtool check metrics`, { skip }, async (t) => {
    const db = await busy(t, engine);
    const { missing, status, report } = promtool(await db.metrics({ format: "prometheus", labels: HOSTILE }));
    if (missing) return t.skip(missing);
    assert.equal(status, 0, report);
    assert.equal(report, "");
    assert.notEqual(promtool("omendb_x_total 1\nomendb_x_total 1\n").status, 0, "promtool finds nothing wrong with a series that stands twice");
  });
}

/** Buckets rise, the last is +Inf and equals the count, the sum lies within what the buckets allow. */
function checkHistograms({ name, samples }) {
  const groups = Map.groupBy?.(samples, groupOf) ?? samples.reduce((map, s) => map.set(groupOf(s), [...(map.get(groupOf(s)) ?? []), s]), new Map());
  for (const group of groups.values()) {
    const buckets = group.filter((s) => s.name === `${name}_bucket`).map((s) => ({ le: Number(s.labels.le.replace("+Inf", "Infinity")), n: s.value }));
    const [count] = group.filter((s) => s.name === `${name}_count`), [sum] = group.filter((s) => s.name === `${name}_sum`);
    assert.ok(buckets.length > 10, name);
    let least = 0, most = 0;
    buckets.forEach(({ le, n }, i) => {
      const { le: lower, n: before } = buckets[i - 1] ?? { le: 0, n: 0 };
      assert.ok(le > lower && n >= before, `${name} le ${le}`);
      least += (n - before) * lower;
      most += n === before ? 0 : (n - before) * le;
    });
    assert.deepEqual(buckets.at(-1), { le: Infinity, n: count.value });
    assert.ok(sum.value >= least * 0.999999 && sum.value <= most * 1.000001, `${name}: sum ${sum.value} is not within ${least} and ${most}`);
  }
}

function groupOf({ labels }) {
  const { le, ...rest } = labels;
  return labelKey(rest);
}

for (const [parserName, { parse, missing }] of Object.entries(parsers)) {
  test(`command line: ${parserName} reads it`, { skip: missing || (!existsSync(command) && "the command line is not built (./dev build native-gcc)") }, (t) => {
    const root = mkdtempSync(path.join(tmpdir(), "omendb-metrics-"));
    t.after(() => rmSync(root, { recursive: true, force: true }));
    const omendb = (...args) => execFileSync(command, args, { encoding: "utf8" });
    omendb("create", path.join(root, "db"), "--collection", "things", "--dimensions", "3");
    const families = parse(omendb("metrics", path.join(root, "db"), "--prometheus", "--label", `path=${HOSTILE.backslash}`, "--label", `lines=${HOSTILE.newline}`));
    assert.equal(valueOf(families, "omendb_engine_collections"), 1);
    for (const { labels } of samplesOf(families)) assert.deepEqual([labels.path, labels.lines], [HOSTILE.backslash, HOSTILE.newline]);
  });
}

test("docs/METRICS.md lists every family with its type and labels", { skip: unbuilt }, async (t) => {
  const page = readFileSync(new URL("../../docs/METRICS.md", import.meta.url), "utf8");
  const listed = new Map([...page.matchAll(/^\| `(omendb_\w+)` \| (\w+) \| (?:`(\w+)`[^|]*)? ?\|/gm)].map(([, name, type, label]) => [name, { type, label }]));
  const metrics = await (await busy(t, "wasm")).metrics();
  assert.deepEqual([...listed.keys()].sort(), Object.keys(metrics).sort());
  for (const [name, { type, label }] of listed) {
    assert.equal(metrics[name].type, type, name);
    for (const { labels } of metrics[name].series) {
      assert.deepEqual(Object.keys(labels), label === undefined ? ["db_id"] : ["db_id", label], name);
      const [row] = page.match(new RegExp(`^\\| \`${name}\`.*$`, "m"));
      const rowOfLabel = page.match(new RegExp(`^\\|[^\\n]*\`${label}\`: [^|]*$|\`${label}\`: [^|]*\\|`, "m"))?.[0] ?? row;
      if (label !== undefined) assert.ok(rowOfLabel.includes(labels[label]), `${name}: ${label} ${labels[label]}`);
    }
  }
});
