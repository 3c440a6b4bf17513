import { randomBytes } from "node:crypto";
import { INITIATION_BYTES, MessageType, RESPONSE_BYTES } from "../../../src/wireguard/constants.ts";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";
import { computeMac1, macKeysOf } from "../../../src/wireguard/mac-keys.ts";
import { mac1Offset } from "../../../src/wireguard/messages.ts";

/** Random bytes behind the type word of a message. */
export function messageOfNoise(type: number, sizeBytes: number): Uint8Array {
  const message = randomBytes(sizeBytes);
  if (sizeBytes >= 4) message.writeUInt32LE(type);
  return new Uint8Array(message);
}

/** An initiation that holds nothing, but whose MAC1 is right: whoever takes it has to spend DH, or demand a cookie. */
export function initiationOfNoise(receiverPublicKey: string): Uint8Array {
  return withMac1(messageOfNoise(MessageType.initiation, INITIATION_BYTES), receiverPublicKey);
}

/** As `initiationOfNoise`, an answer to an initiation that nobody sent. */
export function responseOfNoise(receiverPublicKey: string): Uint8Array {
  return withMac1(messageOfNoise(MessageType.response, RESPONSE_BYTES), receiverPublicKey);
}

function withMac1(message: Uint8Array, receiverPublicKey: string): Uint8Array {
  const keys = macKeysOf(nodeCrypto, new Uint8Array(Buffer.from(receiverPublicKey, "base64")));
  message.fill(0, mac1Offset(message.length));
  message.set(computeMac1(nodeCrypto, keys, message), mac1Offset(message.length));
  return message;
}
