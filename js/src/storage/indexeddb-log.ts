/**
 * Keeps a killed Chromium from losing an origin's whole IndexedDB.
 *
 * Chromium keeps all IndexedDB databases of an origin in one LevelDB, whose log it goes on with after a start. When it was killed in the middle of a write, that
 * log ends in a torn record. It is passed over, rightly, by the next start - which then appends to it, behind the torn record. The start after
 * that finds a checksum that does not match in the middle of the log, calls all of it corrupt, and removes every database of the origin
 * (LevelDB's issue 1287, "reuse_logs can reuse a log with an incomplete record").
 *
 * So the log is turned over each time a database is opened for writing, before anything is acknowledged: removing a database, however small, makes Chromium
 * compact its range, and that writes everything in memory to a table and begins a new log.
 */
const PREFIX = "omendb-turn:";

/** Whether this is a browser with such logs: it alone tells pages of databases that it removed. */
const affected = (): boolean => "dataLoss" in ((globalThis as { IDBVersionChangeEvent?: { prototype: object } }).IDBVersionChangeEvent?.prototype ?? {});

/** @param name of the database that is opened; whoever opens it for writing is alone. Never rejects: where there is no room for it, opening goes on */
export async function turnLog(name: string): Promise<void> {
  if (!affected()) return;
  try {
    const made = await new Promise<boolean>((resolve) => {
      const opening = indexedDB.open(PREFIX + name, 1);
      opening.onsuccess = () => {
        opening.result.close();
        resolve(true);
      };
      opening.onblocked = opening.onerror = () => resolve(false);
    });
    if (!made) return;
    await new Promise<void>((resolve) => {
      const removing = indexedDB.deleteDatabase(PREFIX + name);
      removing.onsuccess = removing.onerror = removing.onblocked = () => resolve();
    });
  } catch {
    // Opening the database itself will say what is wrong.
  }
}
