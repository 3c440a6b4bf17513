import { createRequire } from "node:module";
import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, TAG_BYTES } from "../constants.ts";
import { writeCounter } from "../data-header.ts";
import { assertRunFits, assertVerdictsFit } from "./bounds.ts";
import { NONCE_BYTES, nonceFromHeader } from "./nonce.ts";
import type { AeadProvider, Opener, Sealer } from "./provider.ts";
import { ViewCache } from "./view-cache.ts";

/** The two functions of sodium-native (which carries no types) that we use; both take buffers that overlap exactly. */
interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    ad: null,
    nsec: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_aead_chacha20poly1305_ietf_decrypt_detached(
    message: Uint8Array,
    nsec: null,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    ad: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void;
}

/** libsodium by sodium-native's prebuilt addon, one call a message. Throws when the optional package is not there. */
export function loadSodiumProvider(): AeadProvider {
  const sodium = createRequire(import.meta.url)("sodium-native") as Sodium;
  return {
    name: "sodium",
    createSealer: (key) => new SodiumSealer(sodium, key),
    createOpener: (key) => new SodiumOpener(sodium, key),
  };
}

class SodiumSealer implements Sealer {
  readonly #sodium: Sodium;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  readonly #plaintexts = new ViewCache();
  readonly #ciphertexts = new ViewCache();

  constructor(sodium: Sodium, key: Uint8Array) {
    this.#sodium = sodium;
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
      const payloadBytes = (i === count - 1 ? lastBytes : strideBytes) - DATA_OVERHEAD_BYTES;
      writeCounter(arena, start, firstCounter + i);
      nonceFromHeader(this.#nonce, arena, start);
      this.#sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        this.#ciphertexts.view(i, arena, start + DATA_HEADER_BYTES, payloadBytes + TAG_BYTES),
        this.#plaintexts.view(i, arena, start + DATA_HEADER_BYTES, payloadBytes),
        null,
        null,
        this.#nonce,
        this.#key,
      );
    }
  }

  dispose(): void {
    this.#plaintexts.clear();
    this.#ciphertexts.clear();
  }
}

class SodiumOpener implements Opener {
  readonly #sodium: Sodium;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  readonly #payloads = new ViewCache();
  readonly #tags = new ViewCache();

  constructor(sodium: Sodium, key: Uint8Array) {
    this.#sodium = sodium;
    this.#key = key;
  }

  open(arena: Uint8Array, offset: number, totalBytes: number, strideBytes: number, verdicts: Uint8Array): number {
    assertVerdictsFit(arena, offset, totalBytes, strideBytes, verdicts);
    let count = 0;
    for (let at = 0; at < totalBytes; at += strideBytes, count++) {
      const lengthBytes = Math.min(strideBytes, totalBytes - at);
      verdicts[count] = this.#openOne(arena, offset + at, lengthBytes, count) ? 1 : 0;
    }
    return count;
  }

  #openOne(arena: Uint8Array, start: number, lengthBytes: number, i: number): boolean {
    if (lengthBytes < DATA_OVERHEAD_BYTES) return false;
    const payloadBytes = lengthBytes - DATA_OVERHEAD_BYTES;
    const payload = this.#payloads.view(i, arena, start + DATA_HEADER_BYTES, payloadBytes);
    const tag = this.#tags.view(i, arena, start + DATA_HEADER_BYTES + payloadBytes, TAG_BYTES);
    nonceFromHeader(this.#nonce, arena, start);
    try {
      this.#sodium.crypto_aead_chacha20poly1305_ietf_decrypt_detached(
        payload,
        null,
        payload,
        tag,
        null,
        this.#nonce,
        this.#key,
      );
      return true;
    } catch {
      // sodium-native has no other way to say that a tag is wrong.
      return false;
    }
  }

  dispose(): void {
    this.#payloads.clear();
    this.#tags.clear();
  }
}
