import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";
import type { Underlay } from "./options.ts";

/** Above this the socket to the jump host is left to drain. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * A channel through a jump host as a stream like a TCP socket. A channel of ssh2 takes whatever its window allows (2 MiB)
 * and leaves it with the socket; this one waits for the socket, so that what is in flight stays small.
 */
export class JumpStream extends Duplex implements Underlay {
  bytesRead = 0;
  #passedBytes = 0;
  readonly #channel: ClientChannel;
  readonly #socket: Duplex;

  /** @param socket what `channel` runs over, shared with other channels */
  constructor(channel: ClientChannel, socket: Duplex) {
    super();
    this.#channel = channel;
    this.#socket = socket;
    channel.on("data", (chunk: Buffer) => {
      this.bytesRead += chunk.length;
      if (!this.push(chunk)) channel.pause();
    });
    channel.on("end", () => this.push(null));
    channel.on("error", (failure: Error) => this.destroy(failure));
    channel.on("close", () => this.destroy());
  }

  /** As a socket counts: with what waits in here. */
  get bytesWritten(): number {
    return this.#passedBytes + this.writableLength;
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (failure?: Error | null) => void): void {
    const pass = (failure?: Error | null) => {
      this.#passedBytes += chunk.length;
      done(failure);
    };
    this.#channel.write(chunk, (failure) => {
      const socket = this.#socket;
      if (failure || socket.writableLength < HIGH_WATER_BYTES) pass(failure);
      else socket.once("drain", pass);
    });
  }

  override _final(done: () => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(failure: Error | null, done: (failure?: Error | null) => void): void {
    this.#channel.close();
    done(failure);
  }
}
