import { MAX_PIPE_DATAGRAM_BYTES } from "../pipe/pipe-transport.ts";

/** A frame is a datagram behind its length, in network byte order: `u16 length · datagram`. */
export const FRAME_HEADER_BYTES = 2;

/**
 * The frames that wait for a slow connection: a ring of bytes, so that many datagrams leave as one piece. When a new one does
 * not fit, the oldest go.
 */
export class FrameQueue {
  readonly #ring: Buffer;
  #head = 0;
  #usedBytes = 0;
  #datagrams = 0;

  /** @param capacityBytes at least one frame of the largest datagram */
  constructor(capacityBytes: number) {
    if (capacityBytes < FRAME_HEADER_BYTES + MAX_PIPE_DATAGRAM_BYTES)
      throw new RangeError("a frame queue must hold the largest frame");
    this.#ring = Buffer.allocUnsafeSlow(capacityBytes);
  }

  get datagrams(): number {
    return this.#datagrams;
  }

  /** Appends a copy of `datagram` (1 to `MAX_PIPE_DATAGRAM_BYTES`); returns how many older ones had to go. */
  push(datagram: Uint8Array): number {
    const frameBytes = FRAME_HEADER_BYTES + datagram.length;
    let dropped = 0;
    for (; this.#usedBytes + frameBytes > this.#ring.length; dropped++) this.#skip(this.#frameBytesAt(0));
    this.#setByte(this.#usedBytes, datagram.length >> 8);
    this.#setByte(this.#usedBytes + 1, datagram.length & 0xff);
    const at = this.#index(this.#usedBytes + FRAME_HEADER_BYTES);
    const untilEnd = Math.min(datagram.length, this.#ring.length - at);
    this.#ring.set(datagram.subarray(0, untilEnd), at);
    this.#ring.set(datagram.subarray(untilEnd), 0);
    this.#usedBytes += frameBytes;
    this.#datagrams++;
    return dropped;
  }

  /** Takes as many whole frames as `maxBytes` hold, oldest first, at least one; undefined when none waits. */
  take(maxBytes: number): Buffer | undefined {
    if (this.#usedBytes === 0) return undefined;
    let totalBytes = this.#frameBytesAt(0);
    let datagrams = 1;
    while (totalBytes < this.#usedBytes) {
      const withNext = totalBytes + this.#frameBytesAt(totalBytes);
      if (withNext > maxBytes) break;
      totalBytes = withNext;
      datagrams++;
    }
    const taken = Buffer.allocUnsafe(totalBytes);
    const untilEnd = Math.min(totalBytes, this.#ring.length - this.#head);
    this.#ring.copy(taken, 0, this.#head, this.#head + untilEnd);
    this.#ring.copy(taken, untilEnd, 0, totalBytes - untilEnd);
    this.#advance(totalBytes);
    this.#datagrams -= datagrams;
    return taken;
  }

  /** Returns how many datagrams that were. */
  clear(): number {
    const cleared = this.#datagrams;
    this.#head = 0;
    this.#usedBytes = 0;
    this.#datagrams = 0;
    return cleared;
  }

  #skip(frameBytes: number): void {
    this.#advance(frameBytes);
    this.#datagrams--;
  }

  #advance(bytes: number): void {
    this.#head = this.#index(bytes);
    this.#usedBytes -= bytes;
  }

  /** Size of the frame that starts `offset` bytes behind the oldest byte. */
  #frameBytesAt(offset: number): number {
    const high = this.#ring[this.#index(offset)] as number;
    const low = this.#ring[this.#index(offset + 1)] as number;
    return FRAME_HEADER_BYTES + ((high << 8) | low);
  }

  #setByte(offset: number, value: number): void {
    this.#ring[this.#index(offset)] = value;
  }

  #index(offset: number): number {
    return (this.#head + offset) % this.#ring.length;
  }
}
