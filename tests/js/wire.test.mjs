// Messages and columns of the call protocol: what is encoded is decoded again, in the bytes that docs/CALLS.md says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeAnswer, decodeRequest, decodeResponse, encodeError, encodeRequest, encodeResponse, statusOf } from "../../js/dist/wire.js";
import { asFloats, asOffsets, decodeId, decodeTexts, encodeIds, encodeTexts, utf8Length } from "../../js/dist/columns.js";
import { vectorRows } from "../../js/dist/vectors.js";
import { random } from "./random.mjs";

const ids = (list) => encodeIds(list.length, (i) => list[i]);
const decodeAll = ([offsets, bytes]) => Array.from({ length: offsets.length - 1 }, (_, i) => decodeId(bytes, offsets[i], offsets[i + 1]));

test("a message has the layout that the protocol gives", () => {
  const bytes = encodeRequest({ op: "count" }, [new Uint8Array([1, 2, 3]), new Float32Array([1.5])]);
  const view = new DataView(bytes.buffer);
  assert.equal(Buffer.from(bytes.subarray(0, 4)).toString("latin1"), "OMC1");
  assert.equal(view.getUint32(4, true), 0);
  assert.equal(view.getUint32(8, true), '{"op":"count"}'.length);
  assert.equal(view.getUint32(12, true), 2);
  assert.deepEqual([view.getBigUint64(16, true), view.getBigUint64(24, true)], [64n, 3n]);
  assert.deepEqual([view.getBigUint64(32, true), view.getBigUint64(40, true)], [72n, 4n]);
  assert.equal(Buffer.from(bytes.subarray(48, 62)).toString(), '{"op":"count"}');
  assert.equal(bytes.length, 80);
  assert.equal(view.getFloat32(72, true), 1.5);
});

test("messages survive the round trip", () => {
  const json = { op: "x", text: "ÄÖ😀", list: [1, null, { a: true }] };
  const parts = [new Uint8Array(0), new Uint8Array([9]), new Uint8Array(1000).fill(7)];
  const request = decodeRequest(encodeRequest(json, parts));
  assert.deepEqual(request.json, json);
  assert.deepEqual(request.parts.map((part) => [...part]), parts.map((part) => [...part]));
  const response = decodeResponse(encodeResponse(31, json));
  assert.equal(response.status, 31);
  assert.equal(statusOf(encodeResponse(31, json)), 31);
});

test("a message that lies unaligned in a larger buffer is read all the same", () => {
  const message = encodeResponse(0, { n: 1 }, [new Float32Array([1, 2, 3])]);
  const larger = new Uint8Array(message.length + 3);
  larger.set(message, 3);
  assert.deepEqual([...asFloats(decodeAnswer(larger.subarray(3)).parts[0])], [1, 2, 3]);
});

test("an error's response is thrown as its error", () => {
  assert.throws(() => decodeAnswer(encodeError("OMEN_ERR_BUSY", "close it there first")), {
    name: "OmenError",
    code: "OMEN_ERR_BUSY",
    status: 30,
    message: "OMEN_ERR_BUSY: close it there first",
  });
  assert.throws(() => decodeAnswer(encodeResponse(12345, {})), { code: "OMEN_ERR_INTERNAL" });
});

test("a malformed message is refused, however it is cut or changed", () => {
  const message = encodeResponse(0, { answer: [1, 2, 3] }, [new Uint8Array(20).fill(1), new Uint8Array(5)]);
  for (let length = 0; length < message.length - 8; length++) {
    assert.throws(() => decodeResponse(message.slice(0, length)), { code: "OMEN_ERR_INTERNAL" }, `cut to ${length}`);
  }
  for (let at = 0; at < message.length; at++) {
    const changed = message.slice();
    changed[at] ^= 0xff;
    try {
      const { parts } = decodeResponse(changed);
      for (const part of parts) assert.ok(part.byteOffset + part.length <= changed.buffer.byteLength);
    } catch (error) {
      assert.equal(error.code, "OMEN_ERR_INTERNAL", `byte ${at}: ${error}`);
    }
  }
});

test("ids survive the round trip", () => {
  const list = [0, 1, -1, 7, "7", "", "a", "ÄÖÜ", "😀", "\ufeffmark", "x".repeat(47), "x".repeat(48), "x".repeat(300), "é".repeat(40),
    Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32, 2 ** 32 - 1, -(2 ** 32), -(2 ** 32) - 1, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n];
  assert.deepEqual(decodeAll(ids(list)), list);
  assert.deepEqual(decodeAll(ids([5n, -5n])), [5, -5], "bigints that are safe come back as numbers");
});

test("the byte order of ids is their order", () => {
  const numbers = [-(2n ** 63n), Number.MIN_SAFE_INTEGER, -(2 ** 40), -(2 ** 32), -1, 0, 1, 255, 256, 2 ** 31, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER, 2n ** 63n - 1n];
  const list = [...numbers, "", "A", "a", "aa", "b", "é", "😀"];
  const [offsets, bytes] = ids(list);
  for (let i = 0; i + 1 < list.length; i++) {
    const [a, b] = [bytes.subarray(offsets[i], offsets[i + 1]), bytes.subarray(offsets[i + 1], offsets[i + 2])];
    assert.ok(Buffer.compare(a, b) < 0, `${list[i]} before ${list[i + 1]}`);
  }
});

test("what is no id is refused with its place", () => {
  for (const bad of [1.5, Number.NaN, 2 ** 53, undefined, null, {}, true, 2n ** 63n, -(2n ** 63n) - 1n, "\ud800", "a\udc00b", Symbol("s")]) {
    assert.throws(() => ids(["fine", bad]), (error) => error.code === "OMEN_ERR_ID" && (typeof bad === "string" || /record 1/.test(error.message)), String(bad));
  }
});

test("texts survive the round trip, in any script", () => {
  for (const list of [[], [""], ["a", "", "bc"], ["ä", "", "😀x", "plain"], ["\ufeff"], ["{}", '{"a":"ÿ"}', ""]]) {
    const [offsets, bytes] = encodeTexts(list);
    assert.deepEqual(decodeTexts(offsets, bytes), list.map((text) => (text === "" ? undefined : text)));
    assert.equal(offsets.at(-1), bytes.length);
  }
});

test("lengths in UTF-8 are the encoder's, half surrogates included", (t) => {
  const next = random(t);
  const units = [0x41, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0xd83d, 0xde00, 0xd800, 0xdbff, 0xdc00, 0xdfff];
  for (let i = 0; i < 5000; i++) {
    const text = String.fromCharCode(...Array.from({ length: next(8) }, () => units[next(units.length)]));
    assert.equal(utf8Length(text), new TextEncoder().encode(text).length, JSON.stringify(text));
  }
});

test("vectors are rows of f32", () => {
  const rows = [[1, 2], new Float32Array([3, 4]), new Float64Array([0.1, 1e300])];
  const { parts } = decodeRequest(encodeRequest({ op: "x" }, [vectorRows(3, { name: "v", dimensions: 2, metric: "l2", type: "f32", index: { kind: "auto" } }, (i) => rows[i])]));
  assert.deepEqual([...asFloats(parts[0])], [1, 2, 3, 4, Math.fround(0.1), Number.POSITIVE_INFINITY]);
  assert.deepEqual([...asOffsets(new Uint8Array(new Uint32Array([1, 2]).buffer))], [1, 2]);
});
