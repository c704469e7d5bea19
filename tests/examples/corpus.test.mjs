/** The demo's texts: what is taken from apt, what is left out, and that only what changed is embedded again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanText, paragraphs, selectPackages } from "../../examples/demo/corpus.mjs";
import { fingerprint, hitLines } from "../../examples/demo/fingerprint.mjs";
import { embedPassages, firstSentences, passagesOf } from "../../examples/demo/passages.mjs";
import { seriesOf, widen } from "../../examples/demo/web/series.mjs";

const AVAILABLE = `Package: paint
Section: graphics
Description: draws pictures
Description-md5: 1
Homepage: https://example.org/

Package: paint-data
Section: graphics
Description: draws pictures
Description-md5: 2

Package: libpaint1
Section: graphics
Description: draws pictures, as a library

Package: oldpaint
Section: graphics
Description: transitional package for paint

Package: tax
Section: misc
Description: reckons taxes

Package: sing
Section: non-free/sound
Description: sings
 It sings aloud.
 .
 For more, see the manual.
`;

test("control files are read with their continued lines", () => {
  const all = [...paragraphs(AVAILABLE)];
  assert.deepEqual(all.map(({ Package }) => Package), ["paint", "paint-data", "libpaint1", "oldpaint", "tax", "sing"]);
  assert.equal(all[5].Description, "sings\nIt sings aloud.\n.\nFor more, see the manual.");
});

test("whole sections, without parts of other packages and hollow ones, with the long text where there is one", () => {
  const long = new Map([["paint 1", "draws fine pictures\n It has\n brushes.\n .\n   * oil\n   * chalk"]]);
  assert.deepEqual(selectPackages(AVAILABLE, long, ["graphics", "sound"]), [
    { name: "paint", section: "graphics", summary: "draws fine pictures", text: "It has brushes. oil; chalk", homepage: "https://example.org/" },
    { name: "sing", section: "sound", summary: "sings", text: "It sings aloud." },
  ]);
});

test("descriptions become running text", () => {
  assert.equal(cleanText("A  tool\nfor:\n - one\n - two\n.\n-----------\n.\nThis package contains the binaries."), "A tool for:; one; two");
});

test("the first sentences are whole ones", () => {
  assert.equal(firstSentences("Short.", 10), "Short.");
  assert.equal(firstSentences("One is here. Two is there. Three", 28), "One is here. Two is there.");
  assert.equal(firstSentences("a very long sentence without an end", 18), "a very long");
  assert.equal(firstSentences("endlesslylongword", 10), "endlesslyl");
  assert.deepEqual(passagesOf({ summary: "s", text: "" }), ["s"]);
});

test("passages count the same, at unit length", async () => {
  const vectors = { a: [1, 0], b: [0, 1] };
  const vector = await embedPassages(async (text) => vectors[text], ["a", "b"]);
  assert.deepEqual(vector, Float32Array.from([Math.SQRT1_2, Math.SQRT1_2]));
});

test("a fingerprint changes with one bit of one distance", async () => {
  const hits = [{ id: "x", distance: 0.25 }];
  assert.deepEqual(hitLines("q", hits), ["q\tx\t3e800000"]);
  const near = [{ id: "x", distance: 0.25 + 2 ** -25 }];
  assert.notEqual(await fingerprint(hitLines("q", hits)), await fingerprint(hitLines("q", near)));
});

test("the metrics panel finds a series by its labels, and draws a histogram in steps of equal width", () => {
  const metrics = { t: { type: "counter", series: [{ labels: { kind: "get", db_id: "1" }, value: 1 }, { labels: { kind: "search", db_id: "1" }, value: 2 }] } };
  assert.equal(seriesOf(metrics, "t", { kind: "search" }).value, 2);
  assert.equal(seriesOf(metrics, "absent"), undefined);
  const steps = widen([[0.001, 3], [0.00101, 1], [0.004, 6], [null, 1]]);
  assert.ok(steps.length >= 16);
  assert.equal(steps.reduce((sum, { count }) => sum + count, 0), 10);
  const tallest = steps.find(({ count }) => count === 6);
  assert.ok(tallest.from < 0.004 && tallest.to >= 0.004);
  steps.slice(1).forEach(({ from }, i) => assert.ok(Math.abs(from / steps[i].to - 1) < 1e-9));
  assert.deepEqual(widen([]), []);
});
