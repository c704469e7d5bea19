// What is read off curves of recall, and the order systems take turns in; no speed is judged here.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Server, at, draw, frontier, middle, passes, ratio } from "./ann.mjs";
import { ROOT } from "./lib.mjs";

const point = (recall, qps) => ({ effort: 0, recall, qps });

test("the frontier leaves out what another point beats", () => {
  const points = [point(0.9, 100), point(0.95, 120), point(0.99, 50), point(0.98, 40), point(0.8, 300)];
  assert.deepEqual(frontier(points).map((p) => p.recall), [0.8, 0.95, 0.99]);
});

test("speed at a recall lies on a line between two points, and nowhere above the last", () => {
  const points = [point(0.9, 1000), point(0.99, 10)];
  assert.equal(at(points, 0.9), 1000);
  assert.ok(Math.abs(at(points, 0.99) - 10) < 1e-9);
  // Half way in log(1 - recall) is the geometric mean of the speeds.
  assert.ok(Math.abs(at(points, 1 - Math.sqrt(0.1 * 0.01)) - 100) < 1e-6);
  assert.equal(at(points, 0.5), 1000);
  assert.ok(Number.isNaN(at(points, 0.995)));
});

test("ratios are medians over rounds, each of its own round", () => {
  const ours = [[point(0.95, 100)], [point(0.95, 30)], [point(0.95, 400)]], theirs = [[point(0.95, 10)], [point(0.95, 10)], [point(0.95, 100)]];
  assert.equal(ratio(ours, theirs, 0.95), 4);
  assert.ok(Number.isNaN(ratio(ours, theirs, 0.96)));
  assert.deepEqual(middle(ours), [{ effort: 0, recall: 0.95, qps: 100 }]);
});

test("systems take turns after every effort, each round the other way round", async () => {
  const order = [];
  const system = (name, efforts) => ({ efforts, ask: async (effort) => (order.push(name + effort), { recall: 0.9, queries: 10, seconds: 2 }) });
  const all = await passes(2, { a: system("a", [1, 2]), b: system("b", [1]) });
  assert.deepEqual(order, ["a1", "b1", "a2", "b1", "a1", "a2"]);
  assert.deepEqual(all.a.map((round) => round.map(({ effort, qps }) => [effort, qps])), [[[1, 5], [2, 5]], [[1, 5], [2, 5]]]);
});

test("a drawing has every system's points and no markup of their names", () => {
  const file = path.join(ROOT, draw("ann-test", "a < b", { "x & y": [point(0.9, 1000), point(0.99, 100)], slow: [point(0.5, 10)] }));
  try {
    const text = readFileSync(file, "utf8");
    assert.equal(text.match(/<circle /g).length, 2);
    assert.match(text, /a &#60; b/);
    assert.match(text, />x &#38; y</);
  } finally {
    rmSync(file);
  }
});

test("a program's end is an error with what it said", async () => {
  const echo = 'console.log("{}"); require("readline").createInterface({ input: process.stdin }).on("line", (l) => l === "x" ? (console.error("no such effort"), process.exit(3)) : console.log(`{"got":${l}}`))';
  const server = await Server.start(process.execPath, ["-e", echo]);
  assert.deepEqual(await server.ask(7), { got: 7 });
  await assert.rejects(server.ask("x"), /ended \(3\): no such effort/);
  await assert.rejects(Server.start(process.execPath, ["-e", "process.exit(2)"]), /ended \(2\)/);
});
