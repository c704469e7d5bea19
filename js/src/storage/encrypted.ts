/**
 * Encryption at rest: a storage around a storage (docs/ENCRYPTION.md). The files are the same as those of native hosts (native/host/encrypted.c).
 *
 * Where sealing answers with promises (WebCrypto), what is written is kept as it came until it is sealed and handed on; a sync waits for that.
 */
import { OmenError, asOmenError } from "../errors.js";
import type { PlatformKey } from "../globals.js";
import { Nonces, WebCipher, webSuite, type Cipher, type CipherSuite } from "./encrypted-crypto.js";
import { Content, isReplaced } from "./encrypted-file.js";
import { CUT, HEADER, SLOT, makeSlot, openHeader, pageOf, type Keyring } from "./encrypted-format.js";
import { drive, wait, type Steps } from "./encrypted-steps.js";
import type { MaybePromise, Storage, StorageAdapter, StorageFile, StorageOpenOptions } from "./storage.js";

/** A key: 32 unpredictable bytes, or a key of WebCrypto's for AES-GCM with usages "encrypt" and "decrypt", which need not be extractable. */
export type EncryptionKey = Uint8Array | PlatformKey;

/** What `open` is given to encrypt a database. */
export interface EncryptionOptions {
  /** Seals every new file. */
  key: EncryptionKey;
  /** A label of the key, at most 32 bytes of UTF-8, kept readable in every file. */
  keyId?: string;
  /** Tried for files that `key` does not open: between the start and the end of a change of keys. At most 16. */
  previousKeys?: readonly EncryptionKey[];
  /** Put every file under `key` before the database is opened; a change that was cut off is finished the same way. Data is not written anew. */
  rotate?: boolean;
}

const OPTIONS = ["key", "keyId", "previousKeys", "rotate"];
const OURS = /^(manifest|log|seg)-/;

export const isCryptoKey = (key: unknown): key is PlatformKey => typeof CryptoKey !== "undefined" && key instanceof CryptoKey;

/** Refuses what is no key; answers what is well formed. @throws OmenError `OMEN_ERR_INVALID` */
export function checkEncryption(options: EncryptionOptions): EncryptionOptions {
  const check = (key: unknown, what: string): void => {
    if (isCryptoKey(key)) {
      const { name, length } = key.algorithm as AesKeyAlgorithm;
      if (name !== "AES-GCM" || length !== 256 || !key.usages.includes("encrypt") || !key.usages.includes("decrypt")) {
        throw new OmenError("OMEN_ERR_INVALID", `${what} must be a key for AES-GCM of 256 bits with usages "encrypt" and "decrypt"`);
      }
    } else if (!(key instanceof Uint8Array) || key.length !== 32) {
      throw new OmenError("OMEN_ERR_INVALID", `${what} must be a Uint8Array of 32 unpredictable bytes, or a CryptoKey`);
    }
  };
  if (typeof options !== "object" || options === null) throw new OmenError("OMEN_ERR_INVALID", "encryption must be an object with a key");
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new OmenError("OMEN_ERR_INVALID", `encryption has no option "${unknown}"; there are ${OPTIONS.join(", ")}`);
  check(options.key, "encryption.key");
  const { keyId = "", previousKeys = [] } = options;
  if (typeof keyId !== "string" || new TextEncoder().encode(keyId).length > 32) throw new OmenError("OMEN_ERR_INVALID", "encryption.keyId must be at most 32 bytes of text");
  if (!Array.isArray(previousKeys) || previousKeys.length > 16) throw new OmenError("OMEN_ERR_INVALID", "encryption.previousKeys must be a list of at most 16 keys");
  previousKeys.forEach((key, i) => check(key, `encryption.previousKeys[${i}]`));
  return options;
}

/** How one database is encrypted. */
class Sealing {
  readonly suite: CipherSuite;
  readonly ring: Keyring;
  readonly nonces: Nonces;

  constructor(suite: CipherSuite, ring: Keyring) {
    this.suite = suite;
    this.ring = ring;
    this.nonces = new Nonces(suite.random);
  }

  static async make(suite: CipherSuite, { key, keyId = "", previousKeys = [] }: EncryptionOptions): Promise<Sealing> {
    const ciphers: Cipher[] = [];
    try {
      for (const one of [key, ...previousKeys]) ciphers.push(isCryptoKey(one) ? new WebCipher(one) : await suite.cipher(one));
    } catch (error) {
      for (const cipher of ciphers) cipher.forget();
      throw error;
    }
    const id = new Uint8Array(32);
    id.set(new TextEncoder().encode(keyId));
    return new Sealing(suite, { ciphers, id });
  }

  /** Gives a file its header: an id and a data key of its own. Durable when done. */
  *begin(content: Content, inner: StorageFile, size: number): Steps<void> {
    const fileId = this.suite.random(16);
    const dataKey = this.suite.random(32);
    const header = new Uint8Array(HEADER);
    content.page = pageOf(content.name);
    try {
      header.set(yield* makeSlot(this.ring, this.suite.random, content.name, content.page, 1, fileId, dataKey));
      header.copyWithin(SLOT, 0, SLOT); // either one is enough from the first moment on
      content.cipher?.forget();
      content.fileId = fileId;
      content.cipher = yield* wait(this.suite.cipher(dataKey));
    } finally {
      dataKey.fill(0);
    }
    if (size > 0) inner.truncate(0);
    inner.writeAt(0, header);
    content.end = HEADER;
    yield* wait(inner.sync());
  }

  /** Reads what a file holds. */
  *load(content: Content, inner: StorageFile, writable: boolean): Steps<void> {
    const size = inner.size();
    const bytes = new Uint8Array(Math.min(size, HEADER));
    const got = yield* wait(inner.readAt(0, bytes));
    const header = yield* openHeader(this.ring, content.name, bytes.subarray(0, got), size);
    if (header === "damaged" && !(writable && isReplaced(content.name))) throw new OmenError("OMEN_ERR_CORRUPT", `${content.name} is damaged: its header is gone, or it is another file under this name`);
    if (header === "empty" || header === "damaged") {
      if (writable) yield* this.begin(content, inner, size);
      return;
    }
    // Cut off in the second slot: what follows it must not leave half of one there.
    if (size < HEADER && writable) inner.writeAt(SLOT, bytes.slice(0, SLOT));
    content.fileId = header.fileId;
    content.page = header.page;
    try {
      content.cipher = yield* wait(this.suite.cipher(header.dataKey));
    } finally {
      header.dataKey.fill(0);
    }
    yield* content.walk(inner, size);
  }

  /** Puts a file under the first key: in the slot that does not count, then in the other one; writes a slot that is damaged or missing. Answers whether the key was another one. */
  *rekey(name: string, inner: StorageFile): Steps<boolean> {
    const size = inner.size();
    const bytes = new Uint8Array(Math.min(size, HEADER));
    const got = yield* wait(inner.readAt(0, bytes));
    const header = yield* openHeader(this.ring, name, bytes.subarray(0, got), size);
    if (header === "empty") return false;
    if (header === "damaged") throw new OmenError("OMEN_ERR_CORRUPT", `${name} is damaged: its header is gone, or it is another file under this name`);
    try {
      for (const step of !header.onlyFirst ? [1, 2] : header.isSingle ? [0] : []) {
        const slot = step === 2 ? header.slot : 1 - header.slot;
        inner.writeAt(slot * SLOT, yield* makeSlot(this.ring, this.suite.random, name, header.page, header.generation + step, header.fileId, header.dataKey));
        yield* wait(inner.sync());
      }
    } finally {
      header.dataKey.fill(0);
    }
    return !header.onlyFirst;
  }
}

class EncryptedFile implements StorageFile {
  #storage: EncryptedStorage;
  #content: Content;
  #inner: StorageFile;
  #writable: boolean;

  constructor(storage: EncryptedStorage, content: Content, inner: StorageFile, writable: boolean) {
    this.#storage = storage;
    this.#content = content;
    this.#inner = inner;
    this.#writable = writable;
  }

  size(): number {
    return this.#content.size;
  }

  readAt(offset: number, into: Uint8Array): MaybePromise<number> {
    return drive(this.#content.read(this.#inner, offset, into));
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#mayWrite();
    if (bytes.length > 0) this.#content.write(this.#inner, offset, bytes);
  }

  truncate(size: number): void {
    this.#mayWrite();
    if (size < this.#content.size) this.#content.append(this.#inner, CUT, size, 0);
  }

  sync(): MaybePromise<void> {
    const content = this.#content;
    const inner = this.#inner;
    return drive(
      (function* () {
        if (content.tail !== undefined) yield* wait(content.tail);
        if (content.failure !== undefined) throw content.failure;
        yield* wait(inner.sync());
      })(),
    );
  }

  close(): void {
    this.#storage.letGo(this.#content, this.#inner);
  }

  #mayWrite(): void {
    if (!this.#writable) throw new OmenError("OMEN_ERR_READ_ONLY", `${this.#content.name} is open for reading only`);
  }
}

class EncryptedStorage implements Storage {
  readonly synchronous: boolean;
  #inner: Storage;
  #sealing: Sealing;
  #contents = new Map<string, Content>();
  /** Files that are closed once what was written to them is handed on. */
  #closing = new Map<string, Promise<void>>();

  constructor(inner: Storage, sealing: Sealing) {
    this.#inner = inner;
    this.#sealing = sealing;
    this.synchronous = inner.synchronous && sealing.suite.synchronous && !sealing.ring.ciphers.some((cipher) => cipher instanceof WebCipher);
  }

  list(): MaybePromise<string[]> {
    return this.#inner.list();
  }

  openFile(name: string, mode: "read" | "write" | "create"): MaybePromise<StorageFile> {
    return drive(this.#open(name, mode));
  }

  *#open(name: string, mode: "read" | "write" | "create"): Steps<StorageFile> {
    const closing = this.#closing.get(name);
    if (closing !== undefined) yield* wait(closing);
    const inner = yield* wait(this.#inner.openFile(name, mode));
    let own: Content | undefined;
    try {
      let content = mode === "create" ? undefined : this.#contents.get(name);
      if (content === undefined) {
        own = new Content(name, this.#sealing.nonces);
        if (mode === "create") yield* this.#sealing.begin(own, inner, 0);
        else yield* this.#sealing.load(own, inner, mode === "write");
        content = (mode === "create" ? undefined : this.#contents.get(name)) ?? own;
        if (content !== own) own.cipher?.forget(); // another opening of it came first
        this.#contents.set(name, content);
      } else if (content.cipher === undefined && mode === "write") {
        yield* this.#sealing.load(content, inner, true);
      }
      content.holders++;
      return new EncryptedFile(this, content, inner, mode !== "read");
    } catch (error) {
      own?.cipher?.forget();
      inner.close();
      throw error;
    }
  }

  letGo(content: Content, inner: StorageFile): void {
    const { name } = content;
    const end = (): void => {
      inner.close();
      if (--content.holders > 0) return;
      if (this.#contents.get(name) === content) this.#contents.delete(name);
      content.cipher?.forget();
    };
    if (content.tail === undefined) {
      end();
      return;
    }
    const closing = content.tail.then(end).finally(() => {
      if (this.#closing.get(name) === closing) this.#closing.delete(name);
    });
    this.#closing.set(name, closing);
  }

  remove(name: string): MaybePromise<void> {
    return drive(this.#remove(name));
  }

  *#remove(name: string): Steps<void> {
    const closing = this.#closing.get(name);
    if (closing !== undefined) yield* wait(closing);
    yield* wait(this.#inner.remove(name));
    this.#contents.delete(name); // a file that is made under this name afterwards is another one
  }

  syncDirectory(): MaybePromise<void> {
    return this.#inner.syncDirectory();
  }

  close(): MaybePromise<void> {
    const end = (): MaybePromise<void> => {
      for (const cipher of this.#sealing.ring.ciphers) cipher.forget();
      return this.#inner.close();
    };
    return this.#closing.size === 0 ? end() : Promise.allSettled(this.#closing.values()).then(end);
  }

  lost(): OmenError | undefined {
    return this.#inner.lost?.();
  }

  async verify(): Promise<void> {
    await this.#inner.verify?.();
  }

  /** Puts every file under the first key. */
  async rekey(): Promise<void> {
    for (const name of await this.#inner.list()) {
      if (!OURS.test(name)) continue;
      const file = await this.#inner.openFile(name, "write");
      try {
        await drive(this.#sealing.rekey(name, file));
      } finally {
        file.close();
      }
    }
  }
}

class EncryptedAdapter implements StorageAdapter {
  readonly kind: string;
  #inner: StorageAdapter;
  #options: EncryptionOptions;
  #suite: CipherSuite;

  constructor(inner: StorageAdapter, options: EncryptionOptions, suite: CipherSuite) {
    this.kind = inner.kind;
    this.#inner = inner;
    this.#options = options;
    this.#suite = suite;
  }

  async open(name: string, options: StorageOpenOptions): Promise<Storage> {
    const sealing = await Sealing.make(this.#suite, this.#options);
    let inner: Storage | undefined;
    try {
      inner = await this.#inner.open(name, options);
      const storage = new EncryptedStorage(inner, sealing);
      if (this.#options.rotate === true && !options.readOnly) await storage.rekey();
      return storage;
    } catch (error) {
      for (const cipher of sealing.ring.ciphers) cipher.forget();
      if (inner === undefined) throw error;
      await inner.close();
      throw asOmenError(error, `encrypting "${name}" (${this.kind})`);
    }
  }

  destroy(name: string): Promise<void> {
    return this.#inner.destroy(name);
  }
}

/**
 * An adapter that encrypts what another one stores; what `open(name, { encryption })` puts around its storage.
 * @param suite who does the work: WebCrypto when it is left out
 */
export function encrypted(inner: StorageAdapter, options: EncryptionOptions, suite: CipherSuite = webSuite()): StorageAdapter {
  return new EncryptedAdapter(inner, checkEncryption(options), suite);
}

/** The keys as the native engine takes them (docs/CALLS.md); undefined when they are not bytes, or are to be changed. */
export function packKeys({ key, keyId = "", previousKeys = [], rotate = false }: EncryptionOptions): Uint8Array | undefined {
  const all = [key, ...previousKeys];
  if (rotate || all.some(isCryptoKey)) return undefined;
  const packed = new Uint8Array(all.length * 64);
  all.forEach((one, i) => packed.set(one as Uint8Array, i * 64));
  packed.set(new TextEncoder().encode(keyId), 32);
  return packed;
}
