/**
 * Types of the platform which not every program's libraries have: a program for Node.js that has no `DOM` among its `lib` compiles against this package all the same.
 */

/** A `WebAssembly.Module`; any object where the program's libraries know of none. */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer T } } } ? T : object;

/** A `CryptoKey`; what has its members (such as the one of `node:crypto`) where the program's libraries know of none. */
export type PlatformKey = typeof globalThis extends { CryptoKey: { prototype: infer T } }
  ? T
  : { readonly algorithm: { name: string }; readonly extractable: boolean; readonly type: string; readonly usages: readonly string[] };
