/** AES-256-GCM by whoever has it: WebCrypto here, node:crypto in encrypted-node.ts. */
import { OmenError } from "../errors.js";
import type { MaybePromise } from "./storage.js";

/** One key of AES-256-GCM. */
export interface Cipher {
  /** The ciphertext, then the tag of 16 bytes. `plain` must stay as it is until the answer is there. */
  seal(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array): MaybePromise<Uint8Array>;
  /** The same apart, where the answer is there at once. */
  sealParts?(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array): [sealed: Uint8Array, tag: Uint8Array];
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

/** A cipher of a key that WebCrypto holds, and perhaps never gives out. */
export class WebCipher implements Cipher {
  #key: CryptoKey;

  constructor(key: CryptoKey) {
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
