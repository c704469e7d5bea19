/**
 * Which manifests a database in OPFS has, written down in its file `lock`, so that a folder that lost one is noticed.
 *
 * Chromium keeps the names of files in a LevelDB, apart from their contents, and goes on with a log of it that a kill has torn (indexeddb-log.ts tells how). There it
 * does not remove everything: names that were written behind the torn record are gone with the start after the next, and files that were removed since
 * then have their names again. A segment or a log that is gone the core misses by its manifest. Where the newer manifest is gone itself, the older one would be taken
 * for the newest, and nothing would be missed.
 *
 * A manifest is written down after its first sync - before, nobody counts on it - and struck out before it is removed: whatever is cut off between, the folder
 * has all that is written down. The form is one line: a checksum (FNV-1a, 32 bits), a space, and a JSON array of names. What does not read so - a new file,
 * a line cut off - says nothing.
 */
const counts = (name: string): boolean => name.startsWith("manifest-");

/** As much of a synchronous access handle as is used. */
export interface RollFile {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
}

function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

function parse(line: string): string[] {
  const end = line.indexOf("\n");
  const text = line.slice(9, end);
  return end > 9 && line.slice(0, 9) === `${checksum(text)} ` ? (JSON.parse(text) as string[]) : [];
}

export class Roll {
  #file: RollFile;
  #names: Set<string>;

  /** @param file stays the caller's */
  constructor(file: RollFile) {
    this.#file = file;
    const bytes = new Uint8Array(file.getSize());
    const read = file.read(bytes, { at: 0 });
    this.#names = new Set(parse(new TextDecoder().decode(bytes.subarray(0, read))));
  }

  /** What is written down and not among these. */
  missing(present: readonly string[]): string[] {
    const there = new Set(present);
    return [...this.#names].filter((name) => !there.has(name));
  }

  add(name: string): void {
    if (!counts(name) || this.#names.has(name)) return;
    this.#names.add(name);
    this.#save();
  }

  strike(name: string): void {
    if (this.#names.delete(name)) this.#save();
  }

  #save(): void {
    const text = JSON.stringify([...this.#names]);
    const bytes = new TextEncoder().encode(`${checksum(text)} ${text}\n`);
    try {
      if (this.#file.write(bytes, { at: 0 }) === bytes.length) {
        this.#file.flush();
        return;
      }
    } catch {
      // As where a part was written.
    }
    this.#file.truncate(0); // no room: a roll that says nothing, for an old one would tell of losses that are none
  }
}
