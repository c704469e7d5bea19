/**
 * Which databases there are, noted outside their storages: in localStorage, which browsers keep apart from OPFS and IndexedDB. A database that is noted
 * and not to be found was lost. What clears everything of the origin at once clears the notes too; workers have no localStorage and note nothing.
 */
const KINDS = ["opfs", "indexeddb"];
const keyOf = (kind: string, name: string): string => `omendb:known:${kind}:${name}`;

function notes(): Storage | undefined {
  try {
    return (globalThis as { localStorage?: Storage }).localStorage;
  } catch {
    return undefined; // the page may not use it
  }
}

/** The kinds of storage in which a database of this name is noted. */
export function knownIn(name: string): string[] {
  const place = notes();
  return place === undefined ? [] : KINDS.filter((kind) => place.getItem(keyOf(kind, name)) !== null);
}

export function remember(kind: string, name: string, databaseId: string): void {
  try {
    notes()?.setItem(keyOf(kind, name), databaseId);
  } catch {
    // No room for a note: then a loss is not told from a database that never was.
  }
}

/** @param kind as the adapter has it: `"auto"` is all of them */
export function forget(kind: string, name: string): void {
  for (const one of kind === "auto" ? KINDS : [kind]) notes()?.removeItem(keyOf(one, name));
}
