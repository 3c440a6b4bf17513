import { KEY_BYTES } from "../constants.ts";
import type { RandomFill } from "../index-table.ts";

/**
 * The primitives of the handshake (whitepaper §5.4): what a Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s handshake, MACs and
 * cookies need. Implementations differ in speed only.
 */
export interface HandshakeCrypto {
  readonly name: HandshakeCryptoName;
  /** BLAKE2s-256 of the parts in a row. */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC-BLAKE2s-256 of the parts in a row. */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** Keyed BLAKE2s with 16 bytes of output. */
  mac(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** An X25519 key (RFC 7748) from its 32 bytes, which stay the caller's to wipe. */
  x25519Key(privateKey: Uint8Array): X25519Key;
  /** ChaCha20-Poly1305 with a zero nonce, the only one that the handshake uses (each key seals one message). */
  seal(key: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** Undefined when the ciphertext is not authentic. */
  open(key: Uint8Array, ciphertext: Uint8Array, associated: Uint8Array): Uint8Array | undefined;
  /** XChaCha20-Poly1305 with a 24-byte nonce. */
  sealCookie(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  openCookie(
    key: Uint8Array,
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    associated: Uint8Array,
  ): Uint8Array | undefined;
}

export type HandshakeCryptoName = "node" | "noble";

export interface X25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The shared secret, or undefined when the other's key is a point of low order (the secret would be all-zero). */
  sharedSecret(otherPublicKey: Uint8Array): Uint8Array | undefined;
  /** Wipes what of the private key we hold. */
  dispose(): void;
}

/** HMAC-based key derivation (RFC 5869 as the whitepaper §5.4 writes it): `count` keys of 32 bytes; wipes its own intermediates. */
export function deriveKeys(
  crypto: HandshakeCrypto,
  chainingKey: Uint8Array,
  input: Uint8Array,
  count: 1 | 2 | 3,
): [Uint8Array, ...Uint8Array[]] {
  const extracted = crypto.hmac(chainingKey, input);
  const first = crypto.hmac(extracted, Uint8Array.of(1));
  const keys: [Uint8Array, ...Uint8Array[]] = [first];
  let last = first;
  for (let n = 2; n <= count; n++) {
    last = crypto.hmac(extracted, last, Uint8Array.of(n));
    keys.push(last);
  }
  extracted.fill(0);
  return keys;
}

/** A fresh ephemeral key. */
export function generateX25519Key(crypto: HandshakeCrypto, random: RandomFill): X25519Key {
  const privateKey = new Uint8Array(KEY_BYTES);
  random(privateKey);
  const key = crypto.x25519Key(privateKey);
  privateKey.fill(0);
  return key;
}
