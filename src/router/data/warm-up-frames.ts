import { checksumOf, foldSum, sumBytes, sumPseudoHeader } from "../../packet/checksum.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { GsoType, VIRTIO_HEADER_BYTES, VirtioFlag, VirtioHeader, writeVirtioHeader } from "../../tun/virtio-header.ts";

const TCP = 6;
const UDP = 17;
const ICMP = { 4: 1, 6: 58 } as const;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const TCP_HEADER_BYTES = 32;
/** UDP and ICMP. */
const SHORT_HEADER_BYTES = 8;
const SEGMENT_BYTES = 1348;

/** What a host sends, and what the other host answers: TUN frames, virtio header included. */
export interface WarmUpExchange {
  readonly forth: Uint8Array;
  readonly back: Uint8Array;
}

/** One exchange of each kind that the packet path tells apart: either family, small datagrams, bulk TCP with its acks, echoes. */
export const WARM_UP_FRAMES: readonly WarmUpExchange[] = ([4, 6] as const).flatMap((version) => [
  { forth: frame(version, UDP, 56), back: frame(version, UDP, 56) },
  { forth: frame(version, TCP, 12 * SEGMENT_BYTES), back: frame(version, TCP, 0) },
  { forth: frame(version, UDP, 1300), back: frame(version, UDP, 1) },
  { forth: frame(version, ICMP[version], 56), back: frame(version, ICMP[version], 56) },
]);

/** Where the frames come from and go to, and more, so that a lookup has some way to go. */
export const WARM_UP_PREFIXES = ["10.0.0.0/22", "10.0.0.1/32", "10.0.0.2/32", "fd00::/8", "fd00::2/128"];
/** Leads to a peer without a session. */
export const WARM_UP_SILENT_PREFIX = "10.0.3.0/24";

/** To nobody, and to a peer without a session. */
export const WARM_UP_STRAYS: readonly Uint8Array[] = [frame(4, UDP, 56, 0xc0000201), frame(4, UDP, 56, 0x0a000301)];

/** `destination4`: of an IPv4 packet. */
function frame(version: 4 | 6, protocol: number, payloadBytes: number, destination4 = 0x0a000002): Uint8Array {
  const ipBytes = version === 4 ? 20 : 40;
  const headerBytes = protocol === TCP ? TCP_HEADER_BYTES : SHORT_HEADER_BYTES;
  const totalBytes = ipBytes + headerBytes + payloadBytes;
  const buffer = new PacketBuffer((VIRTIO_HEADER_BYTES + totalBytes + 3) & ~3);
  const { view } = buffer;
  const ip = VIRTIO_HEADER_BYTES;
  const transport = ip + ipBytes;
  if (version === 4) {
    view.setUint16(ip, 0x4500);
    view.setUint16(ip + 2, totalBytes);
    view.setUint16(ip + 6, 0x4000);
    view.setUint16(ip + 8, (64 << 8) | protocol);
    view.setUint32(ip + 12, 0x0a000001);
    view.setUint32(ip + 16, destination4);
  } else {
    view.setUint32(ip, 0x6000_0000);
    view.setUint16(ip + 4, totalBytes - ipBytes);
    view.setUint16(ip + 6, (protocol << 8) | 64);
    view.setUint32(ip + 8, 0xfd000000);
    view.setUint32(ip + 24, 0xfd000000);
    view.setUint32(ip + 36, 2);
  }
  if (protocol === ICMP[version]) {
    // Hosts checksum ICMP themselves; nobody looks at it on the way.
    view.setUint8(transport, ECHO_REQUEST[version]);
    return buffer.bytes.subarray(0, VIRTIO_HEADER_BYTES + totalBytes);
  }
  view.setUint32(transport, (1234 << 16) | 5678);
  if (protocol === TCP) {
    view.setUint8(transport + 12, (TCP_HEADER_BYTES / 4) << 4);
    view.setUint8(transport + 13, 0x10);
    // Two no-operations and a time stamp: what every connection of Linux carries.
    view.setUint32(transport + 20, 0x0101080a);
  } else view.setUint16(transport + 4, headerBytes + payloadBytes);
  if (version === 4) view.setUint16(ip + 10, checksumOf(sumBytes(buffer, ip, ipBytes, 0)), true);
  const checksumOffset = protocol === TCP ? 16 : 6;
  const addressBytes = version === 4 ? 4 : 16;
  // What a host leaves to its device: the sum of the pseudo header alone.
  const pseudo = sumPseudoHeader(buffer, transport - 2 * addressBytes, addressBytes, protocol, totalBytes - ipBytes);
  view.setUint16(transport + checksumOffset, foldSum(pseudo), true);
  const isSuperpacket = payloadBytes > SEGMENT_BYTES;
  const header = Object.assign(new VirtioHeader(), {
    flags: VirtioFlag.needsChecksum,
    gsoType: !isSuperpacket ? GsoType.none : version === 4 ? GsoType.tcp4 : GsoType.tcp6,
    headerBytes: ipBytes + headerBytes,
    gsoBytes: isSuperpacket ? SEGMENT_BYTES : 0,
    checksumStart: ipBytes,
    checksumOffset,
  });
  writeVirtioHeader(buffer, 0, header);
  return buffer.bytes.subarray(0, VIRTIO_HEADER_BYTES + totalBytes);
}
