/**
 * Parsers of the Prometheus text format that others wrote, brought to one form: families with their samples, values as JavaScript
 * numbers. Each parser is missing or there; a test skips what is missing and says so.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** One text for a label set, whatever the order of its labels. */
export const labelKey = (labels) => JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/** @typedef {{ name: string, type: string, help: string, samples: { name: string, labels: Record<string, string>, value: number }[] }} Family */

/**
 * npm `parse-prometheus-text-format`. It folds a histogram's series into one and drops their labels, so samples are taken from a second
 * reading in which histograms are called untyped; there it keeps every line, as a family of its own.
 */
function javascript() {
  let parse;
  try {
    const module = require("parse-prometheus-text-format");
    parse = module.default ?? module;
  } catch {
    return { missing: "parse-prometheus-text-format is not installed (npm ci in tests/metrics)" };
  }
  return {
    /** @returns {Family[]} */
    parse: (text) => {
      const families = parse(text).map(({ name, type, help }) => ({ name, type: type.toLowerCase(), help, samples: [] }));
      const homes = new Map(families.flatMap((f) => (f.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]).map((suffix) => [f.name + suffix, f])));
      for (const { name, metrics } of parse(text.replaceAll(/^(# TYPE \S+) histogram$/gm, "$1 untyped"))) {
        for (const { labels = {}, value } of metrics) homes.get(name).samples.push({ name, labels, value: Number(value) });
      }
      return families;
    },
  };
}

const PYTHON = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
text = sys.stdin.buffer.read().decode("utf-8")
print(json.dumps([{"name": f.name, "type": f.type, "help": f.documentation,
  "samples": [{"name": s.name, "labels": s.labels, "value": repr(s.value)} for s in f.samples]}
  for f in text_string_to_metric_families(text)]))`;

/** The Prometheus project's own Python client. It takes the "_total" off a counter's family; it is put back here. */
function python() {
  const program = ["/usr/bin/python3", "python3"].find((p) => spawnSync(p, ["-c", "import prometheus_client.parser"]).status === 0);
  if (program === undefined) return { missing: "python3-prometheus-client is not installed" };
  return {
    /** @returns {Family[]} */
    parse: (text) =>
      JSON.parse(execFileSync(program, ["-c", PYTHON], { input: text, maxBuffer: 1 << 26, encoding: "utf8" })).map((family) => ({
        ...family,
        name: family.type === "counter" ? `${family.name}_total` : family.name,
        samples: family.samples.map((s) => ({ ...s, value: Number(s.value) })),
      })),
  };
}

/** Every parser by name. */
export const parsers = { "parse-prometheus-text-format": javascript(), "prometheus_client": python() };

/** `promtool check metrics`: the server's own lint. Debian's package weighs 96 MB, so it is used where it is installed and never asked for. */
export function promtool(text) {
  const { status, error, stdout, stderr } = spawnSync(process.env.OMEN_PROMTOOL ?? "promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  if (error) return { missing: "promtool is not installed (Debian package prometheus), or OMEN_PROMTOOL names no program" };
  return { status, report: `${stdout}${stderr}` };
}
