// What a build of indexes tells while it goes on, from one report of the database after another.
import type { IndexProgress, Stats } from "./types.js";

/** A segment, as far as it is looked at here. */
interface IndexedSegment {
  file: string;
  indexes: { field: string; index: { file: string } }[];
}

interface Installed {
  place: Omit<IndexProgress, "progress">;
  file: string;
}

const keyOf = ({ collection, segment, field }: Omit<IndexProgress, "progress">): string => JSON.stringify([collection, segment, field]);

function installed(stats: Stats): Map<string, Installed> {
  const all = new Map<string, Installed>();
  for (const { name, segments } of stats["collections"] as { name: string; segments: IndexedSegment[] }[]) {
    for (const { file: segment, indexes } of segments) {
      for (const { field, index } of indexes) {
        const place = { collection: name, field, segment };
        all.set(keyOf(place), { place, file: index.file });
      }
    }
  }
  return all;
}

/**
 * Progress never falls while one index is built, and is 1 once, when searches have the index. One that is given up (its segment was merged
 * away, or the build failed) never comes to 1.
 */
export class BuildProgress {
  readonly #tell: (progress: IndexProgress) => void;
  #known: Map<string, Installed>;
  #current = "";
  #reached = 0;
  /** The index that was installed last: a report may still call it under way. */
  #done = "";

  /** `before`: a report from before the build. */
  constructor(before: Stats, tell: (progress: IndexProgress) => void) {
    this.#known = installed(before);
    this.#tell = tell;
  }

  take(stats: Stats): void {
    const files = installed(stats);
    for (const [key, { place, file }] of files) {
      if (this.#known.get(key)?.file === file) continue;
      this.#tell({ ...place, progress: 1 });
      this.#done = key;
    }
    this.#known = files;
    const now = stats["indexing"] as IndexProgress | null;
    if (now === null) return;
    const key = keyOf(now);
    if (key === this.#done) {
      if (now.progress >= 0.999) return;
      this.#done = this.#current = ""; // it is built once more
    }
    this.#reached = key === this.#current ? Math.max(this.#reached, now.progress) : now.progress;
    this.#current = key;
    this.#tell({ ...now, progress: this.#reached });
  }
}
