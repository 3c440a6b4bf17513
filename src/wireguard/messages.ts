import {
  COOKIE_NONCE_BYTES,
  COOKIE_REPLY_BYTES,
  DATA_OVERHEAD_BYTES,
  INITIATION_BYTES,
  KEY_BYTES,
  MAC_BYTES,
  MessageType,
  RESPONSE_BYTES,
} from "./constants.ts";
import type { InitiationFields, ResponseFields } from "./noise.ts";

/**
 * The handshake messages on the wire (whitepaper §5.4.2–5.4.7); integers are little-endian. Data messages:
 * `data-header.ts`. Decoders return views of what they are given and expect the type and size that `messageTypeOf` found.
 */

/**
 * The type of a datagram by its whole first word and its size, or undefined when it is no WireGuard message. Data
 * messages are not held to a multiple of 16: the padding ends at the sender's MTU.
 */
export function messageTypeOf(datagram: Uint8Array): MessageType | undefined {
  if (datagram.length < DATA_OVERHEAD_BYTES) return undefined;
  switch (viewOf(datagram).getUint32(0, true)) {
    case MessageType.initiation:
      return datagram.length === INITIATION_BYTES ? MessageType.initiation : undefined;
    case MessageType.response:
      return datagram.length === RESPONSE_BYTES ? MessageType.response : undefined;
    case MessageType.cookieReply:
      return datagram.length === COOKIE_REPLY_BYTES ? MessageType.cookieReply : undefined;
    case MessageType.data:
      return MessageType.data;
    default:
      return undefined;
  }
}

export interface Initiation extends InitiationFields {
  readonly senderIndex: number;
}

/**
 *     | 1 | 0 0 0 | sender u32 | ephemeral 32 | encrypted static 32 + 16 | encrypted timestamp 12 + 16 | MAC1 16 | MAC2 16 |
 *       0           4            8              40                         88                            116       132
 *
 * The MACs are left zero for `CookieJar.stamp`.
 */
export function encodeInitiation(message: Initiation): Uint8Array {
  const bytes = new Uint8Array(INITIATION_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, MessageType.initiation, true);
  view.setUint32(4, message.senderIndex, true);
  bytes.set(message.ephemeral, 8);
  bytes.set(message.encryptedStatic, 40);
  bytes.set(message.encryptedPayload, 88);
  return bytes;
}

export function decodeInitiation(bytes: Uint8Array): Initiation {
  return {
    senderIndex: viewOf(bytes).getUint32(4, true),
    ephemeral: bytes.subarray(8, 40),
    encryptedStatic: bytes.subarray(40, 88),
    encryptedPayload: bytes.subarray(88, 116),
  };
}

export interface Response extends ResponseFields {
  readonly senderIndex: number;
  readonly receiverIndex: number;
}

/**
 *     | 2 | 0 0 0 | sender u32 | receiver u32 | ephemeral 32 | encrypted nothing 16 | MAC1 16 | MAC2 16 |
 *       0           4            8              12             44                     60        76
 *
 * The MACs are left zero for `CookieJar.stamp`.
 */
export function encodeResponse(message: Response): Uint8Array {
  const bytes = new Uint8Array(RESPONSE_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, MessageType.response, true);
  view.setUint32(4, message.senderIndex, true);
  view.setUint32(8, message.receiverIndex, true);
  bytes.set(message.ephemeral, 12);
  bytes.set(message.encryptedPayload, 44);
  return bytes;
}

export function decodeResponse(bytes: Uint8Array): Response {
  const view = viewOf(bytes);
  return {
    senderIndex: view.getUint32(4, true),
    receiverIndex: view.getUint32(8, true),
    ephemeral: bytes.subarray(12, 12 + KEY_BYTES),
    encryptedPayload: bytes.subarray(44, 60),
  };
}

export interface CookieReply {
  readonly receiverIndex: number;
  readonly nonce: Uint8Array;
  readonly encryptedCookie: Uint8Array;
}

/**
 *     | 3 | 0 0 0 | receiver u32 | nonce 24 | encrypted cookie 16 + 16 |
 *       0           4              8          32
 */
export function encodeCookieReply(message: CookieReply): Uint8Array {
  const bytes = new Uint8Array(COOKIE_REPLY_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, MessageType.cookieReply, true);
  view.setUint32(4, message.receiverIndex, true);
  bytes.set(message.nonce, 8);
  bytes.set(message.encryptedCookie, 32);
  return bytes;
}

export function decodeCookieReply(bytes: Uint8Array): CookieReply {
  return {
    receiverIndex: viewOf(bytes).getUint32(4, true),
    nonce: bytes.subarray(8, 8 + COOKIE_NONCE_BYTES),
    encryptedCookie: bytes.subarray(32),
  };
}

/** Both MACs end an initiation and a response; the sender index stands at the same place in both. */
export const SENDER_INDEX_OFFSET = 4;

/** Where MAC1 starts in an initiation or response of `lengthBytes` bytes; MAC2 follows it. */
export function mac1Offset(lengthBytes: number): number {
  return lengthBytes - 2 * MAC_BYTES;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
