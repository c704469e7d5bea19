/** Which build of the module this runtime can load: an engine validates a module whole, so one instruction decides. */

const HEAD = [0, 97, 115, 109, 1, 0, 0, 0]; // magic, version
const code = (body: readonly number[]): number[] => [10, body.length + 4, 1, body.length + 2, 0, ...body, 11]; // one function without locals
const constant = (bytes: readonly number[]): number[] => [0xfd, 12, ...bytes]; // v128.const
const splat = (byte: number): number[] => constant(new Array<number>(16).fill(byte));

/** A module of one function () -> v128 that makes a constant. */
const SIMD = new Uint8Array([...HEAD, 1, 5, 1, 96, 0, 1, 0x7b, 3, 2, 1, 0, ...code(splat(1))]);

/**
 * A module that exports "f", () -> i32: lane 0 of `i32x4.relaxed_dot_i8x16_i7x16_add_s` of sixteen times -3, sixteen times 127, and 7.
 */
const RELAXED = new Uint8Array([
  ...HEAD,
  ...[1, 5, 1, 96, 0, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0],
  ...code([...splat(0xfd), ...splat(127), ...constant([7, ...new Array<number>(15).fill(0)]), 0xfd, 0x93, 2, 0xfd, 0x1b, 0]),
]);

/** Whether 128-bit SIMD is there; every build needs it. */
export const hasSimd = (): boolean => WebAssembly.validate(SIMD);

/**
 * Whether relaxed SIMD is there, and right: engines that have it behind a flag have been seen to compute this product wrongly, and a wrong product would
 * lead a search another way than everywhere else.
 */
export function hasRelaxedSimd(): boolean {
  if (!WebAssembly.validate(RELAXED)) return false;
  try {
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED)).exports as { f: () => number };
    return f() === 4 * -3 * 127 + 7;
  } catch {
    return false; // a runtime that compiles nothing at run time has its build chosen beforehand
  }
}
