import { PacketBuffer } from "../../packet/packet-buffer.ts";

/**
 * Datagrams from one thread to another, each with the number of its pipe: a ring in shared memory with one writer and one
 * reader. It never waits; a datagram that does not fit is refused. Records lie in one piece and start at multiples of 4:
 *
 *     | bytes u32 | pipe u32 | datagram … | pad |        bytes 0xffffffff: the rest up to the end is empty
 *
 * `head` and `tail` count bytes, modulo 2^32, since the start; the capacity divides that.
 */
const HEAD = 0;
const TAIL = 1;
/** 1 while the reader wants to be told of the next datagram. */
const IS_READER_WAITING = 2;
/** The writer's and the reader's words on cache lines of their own. */
const WORD_STRIDE = 16;
const HEADER_BYTES = 3 * WORD_STRIDE * 4 + 64;
const RECORD_HEADER_BYTES = 8;
const SKIP = 0xffff_ffff;

export const PIPE_RING_BYTES = 2 ** 20;

export class PipeRing {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #data: PacketBuffer;
  readonly #capacity: number;
  /** Pipe of the datagram that `shift` or `peek` saw last. */
  pipe = 0;

  /** `source`: the capacity in bytes, a power of two, or the memory of the other end's ring. */
  constructor(source: number | SharedArrayBuffer = PIPE_RING_BYTES) {
    this.buffer = typeof source === "number" ? new SharedArrayBuffer(HEADER_BYTES + source) : source;
    this.#words = new Int32Array(this.buffer, 0, HEADER_BYTES / 4);
    this.#data = new PacketBuffer(this.buffer);
    this.#capacity = this.buffer.byteLength - HEADER_BYTES;
    if (typeof source === "number") Atomics.store(this.#words, IS_READER_WAITING * WORD_STRIDE, 1);
  }

  /** Writer: copies a datagram in. False when there is no room. */
  push(pipe: number, source: Buffer, offset: number, sizeBytes: number): boolean {
    const capacity = this.#capacity;
    const head = this.#load(HEAD);
    const tail = this.#load(TAIL);
    const needed = recordBytes(sizeBytes);
    let at = tail % capacity;
    const skipped = at + needed > capacity ? capacity - at : 0;
    if (((tail - head) >>> 0) + skipped + needed > capacity) return false;
    const { view, bytes } = this.#data;
    if (skipped > 0) {
      view.setUint32(HEADER_BYTES + at, SKIP, true);
      at = 0;
    }
    view.setUint32(HEADER_BYTES + at, sizeBytes, true);
    view.setUint32(HEADER_BYTES + at + 4, pipe, true);
    source.copy(bytes, HEADER_BYTES + at + RECORD_HEADER_BYTES, offset, offset + sizeBytes);
    this.#store(TAIL, tail + skipped + needed);
    return true;
  }

  /** Writer: whether the reader has to be told. True once for every time that it went to wait. */
  takeReaderWaiting(): boolean {
    return Atomics.exchange(this.#words, IS_READER_WAITING * WORD_STRIDE, 0) === 1;
  }

  /** Reader: from now on it wants to be told. To be called before a last look at `nextBytes`. */
  waitForWriter(): void {
    Atomics.store(this.#words, IS_READER_WAITING * WORD_STRIDE, 1);
  }

  /** Reader: size of the next datagram, -1 when there is none; `pipe` says whose it is. */
  nextBytes(): number {
    let head = this.#load(HEAD);
    if (head === this.#load(TAIL)) return -1;
    let at = head % this.#capacity;
    const { view } = this.#data;
    if (view.getUint32(HEADER_BYTES + at, true) === SKIP) {
      head += this.#capacity - at;
      this.#store(HEAD, head);
      at = 0;
    }
    this.pipe = view.getUint32(HEADER_BYTES + at + 4, true);
    return view.getUint32(HEADER_BYTES + at, true);
  }

  /** Reader: moves the datagram that `nextBytes` spoke of to `target`. */
  shift(target: Buffer, targetOffset: number): void {
    const head = this.#load(HEAD);
    const at = HEADER_BYTES + (head % this.#capacity);
    const sizeBytes = this.#data.view.getUint32(at, true);
    this.#data.bytes.copy(target, targetOffset, at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + sizeBytes);
    this.#store(HEAD, head + recordBytes(sizeBytes));
  }

  #load(word: number): number {
    return Atomics.load(this.#words, word * WORD_STRIDE) >>> 0;
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, word * WORD_STRIDE, value | 0);
  }
}

function recordBytes(sizeBytes: number): number {
  return (RECORD_HEADER_BYTES + sizeBytes + 3) & ~3;
}
