import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { MAC_BYTES } from "../constants.ts";
import type { HandshakeCrypto, X25519Key } from "./handshake-crypto.ts";

const ZERO_NONCE = new Uint8Array(12);

/** The portable reference for every primitive. */
export const nobleCrypto: HandshakeCrypto = {
  name: "noble",
  hash(...parts) {
    const state = blake2s.create();
    for (const part of parts) state.update(part);
    return state.digest();
  },
  hmac(key, ...parts) {
    const state = hmac.create(blake2s, key);
    for (const part of parts) state.update(part);
    return state.digest();
  },
  mac: (key, message) => blake2s(message, { key, dkLen: MAC_BYTES }),
  x25519Key: (privateKey) => new NobleX25519Key(privateKey),
  seal: (key, plaintext, associated) => chacha20poly1305(key, ZERO_NONCE, associated).encrypt(plaintext),
  open: (key, ciphertext, associated) =>
    undefinedWhenForged(() => chacha20poly1305(key, ZERO_NONCE, associated).decrypt(ciphertext)),
  sealCookie: (key, nonce, plaintext, associated) => xchacha20poly1305(key, nonce, associated).encrypt(plaintext),
  openCookie: (key, nonce, ciphertext, associated) =>
    undefinedWhenForged(() => xchacha20poly1305(key, nonce, associated).decrypt(ciphertext)),
};

/** noble throws for a wrong tag, and gives that error no type of its own. */
function undefinedWhenForged(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

class NobleX25519Key implements X25519Key {
  readonly publicKey: Uint8Array;
  readonly #privateKey: Uint8Array;

  constructor(privateKey: Uint8Array) {
    this.#privateKey = new Uint8Array(privateKey);
    this.publicKey = x25519.getPublicKey(this.#privateKey);
  }

  sharedSecret(otherPublicKey: Uint8Array): Uint8Array | undefined {
    try {
      return x25519.getSharedSecret(this.#privateKey, otherPublicKey);
    } catch {
      // The keys have the right length, so this can only be noble's refusal of an all-zero secret.
      return undefined;
    }
  }

  dispose(): void {
    this.#privateKey.fill(0);
  }
}
