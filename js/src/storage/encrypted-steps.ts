/** Work in steps that may wait: a generator that yields what may be a promise. Driven, it answers at once if nothing it waited for was one. */
import type { MaybePromise } from "./storage.js";

export type Steps<T> = Generator<unknown, T, unknown>;

export const isPromise = <T>(answer: MaybePromise<T>): answer is Promise<T> => typeof (answer as { then?: unknown } | null | undefined)?.then === "function";

/** `const value = yield* wait(maybePromise)` */
export function* wait<T>(value: MaybePromise<T>): Steps<T> {
  return (isPromise(value) ? yield value : value) as T;
}

export function drive<T>(steps: Steps<T>): MaybePromise<T> {
  const go = (next: () => IteratorResult<unknown, T>): MaybePromise<T> => {
    const { done, value } = next();
    if (done === true) return value;
    return (value as Promise<unknown>).then(
      (answer) => go(() => steps.next(answer)),
      (error: unknown) => go(() => steps.throw(error)),
    );
  };
  return go(() => steps.next());
}
