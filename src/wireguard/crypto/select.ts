import { KEY_BYTES } from "../constants.ts";
import type { HandshakeCrypto } from "./handshake-crypto.ts";
import { nobleCrypto } from "./noble.ts";
import { nodeCrypto } from "./node.ts";

export interface HandshakeCryptoSelection {
  readonly crypto: HandshakeCrypto;
  /** Why it is not the fast one, when it is not. */
  readonly passedOver: string | undefined;
}

/** Node's own primitives when this build of Node has them and they answer as the reference does, else noble's. */
export function selectHandshakeCrypto(): HandshakeCryptoSelection {
  try {
    testHandshakeCrypto(nodeCrypto);
    return { crypto: nodeCrypto, passedOver: undefined };
  } catch (failure) {
    return { crypto: nobleCrypto, passedOver: failure instanceof Error ? failure.message : String(failure) };
  }
}

/** Throws when a primitive fails or differs from the reference. */
export function testHandshakeCrypto(crypto: HandshakeCrypto): void {
  const key = Uint8Array.from({ length: KEY_BYTES }, (_, i) => i + 1);
  const message = Uint8Array.from({ length: 148 }, (_, i) => 255 - i);
  const parts = [message.subarray(0, 63), message.subarray(63)];
  assertEqual("BLAKE2s", crypto.hash(...parts), nobleCrypto.hash(message));
  assertEqual("HMAC-BLAKE2s", crypto.hmac(key, ...parts), nobleCrypto.hmac(key, message));

  const sealed = crypto.seal(key, message, key);
  assertEqual("ChaCha20-Poly1305", sealed, nobleCrypto.seal(key, message, key));
  assertEqual("ChaCha20-Poly1305", crypto.open(key, sealed, key), message);
  sealed[0] = (sealed[0] as number) ^ 1;
  if (crypto.open(key, sealed, key) !== undefined) throw new Error("ChaCha20-Poly1305 takes a forged message");

  const ours = crypto.x25519Key(key);
  const reference = nobleCrypto.x25519Key(key);
  const other = nobleCrypto.x25519Key(message.subarray(0, KEY_BYTES));
  assertEqual("X25519", ours.publicKey, reference.publicKey);
  assertEqual("X25519", ours.sharedSecret(other.publicKey), reference.sharedSecret(other.publicKey));
  if (ours.sharedSecret(new Uint8Array(KEY_BYTES)) !== undefined) {
    throw new Error("X25519 takes a point of low order");
  }
}

function assertEqual(name: string, actual: Uint8Array | undefined, expected: Uint8Array | undefined): void {
  if (actual === undefined || expected === undefined || Buffer.compare(actual, expected) !== 0) {
    throw new Error(`${name} differs from the reference`);
  }
}
