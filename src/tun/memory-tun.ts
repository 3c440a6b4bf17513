import { BoundedRing } from "../base/ring.ts";
import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { TunDevice, TunOffloads } from "./tun-device.ts";
import { VIRTIO_HEADER_BYTES } from "./virtio-header.ts";

const QUEUE_FRAMES = 1024;
const ALL_OFFLOADS: TunOffloads = { checksum: true, tcp4: true, tcp6: true, udp: true };

/** A TUN device in memory, for tests: the test plays the host's network stack. */
export class MemoryTun implements TunDevice {
  readonly name: string;
  readonly mtuBytes: number;
  readonly offloads: TunOffloads;
  /** Every frame written so far, virtio header included. */
  readonly written: Uint8Array[] = [];
  /** While set, `writeFrame` refuses, as a device that is down does. */
  isRefusing = false;
  isClosed = false;
  readonly #toRead = new BoundedRing<Uint8Array>(QUEUE_FRAMES);

  constructor(options: { name?: string; mtuBytes?: number; offloads?: TunOffloads } = {}) {
    this.name = options.name ?? "memory0";
    this.mtuBytes = options.mtuBytes ?? 1420;
    this.offloads = options.offloads ?? ALL_OFFLOADS;
  }

  /** The host sends a frame (virtio header and packet). */
  inject(frame: Uint8Array): void {
    this.#toRead.push(Uint8Array.from(frame));
  }

  /** The host sends a complete packet. */
  injectPacket(packet: Uint8Array): void {
    const frame = new Uint8Array(VIRTIO_HEADER_BYTES + packet.length);
    frame.set(packet, VIRTIO_HEADER_BYTES);
    this.#toRead.push(frame);
  }

  readFrame(buffer: PacketBuffer, offset: number): number {
    const frame = this.#toRead.shift();
    if (frame === undefined) return 0;
    buffer.bytes.set(frame, offset);
    return frame.length;
  }

  writeFrame(buffer: PacketBuffer, pieces: Int32Array, pieceCount: number): boolean {
    if (this.isRefusing || this.isClosed) return false;
    const parts = Array.from({ length: pieceCount }, (_, i) => {
      const start = pieces[2 * i]!;
      return buffer.bytes.subarray(start, start + pieces[2 * i + 1]!);
    });
    this.written.push(Uint8Array.from(Buffer.concat(parts)));
    return true;
  }

  /** What was written since the last call, virtio header included. */
  takeWritten(): Uint8Array[] {
    return this.written.splice(0);
  }

  close(): void {
    this.isClosed = true;
    this.#toRead.clear();
  }
}
