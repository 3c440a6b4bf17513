/**
 * Binary messages on a relay WebSocket, one frame each:
 *
 *      0      1                                  33
 *     +------+----------------------------------+------------+
 *     | type | WireGuard public key, 32 bytes   | datagram … |
 *     +------+----------------------------------+------------+
 *
 * | type | direction | key | datagram |
 * |---|---|---|---|
 * | 1 datagram | to the relay | whom it is for | a WireGuard message |
 * | 1 datagram | from the relay | whom it is from, as the relay has verified | a WireGuard message |
 * | 2 gone | from the relay | a peer that is not here: datagrams to it lead nowhere, until `here` | none |
 * | 3 here | from the relay | a peer that was told to be gone has come | none |
 *
 * `gone` also stands for peers that the client may not exchange with: who may not see a peer does not learn whether it is
 * there. A frame of an unknown type is ignored.
 */
export const RelayFrameType = { datagram: 1, gone: 2, here: 3 } as const;
export type RelayFrameType = (typeof RelayFrameType)[keyof typeof RelayFrameType];

const KEY_BYTES = 32;
const KEY_OFFSET = 1;
export const RELAY_FRAME_HEADER_BYTES = KEY_OFFSET + KEY_BYTES;

/** @param key 32 bytes */
export function encodeRelayFrame(type: RelayFrameType, key: Uint8Array, datagram?: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(RELAY_FRAME_HEADER_BYTES + (datagram?.length ?? 0));
  frame[0] = type;
  frame.set(key, KEY_OFFSET);
  if (datagram !== undefined) frame.set(datagram, RELAY_FRAME_HEADER_BYTES);
  return frame;
}

/** A copy of `frame` that names another peer. */
export function readdressRelayFrame(frame: Buffer, key: Uint8Array): Buffer {
  const copy = Buffer.from(frame);
  copy.set(key, KEY_OFFSET);
  return copy;
}

/** The type of a well-formed frame; undefined for anything else. */
export function relayFrameType(frame: Buffer): RelayFrameType | undefined {
  const type = frame[0];
  if (type === RelayFrameType.datagram) return frame.length > RELAY_FRAME_HEADER_BYTES ? type : undefined;
  if (type !== RelayFrameType.gone && type !== RelayFrameType.here) return undefined;
  return frame.length === RELAY_FRAME_HEADER_BYTES ? type : undefined;
}

/** The peer that a well-formed frame names: its key in base64. */
export function relayFramePeer(frame: Buffer): string {
  return frame.toString("base64", KEY_OFFSET, RELAY_FRAME_HEADER_BYTES);
}

/** The datagram of a well-formed frame; a view. */
export function relayFrameDatagram(frame: Buffer): Buffer {
  return frame.subarray(RELAY_FRAME_HEADER_BYTES);
}
