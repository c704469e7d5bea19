/// <reference lib="esnext.disposable" preserve="true" />
/** `Symbol.asyncDispose` where the platform has it, so that `await using` closes what it opened. */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);
