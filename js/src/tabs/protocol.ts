/**
 * One database, many tabs: what they say to each other. docs/TABS.md tells the whole of it.
 *
 * Each opened database is a *member* (in a browser, one worker each). Whoever holds the Web Lock of the place is its *owner*: it alone has the storage
 * open, and does what the others ask. A *term* is the time in which one engine of one owner serves; it has a name that no other term has.
 *
 *   lock    `PLACE`              the owner's. It goes with its worker, however that ends
 *   lock    `PLACE:member:ID`    each member's, while it lives. A holder of PLACE that has none does not share
 *   lock    `PLACE:busy`         held by an owner while it does something that may keep it from answering
 *   lock    `PLACE:thief`        who takes PLACE from an owner that does not answer
 *   channel `PLACE`              who is looking for the owner, and who has become it
 *   channel `PLACE:member:ID`    between one member and its owner; named like the member's lock, by which the owner sees it end
 *
 * PLACE is `omendb:KIND:NAME`. BroadcastChannels cannot carry MessagePorts, so the two ends of a member's own channel are its port.
 */

/** In the channel of the place. */
export type PublicMessage =
  | { type: "seek"; member: string; durability: number }
  /** A term has begun. */
  | { type: "owner"; term: string };

/** From a member. `id` pairs an answer with its call. */
export type ToOwner =
  | { type: "call"; term: string; id: number; op: string; request: Uint8Array }
  | { type: "abort"; term: string; id: number }
  | { type: "ping"; term: string }
  | { type: "bye"; term: string };

/** To a member. */
export type FromOwner =
  /** `owner`: the member that it is. */
  | { type: "here"; term: string; owner: string; db: number; databaseId: string; durability: number }
  /** The owner is still opening the storage; `stalled`: what it needs is held by a tab that does not answer. */
  | { type: "wait"; stalled: boolean }
  | { type: "answer"; term: string; id: number; response: Uint8Array }
  /** The call was not begun, and will not be. */
  | { type: "refused"; term: string; id: number }
  | { type: "pong"; term: string }
  /** The term is over. `clean`: every call that was begun has been answered. `kept`: all that was acknowledged is durable. */
  | { type: "over"; term: string; clean: boolean; kept: boolean };

/** What became of a call: its answer; or it was not begun; or nobody knows. */
export type Outcome = { response: Uint8Array } | "refused" | "lost";

/** A way to the engine. */
export interface Line {
  readonly term: string;
  /** The database's handle in the owner's engine. */
  readonly db: number;
  readonly databaseId: string;
  /** Rank of the owner's durability. */
  readonly durability: number;
  call(op: string, request: Uint8Array, signal: AbortSignal | undefined): Promise<Outcome>;
}

/** An owner that does not answer for so long is robbed, unless told otherwise. */
export const OWNER_TIMEOUT_MS = 5000;

/** Names of durability, by rank. From `GROUP` on, an acknowledged write is in the storage for good. */
export const DURABILITIES = ["memory", "os", "group", "full"];
export const GROUP = 2;
export const rankOf = (durability: unknown): number => {
  const rank = DURABILITIES.indexOf(String(durability));
  return rank < 0 ? GROUP : rank;
};
