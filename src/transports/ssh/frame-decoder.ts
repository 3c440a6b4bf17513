import { MAX_PIPE_DATAGRAM_BYTES } from "../pipe/pipe-transport.ts";
import { FRAME_HEADER_BYTES } from "./frame-queue.ts";

/**
 * Finds the frames (`u16 length · datagram`) in a stream that comes in pieces of any size. A frame that is empty or too long
 * for a datagram of ours is skipped: its length says where the next one starts.
 */
export class FrameDecoder {
  readonly #onDatagram: (datagram: Uint8Array) => void;
  /** A frame that has come in part: its header, and as much of its datagram as there is. */
  readonly #partial = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + MAX_PIPE_DATAGRAM_BYTES);
  #partialBytes = 0;
  /** What is left of a frame that is passed over. */
  #skipBytes = 0;
  #malformedFrames = 0;

  /** @param onDatagram the bytes are valid during the call */
  constructor(onDatagram: (datagram: Uint8Array) => void) {
    this.#onDatagram = onDatagram;
  }

  /** Whether the stream stands between two frames. */
  get isBetweenFrames(): boolean {
    return this.#partialBytes === 0 && this.#skipBytes === 0;
  }

  /** Returns how many malformed frames were found by `chunk`. */
  push(chunk: Uint8Array): number {
    this.#malformedFrames = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else if (this.#partialBytes > 0) at = this.#complete(chunk, at);
      else at = this.#whole(chunk, at);
    }
    return this.#malformedFrames;
  }

  /** A frame at `at`, where the stream stands between two; what comes of it only in part is kept. Returns where it ends. */
  #whole(chunk: Uint8Array, at: number): number {
    const start = at + FRAME_HEADER_BYTES;
    if (start > chunk.length) return this.#keep(chunk, at, chunk.length);
    const sizeBytes = ((chunk[at] as number) << 8) | (chunk[at + 1] as number);
    if (this.#isRefused(sizeBytes)) return start;
    const end = start + sizeBytes;
    if (end > chunk.length) return this.#keep(chunk, at, chunk.length);
    this.#onDatagram(chunk.subarray(start, end));
    return end;
  }

  /** Goes on with the frame of which a part is here. Returns up to where `chunk` is used. */
  #complete(chunk: Uint8Array, at: number): number {
    let next = at;
    if (this.#partialBytes < FRAME_HEADER_BYTES) {
      next = this.#keep(chunk, next, next + FRAME_HEADER_BYTES - this.#partialBytes);
      if (this.#partialBytes < FRAME_HEADER_BYTES) return next;
    }
    const sizeBytes = this.#partial.readUInt16BE(0);
    if (this.#isRefused(sizeBytes)) {
      this.#partialBytes = 0;
      return next;
    }
    const frameBytes = FRAME_HEADER_BYTES + sizeBytes;
    next = this.#keep(chunk, next, next + frameBytes - this.#partialBytes);
    if (this.#partialBytes === frameBytes) {
      this.#partialBytes = 0;
      this.#onDatagram(this.#partial.subarray(FRAME_HEADER_BYTES, frameBytes));
    }
    return next;
  }

  #keep(chunk: Uint8Array, start: number, wantedEnd: number): number {
    const end = Math.min(wantedEnd, chunk.length);
    this.#partial.set(chunk.subarray(start, end), this.#partialBytes);
    this.#partialBytes += end - start;
    return end;
  }

  #isRefused(sizeBytes: number): boolean {
    if (sizeBytes > 0 && sizeBytes <= MAX_PIPE_DATAGRAM_BYTES) return false;
    this.#malformedFrames++;
    this.#skipBytes = sizeBytes;
    return true;
  }
}
