/**
 * Storage in a folder of the file system, through node:fs (Node.js, Deno, Bun). Files lie in the folder under their own names, so
 * the folder is the same that the native engine and the command line open.
 *
 * Reads and writes are synchronous: they end in the page cache, and a turn of the event loop would cost more than they do. Syncs
 * are not: they wait for the disk, the event loop goes on meanwhile, and what is written until then shares the next one.
 *
 * The writer's lock is the file `lock`; docs/LOCK.md says how it is taken. Native programs follow the same rules, so a folder has one
 * writer whoever it is.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { OmenError, asOmenError } from "../errors.js";
import type { Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage.js";

const LOCK = "lock";
/** How long a lock may take to be written. */
const WRITING_MS = 5000;
/** Locks that were left behind one after the other, by processes killed while they took over. */
const CHAIN_MAX = 16;
/** Files that belong to a database: what the core calls its files. */
const OURS = /^(manifest-[01]|(log|seg)-[0-9a-f]{16})$/;
/** The record of a backup. */
const BACKUP = /^backup-[0-9a-f]{16}$/;
const NAME = /^[a-z0-9-][a-z0-9.-]{0,62}$/;

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

/** What the system said, as ours. */
function failed(error: unknown, doing: string): OmenError {
  const code = codeOf(error);
  if (code === "ENOENT") return new OmenError("OMEN_ERR_NOT_FOUND", `${doing}: there is no such file`, { cause: error });
  if (code === "EEXIST") return new OmenError("OMEN_ERR_EXISTS", `${doing}: it exists already`, { cause: error });
  if (code === "ENOTDIR") return new OmenError("OMEN_ERR_FOREIGN", `${doing}: a part of the path is no folder; choose another path`, { cause: error });
  if (code === "ENAMETOOLONG" || code === "ELOOP") return new OmenError("OMEN_ERR_NAME", `${doing}: the path is too long, or links lead in a circle; choose another one`, { cause: error });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new OmenError("OMEN_ERR_READ_ONLY", `${doing}: there is no permission for that, or the file system is for reading only`, { cause: error });
  return asOmenError(error, doing);
}

function attempt<T>(doing: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failed(error, doing);
  }
}

// ---- the lock ----

/** Field 22 of /proc/<pid>/stat; the second field may hold spaces and brackets, so count from its end. */
function startOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** Whether a process is there. When the system will not tell, it is. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** The process that holds the lock with this text, or undefined when there is none any more. */
function holderOf(text: string): number | undefined {
  let owner: { pid?: unknown; start?: unknown } | null;
  try {
    owner = JSON.parse(text) as typeof owner;
  } catch {
    return undefined;
  }
  const pid = owner?.pid;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  const start = startOf(pid);
  // The number was given to another process since.
  if (typeof owner?.start === "string" && owner.start !== "" && start !== "" && owner.start !== start) return undefined;
  return pid;
}

/** Without hard links a lock is made in two steps, so one whose text is not complete is somebody's for a while. */
function isBeingWritten(file: string, text: string): boolean {
  if (text.includes("}")) return false;
  const found = fs.statSync(file, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs < WRITING_MS;
}

const readIfThere = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
};

/** Whether the link was made; false when `to` exists. */
function link(from: string, to: string, text: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return false;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    // A file system without hard links: create it, which is as exclusive, if not complete from the first moment.
    try {
      fs.writeFileSync(to, text, { flag: "wx" });
      return true;
    } catch (created) {
      if (codeOf(created) === "EEXIST") return false;
      throw created;
    }
  }
}

/** Where the successor of a dead lock is made: FNV-1a (Fowler, Noll, Vo, 1991) of its text names it. */
function successorOf(folder: string, text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text, "utf8")) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return path.join(folder, `.lock-after-${hash.toString(16).padStart(16, "0")}`);
}

/** One round: true when the lock is ours, false when something has changed meanwhile, and the holder's number when it is taken. */
function tryLock(folder: string, mine: string, text: string): boolean | { holder: number | undefined } {
  const lock = path.join(folder, LOCK);
  const chain: string[] = [];
  let at = lock;
  while (!link(mine, at, text)) {
    const found = readIfThere(at);
    if (found === undefined) return false;
    const holder = holderOf(found);
    if (holder !== undefined || isBeingWritten(at, found) || chain.length === CHAIN_MAX) return { holder };
    chain.push(found);
    at = successorOf(folder, found);
  }
  if (chain.length === 0) return true;
  // The link is ours, if what it follows is still what was found: everybody who took over before has replaced `lock` itself.
  const between = chain.slice(0, -1).map((dead) => successorOf(folder, dead));
  if ([lock, ...between].some((file, i) => readIfThere(file) !== chain[i])) {
    fs.rmSync(at, { force: true });
    return false;
  }
  fs.renameSync(at, lock);
  for (const dead of between) fs.rmSync(dead, { force: true });
  return true;
}

/** Takes the lock of a folder and answers its text. @throws OmenError `OMEN_ERR_BUSY` */
function takeLock(folder: string): string {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
  const text = `${JSON.stringify({ pid: process.pid, start: startOf(process.pid), nonce })}\n`;
  const mine = path.join(folder, `.lock-${process.pid}-${nonce}`);
  fs.writeFileSync(mine, text, { flag: "wx" });
  try {
    let pid: number | undefined;
    for (let round = 0; round < 100; round++) {
      const taken = tryLock(folder, mine, text);
      if (taken === true) return text;
      if (taken === false) continue;
      pid = taken.holder;
      break;
    }
    throw new OmenError(
      "OMEN_ERR_BUSY",
      `"${folder}" is open for writing in ${pid === process.pid ? "this process" : `process ${pid ?? "(another)"}`}; close it there first, or open it with readOnly: true`,
    );
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

function releaseLock(folder: string, text: string): void {
  const lock = path.join(folder, LOCK);
  if (readIfThere(lock) === text) fs.rmSync(lock, { force: true });
}

// ---- files ----

/** Makes creations and removals in a folder durable, where the system has a way to. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return; // NTFS journals them; folders cannot be opened.
  const fd = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

class FsFile implements StorageFile {
  #fd: number;
  #path: string;
  #size: number;
  #closed = false;
  #syncing = 0;

  constructor(fd: number, file: string) {
    this.#fd = fd;
    this.#path = file;
    this.#size = fs.fstatSync(fd).size;
  }

  size(): number {
    return this.#size;
  }

  readAt(offset: number, into: Uint8Array): number {
    return attempt(`reading ${this.#path}`, () => {
      let got = 0;
      while (got < into.length) {
        const count = fs.readSync(this.#fd, into, got, into.length - got, offset + got);
        if (count === 0) break;
        got += count;
      }
      return got;
    });
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    attempt(`writing ${this.#path}`, () => {
      let written = 0;
      while (written < bytes.length) {
        written += fs.writeSync(this.#fd, bytes, written, bytes.length - written, offset + written);
        this.#size = Math.max(this.#size, offset + written);
      }
    });
  }

  truncate(size: number): void {
    attempt(`cutting ${this.#path}`, () => fs.ftruncateSync(this.#fd, size));
    this.#size = size;
  }

  sync(): Promise<void> {
    this.#syncing++;
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => {
        this.#syncing--;
        this.#closeIfIdle();
        if (error) reject(failed(error, `syncing ${this.#path}`));
        else resolve();
      });
    });
  }

  close(): void {
    this.#closed = true;
    this.#closeIfIdle();
  }

  /** A descriptor that is closed during its sync could be another file's by then. */
  #closeIfIdle(): void {
    if (!this.#closed || this.#syncing > 0 || this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    fs.closeSync(fd);
  }
}

/** Makes a folder and those above it, each with its entry durable: what lies in one whose name is lost is lost with it. */
function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; !fs.existsSync(at) && path.dirname(at) !== at; at = path.dirname(at)) missing.push(at);
  // One by one: where a folder cannot be made although the one above is there (/proc), the recursive way of Node.js tries for ever.
  for (const made of missing.reverse()) {
    try {
      fs.mkdirSync(made);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error; // somebody else was faster
    }
    syncFolder(path.dirname(made));
  }
}

/** Whether backups lie in a folder: one that may not be looked into is not known to have any. */
function hasBackups(folder: string): boolean {
  try {
    return fs.readdirSync(folder).some((name) => BACKUP.test(name));
  } catch {
    return false;
  }
}

/** The database or place of backups in whose folder another one lies, or would lie, whatever links lead there. */
function databaseAbove(folder: string): string | undefined {
  const is = (at: string) => ["manifest-0", "manifest-1"].some((name) => fs.existsSync(path.join(at, name))) || hasBackups(at);
  let at = folder;
  while (!fs.existsSync(at) && path.dirname(at) !== at) at = path.dirname(at);
  const real = fs.realpathSync(at);
  for (let above = at === folder ? path.dirname(real) : real; path.dirname(above) !== above; above = path.dirname(above)) if (is(above)) return above;
  return undefined;
}

class FsStorage implements Storage {
  readonly synchronous = false;
  #folder: string;
  /** The text of the lock; undefined when it is open for reading only. */
  #lock: string | undefined;

  constructor(folder: string, lock: string | undefined) {
    this.#folder = folder;
    this.#lock = lock;
  }

  list(): string[] {
    return attempt(`listing ${this.#folder}`, () => fs.readdirSync(this.#folder).filter((name) => name !== LOCK && NAME.test(name)));
  }

  openFile(name: string, mode: "read" | "write" | "create"): StorageFile {
    if (mode !== "read") this.#mayWrite();
    const file = path.join(this.#folder, name);
    return attempt(`opening ${file}`, () => new FsFile(fs.openSync(file, { read: "r", write: "r+", create: "wx+" }[mode]), file));
  }

  remove(name: string): void {
    this.#mayWrite();
    attempt(`removing ${name}`, () => fs.rmSync(path.join(this.#folder, name), { force: true }));
  }

  syncDirectory(): void {
    attempt(`syncing ${this.#folder}`, () => syncFolder(this.#folder));
  }

  close(): void {
    if (this.#lock === undefined) return;
    releaseLock(this.#folder, this.#lock);
    this.#lock = undefined;
  }

  #mayWrite(): void {
    if (this.#lock === undefined) throw new OmenError("OMEN_ERR_READ_ONLY", `"${this.#folder}" is open for reading only`);
  }
}

/** Databases as folders. A name is a path, seen from the adapter's root. */
export class FsAdapter implements StorageAdapter {
  readonly kind = "fs";
  #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The folder of a database. */
  folderOf(name: string): string {
    if (name === "" || name.includes("\0")) throw new OmenError("OMEN_ERR_NAME", "the path of a database is empty or holds a NUL; give the path of a folder");
    return path.resolve(this.#root, name);
  }

  async open(name: string, { create, readOnly, apart }: StorageOpenOptions): Promise<Storage> {
    const folder = this.folderOf(name);
    const above = apart === true ? attempt(`looking above ${folder}`, () => databaseAbove(folder)) : undefined;
    if (above !== undefined) throw new OmenError("OMEN_ERR_INVALID", `"${folder}" lies inside of the folder of a database or of backups, "${above}"; choose a place outside of it`);
    const found = attempt(`opening ${folder}`, () => fs.statSync(folder, { throwIfNoEntry: false }));
    if (found !== undefined && !found.isDirectory()) throw new OmenError("OMEN_ERR_FOREIGN", `"${folder}" is a file and no database; choose another path`);
    if (found === undefined) {
      if (!create || readOnly) throw new OmenError("OMEN_ERR_NOT_FOUND", `there is no database at "${folder}"; check the path, or open it with create: true`);
      attempt(`creating ${folder}`, () => makeFolder(folder));
    }
    return new FsStorage(folder, readOnly ? undefined : attempt(`locking ${folder}`, () => takeLock(folder)));
  }

  async destroy(name: string): Promise<void> {
    const folder = this.folderOf(name);
    if (!fs.existsSync(folder)) return;
    attempt(`removing ${folder}`, () => {
      const lock = takeLock(folder);
      try {
        for (const file of fs.readdirSync(folder)) if (OURS.test(file)) fs.rmSync(path.join(folder, file));
        syncFolder(folder);
      } finally {
        releaseLock(folder, lock);
      }
      // The folder itself goes only when nothing of somebody else's is in it.
      if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
    });
  }
}

/** Storage in folders below `root` (the working directory when left out), for `open(path, { storage: fs() })`. */
export function fsStorage(root = "."): FsAdapter {
  return new FsAdapter(root);
}
export { fsStorage as fs };
