import { timingSafeEqual } from "node:crypto";
import { LABEL_COOKIE, LABEL_MAC1, MAC_BYTES } from "./constants.ts";
import type { HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import { mac1Offset } from "./messages.ts";

/** The two keys that follow from the public key of the side that checks the MACs (whitepaper §5.4.4, §5.4.7). */
export interface MacKeys {
  readonly mac1: Uint8Array;
  readonly cookie: Uint8Array;
}

export function macKeysOf(crypto: HandshakeCrypto, receiverPublicKey: Uint8Array): MacKeys {
  const encoder = new TextEncoder();
  return {
    mac1: crypto.hash(encoder.encode(LABEL_MAC1), receiverPublicKey),
    cookie: crypto.hash(encoder.encode(LABEL_COOKIE), receiverPublicKey),
  };
}

/** MAC1 of a handshake message: over all that stands before it. */
export function computeMac1(crypto: HandshakeCrypto, keys: MacKeys, message: Uint8Array): Uint8Array {
  return crypto.mac(keys.mac1, message.subarray(0, mac1Offset(message.length)));
}

/** MAC2: over all that stands before it, MAC1 included, keyed by the cookie. */
export function computeMac2(crypto: HandshakeCrypto, cookie: Uint8Array, message: Uint8Array): Uint8Array {
  return crypto.mac(cookie, message.subarray(0, mac2Offset(message)));
}

export function hasMac1(message: Uint8Array, mac1: Uint8Array): boolean {
  return timingSafeEqual(message.subarray(mac1Offset(message.length), mac2Offset(message)), mac1);
}

export function hasMac2(message: Uint8Array, mac2: Uint8Array): boolean {
  return timingSafeEqual(message.subarray(mac2Offset(message)), mac2);
}

export function mac2Offset(message: Uint8Array): number {
  return mac1Offset(message.length) + MAC_BYTES;
}
