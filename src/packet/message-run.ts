import { PacketBuffer } from "./packet-buffer.ts";

/** Type byte and reserved zeros, receiver index, counter (whitepaper §5.4.6). */
const MESSAGE_HEADER_BYTES = 16;
const MESSAGE_TAG_BYTES = 16;
const MESSAGE_TYPE_DATA = 4;
const PADDING_BYTES = 16;

/** One UDP_SEGMENT send takes no more segments than this (Linux `UDP_MAX_SEGMENTS` of older kernels). */
const MAX_SEGMENTS = 64;
/** And no more than a UDP datagram holds over IPv4 (65,535 − 20 − 8); the margin leaves room for IPv6. */
const MAX_RUN_BYTES = 65_000;
/** The largest packet that an empty run takes. */
export const MAX_RUN_PACKET_BYTES = MAX_RUN_BYTES - MESSAGE_HEADER_BYTES - MESSAGE_TAG_BYTES;

/**
 * A run of WireGuard data messages for one peer, laid out so that it is sealed in place by one call and sent by one
 * `UDP_SEGMENT` send: every message starts `strideBytes` after the one before, and only the last may be shorter.
 *
 *     offset            + strideBytes              + 2 × strideBytes
 *     | header 16 | packet, zero padding | tag 16 || header 16 | packet, padding | tag 16 || …
 *
 * Plaintext is padded to a multiple of 16 bytes but never past the MTU. Packets of several TUN reads may share a run;
 * `reserve` says when it must be flushed first.
 */
export class MessageRun {
  readonly buffer: PacketBuffer;
  /** Where the first message stands; a multiple of 4. */
  readonly offset: number;
  /** The largest inner packet that the path carries. */
  mtuBytes: number;
  readonly maxSegments: number;
  strideBytes = 0;
  count = 0;
  /** Whole length of the last message. */
  lastBytes = 0;
  /** Bytes from `offset` to the end of the last message. */
  totalBytes = 0;
  readonly #capacityBytes: number;

  constructor(
    mtuBytes: number,
    options: { buffer?: PacketBuffer; offset?: number; capacityBytes?: number; maxSegments?: number } = {},
  ) {
    this.offset = options.offset ?? 0;
    this.buffer = options.buffer ?? new PacketBuffer(this.offset + 65_536);
    this.mtuBytes = mtuBytes;
    this.maxSegments = options.maxSegments ?? MAX_SEGMENTS;
    this.#capacityBytes = Math.min(options.capacityBytes ?? MAX_RUN_BYTES, this.buffer.sizeBytes - this.offset);
  }

  /**
   * Appends a message for a packet of `packetBytes` and returns where in `buffer` the packet goes, padding already
   * zeroed; or −1 when the run must be flushed first.
   * @throws RangeError when not even an empty run could hold it: flushing would go on forever
   */
  reserve(packetBytes: number): number {
    const padded = (packetBytes + PADDING_BYTES - 1) & -PADDING_BYTES;
    const plaintextBytes = padded <= this.mtuBytes ? padded : Math.max(packetBytes, this.mtuBytes);
    const messageBytes = MESSAGE_HEADER_BYTES + plaintextBytes + MESSAGE_TAG_BYTES;
    if (this.totalBytes + messageBytes > this.#capacityBytes) {
      if (this.count === 0) throw new RangeError(`a packet of ${packetBytes} bytes fits no run`);
      return -1;
    }
    if (this.count === 0) this.strideBytes = messageBytes;
    else if (messageBytes > this.strideBytes || this.lastBytes !== this.strideBytes || this.count >= this.maxSegments)
      return -1;
    const packetOffset = this.offset + this.totalBytes + MESSAGE_HEADER_BYTES;
    for (let i = packetOffset + packetBytes; i < packetOffset + plaintextBytes; i++) this.buffer.bytes[i] = 0;
    this.count++;
    this.lastBytes = messageBytes;
    this.totalBytes += messageBytes;
    return packetOffset;
  }

  /** Writes type and receiver index into every header; the sealer writes the counters. */
  writeHeaders(receiverIndex: number): void {
    const end = this.offset + this.totalBytes;
    for (let at = this.offset; at < end; at += this.strideBytes) {
      this.buffer.view.setUint32(at, MESSAGE_TYPE_DATA, true);
      this.buffer.view.setUint32(at + 4, receiverIndex, true);
    }
  }

  /** Forgets all messages. */
  reset(): void {
    this.count = 0;
    this.strideBytes = 0;
    this.lastBytes = 0;
    this.totalBytes = 0;
  }
}
