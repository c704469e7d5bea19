/** Many searches in one request ("searchMany" of docs/CALLS.md). */
import { asOffsets } from "./columns.js";
import type { Connection } from "./connection.js";
import { OmenError, asOmenError } from "./errors.js";
import { decodeAnswer, encodeRequest, type Message, type Part } from "./wire.js";

/** A search as a request: its arguments but for operation and collection. */
export interface SearchPlan {
  request: { [member: string]: unknown };
  parts: Part[];
}

/** So many go into one request: an engine without threads does nothing else meanwhile. */
const MOST = 64;
/** What has threads gets a request for each, but none of fewer than this. */
const FEWEST = 8;

/** What a function of the caller's threw stays as it is. */
const named = (error: unknown, number: number): unknown => (error instanceof OmenError ? new OmenError(error.code, `query ${number}: ${error.detail}`, { cause: error }) : error);

/** What one of many queries is done with; a failure says which query it was. */
export function inQuery<T>(number: number, work: () => T): T {
  try {
    const result = work();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw named(error, number);
    }) as T;
  } catch (error) {
    throw named(error, number);
  }
}

/** Runs of searches that share a signal, cut into requests. */
function split(plans: readonly { signal?: AbortSignal | undefined }[], threads: number): number[][] {
  const groups = new Map<AbortSignal | undefined, number[]>();
  plans.forEach(({ signal }, i) => {
    const group = groups.get(signal);
    if (group === undefined) groups.set(signal, [i]);
    else group.push(i);
  });
  const requests: number[][] = [];
  for (const group of groups.values()) {
    const pieces = Math.max(Math.ceil(group.length / MOST), Math.min(threads, Math.floor(group.length / FEWEST)));
    const size = Math.ceil(group.length / pieces);
    for (let at = 0; at < group.length; at += size) requests.push(group.slice(at, at + size));
  }
  return requests;
}

/** Messages back to back, with where each begins and the last one ends. */
function messages(requests: readonly Uint8Array[]): [Uint32Array, Part] {
  const offsets = new Uint32Array(requests.length + 1);
  requests.forEach((request, i) => (offsets[i + 1] = offsets[i]! + request.length));
  const byteLength = offsets[requests.length]!;
  return [
    offsets,
    {
      byteLength,
      write(buffer, offset) {
        const bytes = new Uint8Array(buffer, offset, byteLength);
        requests.forEach((request, i) => bytes.set(request, offsets[i]!));
      },
    },
  ];
}

/** Answers of searches, in their order. @throws OmenError that of the first one that failed */
export async function callMany(connection: Connection, collection: number, plans: readonly (SearchPlan & { signal?: AbortSignal | undefined })[]): Promise<Message[]> {
  const answers = new Array<Message>(plans.length);
  const failures: { number: number; error: OmenError }[] = [];
  const run = async (numbers: readonly number[]): Promise<void> => {
    try {
      const parts = messages(numbers.map((i) => encodeRequest({ op: "search", ...plans[i]!.request }, plans[i]!.parts)));
      const answer = await connection.call({ op: "searchMany", collection, count: numbers.length }, parts, plans[numbers[0]!]!.signal);
      const [offsets, bytes] = answer.parts as [Uint8Array, Uint8Array];
      const at = asOffsets(offsets);
      numbers.forEach((number, i) => (answers[number] = decodeAnswer(bytes.subarray(at[i], at[i + 1]))));
    } catch (error) {
      const { code, detail } = asOmenError(error);
      const [all, within] = /^query (\d+): /.exec(detail) ?? [];
      if (all === undefined) failures.push({ number: numbers[0]!, error: error as OmenError });
      else failures.push({ number: numbers[Number(within)]!, error: new OmenError(code, `query ${numbers[Number(within)]!}: ${detail.slice(all.length)}`) });
    }
  };
  await Promise.all(split(plans, connection.engine.threads ?? 1).map(run));
  if (failures.length > 0) throw failures.reduce((first, other) => (other.number < first.number ? other : first)).error;
  return answers;
}
