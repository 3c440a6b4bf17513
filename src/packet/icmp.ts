import { checksumOf, sumBytes, sumPseudoHeader } from "./checksum.ts";
import type { PacketBuffer } from "./packet-buffer.ts";
import { IpProtocol, type PacketRecord } from "./packet-record.ts";

/** What an ICMP error says; each has a type and code in both families. */
export type IcmpErrorKind =
  | "no-route"
  | "prohibited"
  | "host-unreachable"
  | "port-unreachable"
  | "too-big"
  | "time-exceeded";

/** Type and code of ICMPv4 (RFC 792, RFC 1812 §5.2.7.1) and of ICMPv6 (RFC 4443 §3). */
const TYPES: Record<IcmpErrorKind, readonly [v4Type: number, v4Code: number, v6Type: number, v6Code: number]> = {
  "no-route": [3, 0, 1, 0],
  prohibited: [3, 13, 1, 1],
  "host-unreachable": [3, 1, 1, 3],
  "port-unreachable": [3, 3, 1, 4],
  "too-big": [3, 4, 2, 0],
  "time-exceeded": [11, 0, 3, 0],
};

const V4_HEADER_BYTES = 20;
const V6_HEADER_BYTES = 40;
const ICMP_HEADER_BYTES = 8;
/** RFC 1812 §4.3.2.3: as much of the packet as fits. */
const MAX_V4_ERROR_BYTES = 576;
const HOP_LIMIT = 64;

/** Room that `buildIcmpError` needs at its target: the minimum IPv6 MTU, which no error exceeds (RFC 4443 §2.4 c). */
export const MAX_ICMP_ERROR_BYTES = 1280;

/**
 * Builds the ICMP error about `packet` (in `source`) at `targetOffset` of `target`: a whole IP packet from `fromAddress`
 * (4 or 16 bytes, of the packet's family) to its sender. `mtuBytes` counts for "too-big" only. Returns its length, or 0
 * when there must be none (RFC 1122 §3.2.2, RFC 4443 §2.4 e). Limiting the rate is up to the caller.
 *
 *     | IP header | type | code | checksum | 0, or the MTU | as much of the packet as fits |
 */
export function buildIcmpError(
  target: PacketBuffer,
  targetOffset: number,
  source: PacketBuffer,
  packet: PacketRecord,
  kind: IcmpErrorKind,
  fromAddress: Uint8Array,
  mtuBytes = 0,
): number {
  if (fromAddress.length !== packet.addressBytes || !mayAnswer(source, packet, kind)) return 0;
  const isV4 = packet.version === 4;
  const ipBytes = isV4 ? V4_HEADER_BYTES : V6_HEADER_BYTES;
  const maxBytes = isV4 ? MAX_V4_ERROR_BYTES : MAX_ICMP_ERROR_BYTES;
  const quotedBytes = Math.min(packet.totalBytes, maxBytes - ipBytes - ICMP_HEADER_BYTES);
  const totalBytes = ipBytes + ICMP_HEADER_BYTES + quotedBytes;
  const icmp = targetOffset + ipBytes;
  const [v4Type, v4Code, v6Type, v6Code] = TYPES[kind];

  target.bytes.fill(0, targetOffset, icmp + ICMP_HEADER_BYTES);
  target.bytes[icmp] = isV4 ? v4Type : v6Type;
  target.bytes[icmp + 1] = isV4 ? v4Code : v6Code;
  // ICMPv4 has 16 bits for the MTU (RFC 1191 §4) and ICMPv6 has 32, both ending at the same byte.
  if (kind === "too-big") target.view.setUint32(icmp + 4, Math.min(mtuBytes, 0xffff));
  source.bytes.copy(target.bytes, icmp + ICMP_HEADER_BYTES, packet.offset, packet.offset + quotedBytes);
  if (isV4) writeV4Header(target, targetOffset, totalBytes, IpProtocol.icmp);
  else writeV6Header(target, targetOffset, totalBytes, IpProtocol.icmp6);
  const addresses = targetOffset + (isV4 ? 12 : 8);
  target.bytes.set(fromAddress, addresses);
  source.bytes.copy(
    target.bytes,
    addresses + packet.addressBytes,
    packet.sourceOffset,
    packet.sourceOffset + packet.addressBytes,
  );

  const icmpBytes = ICMP_HEADER_BYTES + quotedBytes;
  const pseudo = isV4 ? 0 : sumPseudoHeader(target, addresses, packet.addressBytes, IpProtocol.icmp6, icmpBytes);
  target.view.setUint16(icmp + 2, checksumOf(sumBytes(target, icmp, icmpBytes, pseudo)), true);
  if (isV4) target.view.setUint16(targetOffset + 10, checksumOf(sumBytes(target, targetOffset, ipBytes, 0)), true);
  return totalBytes;
}

/** All but addresses and checksum, of a packet of our own making; the memory is zero. */
export function writeV4Header(target: PacketBuffer, at: number, totalBytes: number, protocol: number): void {
  target.bytes[at] = 0x45;
  target.view.setUint16(at + 2, totalBytes);
  target.bytes[at + 8] = HOP_LIMIT;
  target.bytes[at + 9] = protocol;
}

export function writeV6Header(target: PacketBuffer, at: number, totalBytes: number, protocol: number): void {
  target.bytes[at] = 0x60;
  target.view.setUint16(at + 4, totalBytes - V6_HEADER_BYTES);
  target.bytes[at + 6] = protocol;
  target.bytes[at + 7] = HOP_LIMIT;
}

/** Whether a packet of our own making may answer this one: not where it could meet another answer, or many hosts. */
export function mayAnswer(source: PacketBuffer, packet: PacketRecord, kind: IcmpErrorKind): boolean {
  if (packet.fragmentOffset > 0) return false;
  return packet.version === 4 ? mayAnswerV4(source, packet) : mayAnswerV6(source, packet, kind);
}

/** RFC 1122 §3.2.2; broadcasts of a subnet are unknown here. */
function mayAnswerV4(source: PacketBuffer, packet: PacketRecord): boolean {
  if (packet.protocol === IpProtocol.icmp && !isV4Query(packet.icmpType)) return false;
  const sender = source.bytes[packet.sourceOffset]!;
  // "This" network, loopback, multicast, reserved and broadcast: no single host.
  if (sender === 0 || sender === 127 || sender >= 224) return false;
  return source.bytes[packet.destinationOffset]! < 224;
}

/** Echo, router discovery, timestamp, information and address mask: everything else is an error, or unknown. */
function isV4Query(type: number): boolean {
  return type === 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18);
}

function mayAnswerV6(source: PacketBuffer, packet: PacketRecord, kind: IcmpErrorKind): boolean {
  // Errors have types below 128; 137 is the redirect (RFC 4443 §2.4 e.1, e.2).
  if (packet.protocol === IpProtocol.icmp6 && (packet.icmpType < 128 || packet.icmpType === 137)) return false;
  if (source.bytes[packet.sourceOffset] === 0xff || isUnspecifiedOrLoopback(source, packet.sourceOffset)) return false;
  // Path MTU discovery works for multicast too (e.3).
  return kind === "too-big" || source.bytes[packet.destinationOffset] !== 0xff;
}

function isUnspecifiedOrLoopback(source: PacketBuffer, offset: number): boolean {
  const view = source.view;
  return (
    view.getUint32(offset) === 0 &&
    view.getUint32(offset + 4) === 0 &&
    view.getUint32(offset + 8) === 0 &&
    view.getUint32(offset + 12) <= 1
  );
}
