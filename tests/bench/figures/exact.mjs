/** Exact search, native, one thread: 10,000 x 768 f32 (from memory) and 10,000 x 128 (from the last cache). */
import { Missing, interleaved, json, median, medianOf, peer, program, withFolder } from "../lib.mjs";

export const figures = {
  "exact.bandwidth": { what: "10,000 x 768: bytes a second against a plain loop on as many bytes", unit: "of the loop", bar: 0.8, better: "higher" },
  "exact.bandwidth_128": { what: "10,000 x 128: the same", unit: "of the loop", bar: 0.6, better: "higher" },
  "exact.vs_faiss": { what: "against Debian's faiss IndexFlatL2, the smaller of 768 and 128 dimensions", unit: "times", bar: 4, better: "higher" },
};

const RUNS = 5, QUERIES = 200;
const ROWS = 10_000;

export async function measure(wanted) {
  const exact = program("exact");
  const runners = {};
  for (const dims of [768, 128]) runners[`ours${dims}`] = () => withFolder((folder) => json(exact, [folder, ROWS, dims, QUERIES], { env: { OMENDB_THREADS: "1" } }));
  let missing;
  if (wanted.has("exact.vs_faiss")) {
    try {
      const faiss = peer("faiss_flat.cpp", ["-fopenmp", "-lfaiss", "-lopenblas"], { needs: "/usr/include/faiss/IndexFlat.h", packages: "libfaiss-dev, libopenblas-dev, g++" });
      for (const dims of [768, 128]) runners[`faiss${dims}`] = () => json(faiss, [ROWS, dims, QUERIES], { env: { OMP_NUM_THREADS: "1" } });
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      missing = error.message;
    }
  }
  const answers = await interleaved(RUNS, runners);
  const share = (dims) => {
    const ours = answers[`ours${dims}`];
    return { value: medianOf(ours, "share"), against: { kernels: ours[0].kernels, gbs: medianOf(ours, "gbs"), plainGbs: medianOf(ours, "plainGbs"), msQuery: medianOf(ours, "msQuery") } };
  };
  const ratio = (dims) => median(answers[`faiss${dims}`].map((f, i) => f.msQuery / answers[`ours${dims}`][i].msQuery));
  return {
    "exact.bandwidth": share(768),
    "exact.bandwidth_128": share(128),
    "exact.vs_faiss": missing
      ? { missing }
      : answers.faiss768 && {
          value: Math.min(ratio(768), ratio(128)),
          against: { times768: ratio(768), times128: ratio(128), faissMs768: medianOf(answers.faiss768, "msQuery"), faissMs128: medianOf(answers.faiss128, "msQuery") },
        },
  };
}
