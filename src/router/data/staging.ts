import { MAX_STAGED_PACKETS } from "../../wireguard/limits.ts";

interface StagedFrame {
  readonly bytes: Uint8Array;
  readonly packets: number;
}

/**
 * TUN frames of one peer that wait for a session or a path, as they were read. Bounded in packets as they would go out (a
 * superpacket counts as many); the oldest frames go when others come. Copies: no session, no hurry.
 */
export class Stage {
  readonly #frames: StagedFrame[] = [];
  #packets = 0;

  get frames(): number {
    return this.#frames.length;
  }

  get packets(): number {
    return this.#packets;
  }

  /** Takes a copy of the frame; returns how many packets had to go for it. */
  push(bytes: Uint8Array, offset: number, frameBytes: number, packets: number): number {
    let evicted = 0;
    while (this.#frames.length > 0 && this.#packets + packets > MAX_STAGED_PACKETS) {
      const oldest = this.#frames.shift()!;
      this.#packets -= oldest.packets;
      evicted += oldest.packets;
    }
    this.#frames.push({ bytes: new Uint8Array(bytes.subarray(offset, offset + frameBytes)), packets });
    this.#packets += packets;
    return evicted;
  }

  /** Moves the oldest frame to `target` at `offset`; returns its bytes, 0 when there is none. */
  shift(target: Uint8Array, offset: number): number {
    const frame = this.#frames.shift();
    if (frame === undefined) return 0;
    this.#packets -= frame.packets;
    target.set(frame.bytes, offset);
    return frame.bytes.length;
  }

  /** Forgets everything; returns how many packets that were. */
  clear(): number {
    const packets = this.#packets;
    this.#frames.length = 0;
    this.#packets = 0;
    return packets;
  }
}
