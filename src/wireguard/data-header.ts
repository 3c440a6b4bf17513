import { DATA_OVERHEAD_BYTES, MessageType, PADDING_BYTES } from "./constants.ts";

/**
 * The header of a data message (whitepaper §5.4.6), read and written in place in an arena; integers are little-endian.
 *
 *     | type 4 | 0 0 0 | receiver index u32 | counter u64 | ciphertext, 16·n … | tag 16 |
 *       0                4                    8             16
 */
const RECEIVER_INDEX_OFFSET = 4;
const COUNTER_OFFSET = 8;

/** Whether `lengthBytes` bytes at `offset` have the full 32-bit type and a possible length of a data message. */
export function isDataMessage(arena: Uint8Array, offset: number, lengthBytes: number): boolean {
  return lengthBytes >= DATA_OVERHEAD_BYTES && readUint32(arena, offset) === MessageType.data;
}

export function readReceiverIndex(arena: Uint8Array, offset: number): number {
  return readUint32(arena, offset + RECEIVER_INDEX_OFFSET);
}

/** The counter as a number: exact below 2^53, and above it large enough to be refused by any `ReplayWindow`. */
export function readCounter(arena: Uint8Array, offset: number): number {
  const low = readUint32(arena, offset + COUNTER_OFFSET);
  return readUint32(arena, offset + COUNTER_OFFSET + 4) * 2 ** 32 + low;
}

export function writeCounter(arena: Uint8Array, offset: number, counter: number): void {
  writeUint32(arena, offset + COUNTER_OFFSET, counter % 2 ** 32);
  writeUint32(arena, offset + COUNTER_OFFSET + 4, Math.floor(counter / 2 ** 32));
}

/** Type and receiver index; the counter is written by the `Sealer`. */
export function writeDataHeader(arena: Uint8Array, offset: number, receiverIndex: number): void {
  writeUint32(arena, offset, MessageType.data);
  writeUint32(arena, offset + RECEIVER_INDEX_OFFSET, receiverIndex);
}

/**
 * Whole length of the data message that carries `payloadBytes`: padded to 16, but never past `mtuBytes`, the largest
 * payload that the path takes (a payload beyond it is not padded at all).
 */
export function dataMessageBytes(payloadBytes: number, mtuBytes: number): number {
  const padded = Math.ceil(payloadBytes / PADDING_BYTES) * PADDING_BYTES;
  return DATA_OVERHEAD_BYTES + Math.max(payloadBytes, Math.min(padded, mtuBytes));
}

function readUint32(arena: Uint8Array, at: number): number {
  return (
    ((arena[at] as number) |
      ((arena[at + 1] as number) << 8) |
      ((arena[at + 2] as number) << 16) |
      ((arena[at + 3] as number) << 24)) >>>
    0
  );
}

function writeUint32(arena: Uint8Array, at: number, value: number): void {
  arena[at] = value;
  arena[at + 1] = value >>> 8;
  arena[at + 2] = value >>> 16;
  arena[at + 3] = value >>> 24;
}
