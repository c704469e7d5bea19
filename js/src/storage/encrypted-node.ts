/** AES-256-GCM of node:crypto, which answers at once: storages that are synchronous stay so. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { randomBytes, type Cipher, type CipherSuite } from "./encrypted-crypto.js";

const TAG = 16;
/** Of a page that is sealed: each piece's answer is new memory, and small pieces' memory is used again and again, while a large one's comes from the system in zeros. */
const PIECE = 64 << 10;

class NodeCipher implements Cipher {
  #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = new Uint8Array(key); // a Buffer's slice would be no copy
  }

  seal(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array): Uint8Array {
    const out = new Uint8Array(plain.length + TAG);
    this.sealInto(nonce, signed, plain, out);
    return out;
  }

  sealInto(nonce: Uint8Array, signed: Uint8Array, plain: Uint8Array, into: Uint8Array): void {
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    cipher.setAAD(signed);
    for (let at = 0; at < plain.length; at += PIECE) into.set(cipher.update(plain.subarray(at, at + PIECE)), at);
    cipher.final();
    into.set(cipher.getAuthTag(), plain.length);
  }

  open(nonce: Uint8Array, signed: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce);
    decipher.setAAD(signed);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
    const plain = decipher.update(sealed.subarray(0, sealed.length - TAG));
    try {
      decipher.final();
    } catch {
      return undefined; // there is one reason only: the tag
    }
    return plain;
  }

  forget(): void {
    this.#key.fill(0);
  }
}

export const nodeSuite: CipherSuite = { synchronous: true, random: randomBytes, cipher: (key) => new NodeCipher(key) };
