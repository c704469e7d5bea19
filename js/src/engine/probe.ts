/** Which build of the module this runtime can load: an engine validates a module whole, so one instruction decides. */

/** A module of one function: `i8x16.splat` and, when `relaxed`, `i8x16.relaxed_swizzle`. */
const probe = (body: readonly number[]): Uint8Array<ArrayBuffer> =>
  // magic and version; type 0: () -> v128; one function of type 0; its code
  new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, body.length + 4, 1, body.length + 2, 0, ...body, 11]);

const SPLAT = [0x41, 1, 0xfd, 15];
const RELAXED_SWIZZLE = [0xfd, 0x80, 2];

/** Whether 128-bit SIMD is there; every build needs it. */
export const hasSimd = (): boolean => WebAssembly.validate(probe(SPLAT));

/** Whether relaxed SIMD is there. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(probe([...SPLAT, ...SPLAT, ...RELAXED_SWIZZLE]));
