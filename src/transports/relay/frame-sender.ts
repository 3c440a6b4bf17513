import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { FairQueue } from "./fair-queue.ts";

/** So much is written at once even if the turn is not over, or a long turn would overflow the queue of an idle socket. */
const WRITE_BYTES = 32 * 1024;

export interface FrameSenderOptions {
  /** What may wait in our queue; beyond it the oldest frames are dropped. */
  readonly queueBytes: number;
  /** What may wait in the socket's buffer, which is first in, first out, and cannot be taken back. */
  readonly bufferBytes: number;
  /** A frame of so many bytes was handed to the socket. */
  readonly onSent: (sizeBytes: number) => void;
  readonly onDropped: (frames: number) => void;
}

/**
 * Sends frames on a WebSocket whose other end may be slow: flows take turns, the queue is bounded, and what is sent in one
 * turn of the event loop leaves together.
 */
export class FrameSender {
  #webSocket: WebSocket;
  /** The stream under the WebSocket. */
  #socket: Duplex;
  #options: FrameSenderOptions;
  #queue: FairQueue;
  /** One frame for each key, the latest; before all others, and never dropped. */
  #urgent = new Map<string, Buffer>();
  #isScheduled = false;
  #isStopped = false;
  #bufferBytes: number;

  constructor(webSocket: WebSocket, socket: Duplex, options: FrameSenderOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#options = options;
    this.#queue = new FairQueue(options.queueBytes);
    // Below its mark a socket does not announce that it has drained.
    this.#bufferBytes = Math.max(options.bufferBytes, socket.writableHighWaterMark);
    socket.on("drain", this.#drain);
  }

  /** Memory in our queue and the socket's buffer. */
  get waitingBytes(): number {
    return this.#queue.costBytes + this.#webSocket.bufferedAmount;
  }

  get isBacklogged(): boolean {
    return this.#webSocket.bufferedAmount >= this.#bufferBytes;
  }

  flows(): IterableIterator<string> {
    return this.#queue.flows();
  }

  push(flow: string, frame: Buffer): void {
    if (this.#isStopped) {
      this.#options.onDropped(1);
      return;
    }
    const dropped = this.#queue.push(flow, frame);
    if (dropped > 0) this.#options.onDropped(dropped);
    if (this.#queue.costBytes >= WRITE_BYTES && !this.isBacklogged) this.#drain();
    else this.#schedule();
  }

  /** Sends `frame` as soon as possible, in place of an earlier one of the same key that still waits. */
  pushUrgent(key: string, frame: Buffer): void {
    if (this.#isStopped) return;
    this.#urgent.delete(key);
    this.#urgent.set(key, frame);
    this.#schedule();
  }

  /** Drops what waits of a flow. */
  dropFlow(flow: string): void {
    const dropped = this.#queue.remove(flow);
    if (dropped > 0) this.#options.onDropped(dropped);
  }

  /** Drops what waits and takes nothing more; idempotent. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#socket.off("drain", this.#drain);
    this.#urgent.clear();
    const dropped = this.#queue.clear();
    if (dropped > 0) this.#options.onDropped(dropped);
  }

  #schedule(): void {
    // While the buffer is full, the socket's `drain` is the next occasion.
    if (this.#isScheduled || this.isBacklogged) return;
    this.#isScheduled = true;
    process.nextTick(() => {
      this.#isScheduled = false;
      this.#drain();
    });
  }

  readonly #drain = (): void => {
    if (this.#isStopped || this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#socket.cork();
    for (const [key, frame] of this.#urgent) {
      if (this.isBacklogged) break;
      this.#urgent.delete(key);
      this.#webSocket.send(frame, { binary: true });
    }
    while (!this.isBacklogged) {
      const frame = this.#queue.shift();
      if (frame === undefined) break;
      this.#options.onSent(frame.length);
      this.#webSocket.send(frame, { binary: true });
    }
    this.#socket.uncork();
  };
}
