import { createHash } from "node:crypto";
import { KEY_BYTES } from "../constants.ts";
import type { HandshakeCrypto, HandshakeCryptoName } from "./handshake-crypto.ts";
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

/** The one of this name, for a thread of a process in which another thread has selected it. */
export function handshakeCrypto(name: HandshakeCryptoName): HandshakeCrypto {
  return name === "node" ? nodeCrypto : nobleCrypto;
}

/** What noble answers to the questions of the test: asked here, it would take longer than all the rest of a start. */
const ANSWERS = {
  hash: "7c293fbf84066a38ca3b8cc1d797dab47e81346974773d3483a02ef2302a71b8",
  hmac: "ac28615de9827e32433aad0d2ca3e0aaa070ba325bf840fe91f8115f74188f9d",
  sealedSha256: "c9f9a61b3d69a5c57d107747b2833ccc112a3687eac01dd6ed0c5ec0c45ba6bf",
  publicKey: "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
  otherPublicKey: "3ebcb692149344dc54e58160cf90bed9eea1dd14e81c8e91de557af7d7afd915",
  sharedSecret: "cef531834c2843a22541cc4a0f40492e7b0c34baea021fbf7d1caab2f35a4263",
} as const;

/** Throws when a primitive fails or differs from the reference. */
export function testHandshakeCrypto(crypto: HandshakeCrypto): void {
  const key = Uint8Array.from({ length: KEY_BYTES }, (_, i) => i + 1);
  const message = Uint8Array.from({ length: 148 }, (_, i) => 255 - i);
  const parts = [message.subarray(0, 63), message.subarray(63)];
  assertAnswer("BLAKE2s", crypto.hash(...parts), ANSWERS.hash);
  assertAnswer("HMAC-BLAKE2s", crypto.hmac(key, ...parts), ANSWERS.hmac);

  const sealed = crypto.seal(key, message, key);
  assertAnswer("ChaCha20-Poly1305", createHash("sha256").update(sealed).digest(), ANSWERS.sealedSha256);
  assertAnswer("ChaCha20-Poly1305", crypto.open(key, sealed, key), hex(message));
  sealed[0] = (sealed[0] as number) ^ 1;
  if (crypto.open(key, sealed, key) !== undefined) throw new Error("ChaCha20-Poly1305 takes a forged message");

  const ours = crypto.x25519Key(key);
  const other = crypto.x25519Key(message.subarray(0, KEY_BYTES));
  assertAnswer("X25519", ours.publicKey, ANSWERS.publicKey);
  assertAnswer("X25519", other.publicKey, ANSWERS.otherPublicKey);
  assertAnswer("X25519", ours.sharedSecret(other.publicKey), ANSWERS.sharedSecret);
  if (ours.sharedSecret(new Uint8Array(KEY_BYTES)) !== undefined) {
    throw new Error("X25519 takes a point of low order");
  }
}

function assertAnswer(name: string, actual: Uint8Array | undefined, expectedHex: string): void {
  if (actual === undefined || hex(actual) !== expectedHex) throw new Error(`${name} differs from the reference`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
