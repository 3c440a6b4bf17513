import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import type { FrameSink } from "../../tun/tun-device.ts";
import type { Counters } from "../shared/counters.ts";

/** Counts what the device takes, and what it does not: it refuses while it is down, mostly. */
export class CountingSink implements FrameSink {
  readonly #sink: FrameSink;
  readonly #counters: Counters;

  constructor(sink: FrameSink, counters: Counters) {
    this.#sink = sink;
    this.#counters = counters;
  }

  writeFrame(buffer: PacketBuffer, pieces: Int32Array, pieceCount: number): boolean {
    const isTaken = this.#sink.writeFrame(buffer, pieces, pieceCount);
    if (isTaken) this.#counters.add("tunFramesWritten", 1);
    else this.#counters.drop("in-device-refused");
    return isTaken;
  }
}
