/**
 * Look-ups of 1,000,000 ids beside a B-tree of the same ids (Abseil's btree_map, id to row), on four sets of them: ../keys_sets.h.
 *
 * Speed: ids that are there, asked for in groups of 32 as requests of many ids do; the times of single ones, of ids that are
 * not there, and of such when an insert asks (it expects that, so that the filter comes first), stand beside it.
 * Memory: of the B-tree all that it allocates. Of a part all that it holds for look-ups: the model, its table, the Bloom filter, tags, and the rows of hashed ids. Not
 * counted are the ids themselves, which every hit of a search answers and the B-tree holds a second time, nor KEY_ORDER, which lists ids in order;
 * `with order` counts that too, `with ids` everything.
 */
import { interleaved, json, median, medianOf, peer, program } from "../lib.mjs";

const SETS = ["sequential", "bursty", "tenants", "zipf"];
const ROWS = 1_000_000, ASKS = 1_000_000, PASSES = 5, RUNS = 3;

export const figures = {
  "keys.speed": { what: "look-up of 1,000,000 ids against a B-tree of them, the worst of four sets", unit: "times", bar: 3, better: "higher" },
  "keys.memory": { what: "memory for looking up 1,000,000 ids, of that of a B-tree of them, the worst of four sets", unit: "of the B-tree", bar: 0.1, better: "lower" },
};

export async function measure(wanted, note) {
  const keys = program("keys");
  const btree = peer("keys_btree.cpp", ["-labsl_throw_delegate", "-labsl_raw_logging_internal"], { needs: "/usr/include/absl/container/btree_map.h", packages: "libabsl-dev, g++", with: ["../keys_sets.h"] });
  const speed = {}, memory = {}, times = [], shares = [];
  for (const set of SETS) {
    const args = [set, ROWS, ASKS, PASSES];
    const { ours, theirs } = await interleaved(wanted.has("keys.speed") ? RUNS : 1, { ours: () => json(keys, args), theirs: () => json(btree, args) });
    for (const answer of [...ours, ...theirs])
      if (answer.sum !== ours[0].sum || answer.wrong !== 0) throw new Error(`${set}: the answers differ: ${JSON.stringify(answer)}`);
    const ratio = (key, beside = key) => median(theirs.map((t, i) => t[beside] / ours[i][key]));
    const [o] = ours, tree = theirs[0].bytes;
    times.push(ratio("hitNs"));
    shares.push(o.bytes / tree);
    speed[set] = {
      kind: o.kind, times: ratio("hitNs"), timesSingle: ratio("singleNs", "hitNs"), timesAbsent: ratio("missNs"), timesNew: ratio("newNs", "missNs"),
      ns: medianOf(ours, "hitNs"), nsSingle: medianOf(ours, "singleNs"), nsAbsent: medianOf(ours, "missNs"), nsNew: medianOf(ours, "newNs"), btreeNs: medianOf(theirs, "hitNs"), btreeNsAbsent: medianOf(theirs, "missNs"),
    };
    memory[set] = { share: o.bytes / tree, withOrder: (o.bytes + o.order) / tree, withIds: (o.bytes + o.order + o.ids) / tree, bytes: o.bytes, model: o.model, btree: tree };
    note(`${set}: ${times.at(-1).toFixed(2)} times, ${(100 * shares.at(-1)).toFixed(1)} % of the memory`);
  }
  return { "keys.speed": { value: Math.min(...times), against: speed }, "keys.memory": { value: Math.max(...shares), against: memory } };
}
