// Reproducible chance for tests: OMEN_SEED sets the seed, and a failing test names it.

/** Answers next(n): an integer in [0, n). The seed is in the test's diagnostics. */
export function random(t, seed = Number(process.env.OMEN_SEED ?? (Date.now() & 0x7fffffff))) {
  t?.diagnostic(`seed ${seed} (set OMEN_SEED to repeat)`);
  let state = seed >>> 0;
  // mulberry32
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** A vector of numbers in [-1, 1). */
export function vector(next, dimensions) {
  return Float32Array.from({ length: dimensions }, () => next(2 ** 24) / 2 ** 23 - 1);
}
