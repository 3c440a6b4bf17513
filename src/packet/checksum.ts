import type { PacketBuffer } from "./packet-buffer.ts";

/**
 * The Internet checksum (RFC 1071). A *sum* here is a plain number: 32-bit little-endian words added up in a double, so
 * that carries need no care until the fold (64 KiB of words stay below 2^46, far from 2^53). One's complement addition
 * does not mind the byte order (RFC 1071 §2 B) as long as the result is stored the way that it was read: little-endian.
 *
 * Measured for 1,368 bytes: 106 ns over aligned words and 120 ns through the `DataView` in doubles; 140 to 230 ns in 32-bit
 * integers by halves; 1,100 ns with explicit carries or in BigInts.
 */

/** Adds `length` bytes from `offset`, at any alignment, to `sum`. An odd last byte counts as padded with a zero. */
export function sumBytes(buffer: PacketBuffer, offset: number, length: number, sum: number): number {
  return (offset & 3) === 0 ? sumAligned(buffer, offset, length, sum) : sumUnaligned(buffer, offset, length, sum);
}

function sumAligned(buffer: PacketBuffer, offset: number, length: number, initial: number): number {
  const words = buffer.words;
  const end = (offset + length) >> 2;
  // A sum that starts from the parameter would be boxed in every turn of the loop.
  let sum = 0;
  let i = offset >> 2;
  for (const bulkEnd = i + ((length >> 2) & -8); i < bulkEnd; i += 8) {
    sum +=
      words[i]! +
      words[i + 1]! +
      words[i + 2]! +
      words[i + 3]! +
      words[i + 4]! +
      words[i + 5]! +
      words[i + 6]! +
      words[i + 7]!;
  }
  for (; i < end; i++) sum += words[i]!;
  return initial + sum + tailWord(buffer, i << 2, length & 3);
}

function sumUnaligned(buffer: PacketBuffer, offset: number, length: number, initial: number): number {
  const view = buffer.view;
  const end = offset + (length & -4);
  let sum = 0;
  let i = offset;
  for (const bulkEnd = offset + (length & -32); i < bulkEnd; i += 32) {
    sum +=
      view.getUint32(i, true) +
      view.getUint32(i + 4, true) +
      view.getUint32(i + 8, true) +
      view.getUint32(i + 12, true) +
      view.getUint32(i + 16, true) +
      view.getUint32(i + 20, true) +
      view.getUint32(i + 24, true) +
      view.getUint32(i + 28, true);
  }
  for (; i < end; i += 4) sum += view.getUint32(i, true);
  return initial + sum + tailWord(buffer, i, length & 3);
}

/** The last 0 to 3 bytes as a word padded with zeros. */
function tailWord(buffer: PacketBuffer, offset: number, length: number): number {
  if (length === 0) return 0;
  const bytes = buffer.bytes;
  let word = bytes[offset]!;
  if (length > 1) word |= bytes[offset + 1]! << 8;
  if (length > 2) word |= bytes[offset + 2]! << 16;
  return word;
}

/**
 * Copies `length` bytes and returns `sum` with them added; the ranges must not overlap. Two passes, since a loop that
 * copies and sums bulk data at once takes twice as long: it must load the arrays' addresses again after every store.
 */
export function copyAndSum(
  source: PacketBuffer,
  sourceOffset: number,
  target: PacketBuffer,
  targetOffset: number,
  length: number,
  sum: number,
): number {
  copyBytes(source, sourceOffset, target, targetOffset, length);
  return sumBytes(target, targetOffset, length, sum);
}

/** Up to here a loop is quicker than the call into native code. */
const SHORT_COPY_BYTES = 96;

/** Copies within a buffer (quicker: 45 ns less, and nothing allocated) or between two; the ranges must not overlap. */
export function copyBytes(
  source: PacketBuffer,
  sourceOffset: number,
  target: PacketBuffer,
  targetOffset: number,
  length: number,
): void {
  if (length <= SHORT_COPY_BYTES) {
    const words = length & -4;
    for (let i = 0; i < words; i += 4) target.view.setUint32(targetOffset + i, source.view.getUint32(sourceOffset + i));
    for (let i = words; i < length; i++) target.bytes[targetOffset + i] = source.bytes[sourceOffset + i]!;
  } else if (source === target) {
    target.bytes.copyWithin(targetOffset, sourceOffset, sourceOffset + length);
  } else {
    // Makes a view of its source for every call, which `copyWithin` does not.
    source.bytes.copy(target.bytes, targetOffset, sourceOffset, sourceOffset + length);
  }
}

/** Folds a sum to 16 bits with end-around carries; to be stored little-endian. 0xffff over data with a good checksum. */
export function foldSum(sum: number): number {
  const low = sum >>> 0;
  let folded = (low & 0xffff) + (low >>> 16) + (sum - low) / 0x1_0000_0000;
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

/** The checksum field's value for a sum: the complement of its fold; to be stored little-endian. */
export function checksumOf(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/** A 16-bit field in network order, as it counts in a sum. */
export function swapBytes16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/**
 * Adds the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1): both addresses, which stand side by side
 * in either family (`addressBytes` 4 or 16 each), the protocol and the transport's length.
 */
export function sumPseudoHeader(
  buffer: PacketBuffer,
  sourceAddressOffset: number,
  addressBytes: number,
  protocol: number,
  transportBytes: number,
): number {
  const view = buffer.view;
  let sum = (protocol << 8) + swapBytes16(transportBytes);
  for (let at = sourceAddressOffset, end = at + 2 * addressBytes; at < end; at += 4) sum += view.getUint32(at, true);
  return sum;
}
