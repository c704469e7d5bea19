/** Storage in memory: for tests, for caches, and where a host has no other. Nothing outlives the program. */
import { OmenError } from "../errors.js";
import type { Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage.js";

const CHUNK = 128 * 1024;

/** The content of a file, whoever has it open: chunks, so that growing moves nothing and leaves no garbage. */
class Content {
  size = 0;
  #chunks: Uint8Array[] = [];

  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.size - offset));
    for (let done = 0; done < count; ) {
      const at = offset + done;
      const from = at % CHUNK;
      const length = Math.min(CHUNK - from, count - done);
      into.set(this.#chunks[Math.floor(at / CHUNK)]!.subarray(from, from + length), done);
      done += length;
    }
    return count;
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    while (this.#chunks.length * CHUNK < end) this.#chunks.push(new Uint8Array(CHUNK));
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const to = at % CHUNK;
      const length = Math.min(CHUNK - to, bytes.length - done);
      this.#chunks[Math.floor(at / CHUNK)]!.set(bytes.subarray(done, done + length), to);
      done += length;
    }
    if (end > this.size) this.size = end;
  }

  /** What lies beyond the end is zero, so that a file that grows again does not show it. */
  truncate(size: number): void {
    if (size >= this.size) return;
    this.#chunks.length = Math.ceil(size / CHUNK);
    if (size % CHUNK !== 0) this.#chunks.at(-1)!.fill(0, size % CHUNK);
    this.size = size;
  }

  all(): Uint8Array {
    const bytes = new Uint8Array(this.size);
    this.read(0, bytes);
    return bytes;
  }
}

class MemoryFile implements StorageFile {
  #content: Content;
  #writable: boolean;

  constructor(content: Content, writable: boolean) {
    this.#content = content;
    this.#writable = writable;
  }

  size(): number {
    return this.#content.size;
  }

  readAt(offset: number, into: Uint8Array): number {
    return this.#content.read(offset, into);
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#mayWrite();
    this.#content.write(offset, bytes);
  }

  truncate(size: number): void {
    this.#mayWrite();
    this.#content.truncate(size);
  }

  sync(): void {}

  close(): void {}

  #mayWrite(): void {
    if (!this.#writable) throw new OmenError("OMEN_ERR_READ_ONLY", "the file is open for reading only");
  }
}

interface Place {
  files: Map<string, Content>;
  hasWriter: boolean;
}

/** Keeps databases in memory, by name, as long as it lives: what was closed can be opened again from the same adapter. */
export class MemoryAdapter implements StorageAdapter {
  readonly kind = "memory";
  #places = new Map<string, Place>();

  async open(name: string, { create, readOnly }: StorageOpenOptions): Promise<Storage> {
    let place = this.#places.get(name);
    if (place === undefined) {
      if (!create || readOnly) throw new OmenError("OMEN_ERR_NOT_FOUND", `no database "${name}" in memory; open it with create: true`);
      place = { files: new Map(), hasWriter: false };
      this.#places.set(name, place);
    }
    if (!readOnly) {
      if (place.hasWriter) throw new OmenError("OMEN_ERR_BUSY", `database "${name}" is open for writing already; close it there first`);
      place.hasWriter = true;
    }
    return new MemoryStorage(place, !readOnly);
  }

  async destroy(name: string): Promise<void> {
    if (this.#places.get(name)?.hasWriter) throw new OmenError("OMEN_ERR_BUSY", `database "${name}" is open; close it first`);
    this.#places.delete(name);
  }

  /** A copy of every file of a database, by name. */
  export(name: string): Map<string, Uint8Array> {
    const files = this.#places.get(name)?.files ?? new Map<string, Content>();
    return new Map([...files].map(([file, content]) => [file, content.all()]));
  }

  /** Puts a database in place of what has that name: files as they lie in a folder or came from {@link export}. */
  import(name: string, files: Iterable<readonly [string, Uint8Array]>): void {
    if (this.#places.get(name)?.hasWriter) throw new OmenError("OMEN_ERR_BUSY", `database "${name}" is open; close it first`);
    const place: Place = { files: new Map(), hasWriter: false };
    for (const [file, bytes] of files) {
      const content = new Content();
      content.write(0, bytes);
      place.files.set(file, content);
    }
    this.#places.set(name, place);
  }
}

class MemoryStorage implements Storage {
  readonly synchronous = true;
  #place: Place;
  #writable: boolean;

  constructor(place: Place, writable: boolean) {
    this.#place = place;
    this.#writable = writable;
  }

  list(): string[] {
    return [...this.#place.files.keys()];
  }

  openFile(name: string, mode: "read" | "write" | "create"): StorageFile {
    const { files } = this.#place;
    let content = files.get(name);
    if (mode !== "read") this.#mayWrite();
    if (mode === "create") {
      if (content !== undefined) throw new OmenError("OMEN_ERR_EXISTS", `the file ${name} exists already`);
      content = new Content();
      files.set(name, content);
    }
    if (content === undefined) throw new OmenError("OMEN_ERR_NOT_FOUND", `there is no file ${name}`);
    return new MemoryFile(content, mode !== "read");
  }

  remove(name: string): void {
    this.#mayWrite();
    this.#place.files.delete(name);
  }

  syncDirectory(): void {}

  close(): void {
    if (this.#writable) this.#place.hasWriter = false;
    this.#writable = false;
  }

  #mayWrite(): void {
    if (!this.#writable) throw new OmenError("OMEN_ERR_READ_ONLY", "the storage is open for reading only");
  }
}

/** A storage in memory, for `open(name, { storage: memory() })`. */
export function memory(): MemoryAdapter {
  return new MemoryAdapter();
}
