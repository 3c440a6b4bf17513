import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES } from "../constants.ts";
import { writeCounter } from "../data-header.ts";
import { assertRunFits, assertVerdictsFit } from "./bounds.ts";
import { NONCE_BYTES, nonceFromHeader } from "./nonce.ts";
import type { AeadProvider, Opener, Sealer } from "./provider.ts";

/** The portable reference: always works, some ten times slower than the native providers, and allocates. */
export const nobleProvider: AeadProvider = {
  name: "noble",
  createSealer: (key) => new NobleSealer(key),
  createOpener: (key) => new NobleOpener(key),
};

class NobleSealer implements Sealer {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(
    arena: Uint8Array,
    offset: number,
    strideBytes: number,
    count: number,
    lastBytes: number,
    firstCounter: number,
  ): void {
    assertRunFits(arena, offset, strideBytes, count, lastBytes);
    for (let i = 0; i < count; i++) {
      const start = offset + i * strideBytes;
      const end = start + (i === count - 1 ? lastBytes : strideBytes);
      writeCounter(arena, start, firstCounter + i);
      nonceFromHeader(this.#nonce, arena, start);
      const plaintext = arena.subarray(start + DATA_HEADER_BYTES, end - (DATA_OVERHEAD_BYTES - DATA_HEADER_BYTES));
      chacha20poly1305(this.#key, this.#nonce).encrypt(plaintext, arena.subarray(start + DATA_HEADER_BYTES, end));
    }
  }

  dispose(): void {}
}

class NobleOpener implements Opener {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  open(arena: Uint8Array, offset: number, totalBytes: number, strideBytes: number, verdicts: Uint8Array): number {
    assertVerdictsFit(arena, offset, totalBytes, strideBytes, verdicts);
    let count = 0;
    for (let at = 0; at < totalBytes; at += strideBytes, count++) {
      const start = offset + at;
      verdicts[count] = this.#openOne(arena, start, Math.min(strideBytes, totalBytes - at)) ? 1 : 0;
    }
    return count;
  }

  #openOne(arena: Uint8Array, start: number, lengthBytes: number): boolean {
    if (lengthBytes < DATA_OVERHEAD_BYTES) return false;
    nonceFromHeader(this.#nonce, arena, start);
    const ciphertext = arena.subarray(start + DATA_HEADER_BYTES, start + lengthBytes);
    try {
      ciphertext.set(chacha20poly1305(this.#key, this.#nonce).decrypt(ciphertext));
      return true;
    } catch {
      // noble has no other way to say that a tag is wrong.
      return false;
    }
  }

  dispose(): void {}
}
