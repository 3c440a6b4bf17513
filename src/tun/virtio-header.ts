import type { PacketBuffer } from "../packet/packet-buffer.ts";

/**
 * `struct virtio_net_hdr` of Linux <linux/virtio_net.h> (legacy layout, 10 bytes, the machine's order; little-endian on
 * everything that we run on), in front of every packet of a TUN device with `IFF_VNET_HDR`:
 *
 *       0       1          2         4          6            8              10
 *     | flags | gso type | hdr len | gso size | csum start | csum offset | IP packet …
 *
 * With `needsChecksum` the transport's checksum field holds the folded sum of the pseudo header only: whoever sends the
 * packet on a wire sums from `csum start` to the end and stores the complement at `csum start + csum offset`.
 */
export const VIRTIO_HEADER_BYTES = 10;

export const VirtioFlag = { needsChecksum: 1, dataValid: 2 } as const;

/** `gso type`; `ecn` is a bit beside the others: the first segment carries CWR. */
export const GsoType = { none: 0, tcp4: 1, udpFragments: 3, tcp6: 4, udp: 5, ecn: 0x80 } as const;

/** The header's fields, reused for every frame. */
export class VirtioHeader {
  flags = 0;
  gsoType = 0;
  /** A hint: all headers of the superpacket. Never to be trusted. */
  headerBytes = 0;
  /** Transport payload per segment. */
  gsoBytes = 0;
  /** From the start of the IP packet. */
  checksumStart = 0;
  /** From `checksumStart`. */
  checksumOffset = 0;
}

export function readVirtioHeader(buffer: PacketBuffer, offset: number, out: VirtioHeader): void {
  const { bytes, view } = buffer;
  out.flags = bytes[offset]!;
  out.gsoType = bytes[offset + 1]!;
  out.headerBytes = view.getUint16(offset + 2, true);
  out.gsoBytes = view.getUint16(offset + 4, true);
  out.checksumStart = view.getUint16(offset + 6, true);
  out.checksumOffset = view.getUint16(offset + 8, true);
}

export function writeVirtioHeader(buffer: PacketBuffer, offset: number, header: VirtioHeader): void {
  const { bytes, view } = buffer;
  bytes[offset] = header.flags;
  bytes[offset + 1] = header.gsoType;
  view.setUint16(offset + 2, header.headerBytes, true);
  view.setUint16(offset + 4, header.gsoBytes, true);
  view.setUint16(offset + 6, header.checksumStart, true);
  view.setUint16(offset + 8, header.checksumOffset, true);
}

/** A header that asks for nothing: one complete packet follows. */
export function clearVirtioHeader(buffer: PacketBuffer, offset: number): void {
  buffer.bytes.fill(0, offset, offset + VIRTIO_HEADER_BYTES);
}
