import type { PacketBuffer } from "../packet/packet-buffer.ts";

/** What the kernel hands over in one read, and takes in one write, beyond single wire-sized packets with checksums. */
export interface TunOffloads {
  /** Reads may lack the transport checksum, writes may ask for it (`TUN_F_CSUM`). */
  readonly checksum: boolean;
  /** TCP superpackets over IPv4 and IPv6 (`TUN_F_TSO4`, `TUN_F_TSO6`). */
  readonly tcp4: boolean;
  readonly tcp6: boolean;
  /** UDP superpackets (`TUN_F_USO4`, `TUN_F_USO6`; Linux ≥ 6.2). */
  readonly udp: boolean;
}

/**
 * Where to read a frame to in a buffer: the packet behind the 10-byte virtio header then stands on a multiple of 16,
 * and checksums run over aligned words.
 */
export const FRAME_READ_OFFSET = 6;

/** Virtio header and the largest IP packet. */
export const MAX_FRAME_BYTES = 10 + 65_535;

/** Where frames for the host go: `Joiner` writes to one, every `TunDevice` is one. */
export interface FrameSink {
  /**
   * Writes one frame, a virtio header and an IP packet, gathered from `pieceCount` pieces of `buffer`: piece i is
   * `pieces[2 i + 1]` bytes from `pieces[2 i]`. The first piece begins with the virtio header and holds all headers.
   * The sink is done with `buffer` and `pieces` when it returns. Returns false when the device refused the frame; the
   * caller counts a drop.
   */
  writeFrame(buffer: PacketBuffer, pieces: Int32Array, pieceCount: number): boolean;
}

/** A layer-3 network device whose frames are a virtio header (`virtio-header.ts`) and an IP packet. */
export interface TunDevice extends FrameSink {
  readonly name: string;
  readonly mtuBytes: number;
  readonly offloads: TunOffloads;
  /**
   * Reads one frame to `buffer` from `offset` (`FRAME_READ_OFFSET` for aligned packets; `MAX_FRAME_BYTES` must fit
   * behind it). Returns its bytes, virtio header included, or 0 when there is none at the moment.
   */
  readFrame(buffer: PacketBuffer, offset: number): number;
  /** Removes the device. Idempotent. */
  close(): void;
}
