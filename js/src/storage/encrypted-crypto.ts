/** AES-256-GCM by whoever has it: WebCrypto here, node:crypto in encrypted-node.ts. */
import { OmenError } from "../errors.js";
import type { PlatformKey } from "../globals.js";
import type { MaybePromise } from "./storage.js";

const NONCE = 12;
const NONCES = 128;

/** One key of AES-256-GCM. */
export interface Cipher {
  /** The ciphertext, then the tag of 16 bytes. `plain` must stay as it is until the answer is there. */
  seal(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array): MaybePromise<Uint8Array>;
  /** The same into `into`, which has room for it, where it can be done at once. */
  sealInto?(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array, into: Uint8Array): void;
  /** The plaintext; undefined when the tag is wrong. */
  open(nonce: Uint8Array, signed: Uint8Array, sealed: Uint8Array): MaybePromise<Uint8Array | undefined>;
  /** Overwrites what it holds of the key, as far as the platform lets it. */
  forget(): void;
}

/** A platform's way to AES-256-GCM. */
export interface CipherSuite {
  /** Whether data keys' ciphers always answer at once. */
  readonly synchronous: boolean;
  /** The cipher of 32 bytes, which are copied. */
  cipher(key: Uint8Array): MaybePromise<Cipher>;
  /** Random bytes. */
  random(length: number): Uint8Array;
}

export const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/**
 * Nonces of an open storage. Asking for random bytes costs the same for one nonce as for many, so many are drawn at once; each is given out once, and what is
 * left goes with the storage.
 */
export class Nonces {
  #random: (length: number) => Uint8Array;
  #drawn: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  next(): Uint8Array {
    if (this.#used === this.#drawn.length) {
      this.#drawn = this.#random(NONCE * NONCES);
      this.#used = 0;
    }
    this.#used += NONCE;
    return this.#drawn.slice(this.#used - NONCE, this.#used);
  }
}

/** A cipher of a key that WebCrypto holds, and perhaps never gives out. */
export class WebCipher implements Cipher {
  #key: CryptoKey;

  constructor(key: PlatformKey) {
    this.#key = key;
  }

  async seal(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce as BufferSource, additionalData: signed as BufferSource }, this.#key, plain as BufferSource));
  }

  async open(nonce: Uint8Array, signed: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce as BufferSource, additionalData: signed as BufferSource }, this.#key, sealed as BufferSource));
    } catch (error) {
      if ((error as { name?: unknown } | null)?.name === "OperationError") return undefined;
      throw error;
    }
  }

  forget(): void {}
}

/** WebCrypto: browsers, workers, edge isolates. It answers with promises only. */
export function webSuite(): CipherSuite {
  if (globalThis.crypto?.subtle === undefined) {
    throw new OmenError("OMEN_ERR_UNSUPPORTED", "there is no WebCrypto here: browsers offer it to pages served by https or from localhost only");
  }
  return {
    synchronous: false,
    random: randomBytes,
    cipher: async (key) => new WebCipher(await crypto.subtle.importKey("raw", key as BufferSource, "AES-GCM", false, ["encrypt", "decrypt"])),
  };
}
