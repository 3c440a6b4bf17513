import { checksumOf, sumBytes, sumPseudoHeader } from "./checksum.ts";
import { mayAnswer, writeV4Header, writeV6Header } from "./icmp.ts";
import type { PacketBuffer } from "./packet-buffer.ts";
import { IpProtocol, type PacketRecord, TcpFlag } from "./packet-record.ts";

const V4_HEADER_BYTES = 20;
const V6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;

/**
 * Builds the RST that refuses `packet`, a TCP segment in `source`, at `targetOffset` of `target`: from its destination to its
 * sender (RFC 9293 §3.10.7.1). Returns its length, or 0 when there must be none: nobody answers a reset.
 */
export function buildTcpReset(
  target: PacketBuffer,
  targetOffset: number,
  source: PacketBuffer,
  packet: PacketRecord,
): number {
  const { tcpFlags, addressBytes } = packet;
  if ((tcpFlags & TcpFlag.rst) !== 0 || !mayAnswer(source, packet, "port-unreachable")) return 0;
  const isV4 = packet.version === 4;
  const ipBytes = isV4 ? V4_HEADER_BYTES : V6_HEADER_BYTES;
  const totalBytes = ipBytes + TCP_HEADER_BYTES;
  const tcp = targetOffset + ipBytes;
  target.bytes.fill(0, targetOffset, targetOffset + totalBytes);
  if (isV4) writeV4Header(target, targetOffset, totalBytes, IpProtocol.tcp);
  else writeV6Header(target, targetOffset, totalBytes, IpProtocol.tcp);
  const addresses = targetOffset + (isV4 ? 12 : 8);
  source.bytes.copy(target.bytes, addresses, packet.destinationOffset, packet.destinationOffset + addressBytes);
  source.bytes.copy(target.bytes, addresses + addressBytes, packet.sourceOffset, packet.sourceOffset + addressBytes);
  target.view.setUint16(tcp, packet.destinationPort);
  target.view.setUint16(tcp + 2, packet.sourcePort);
  if ((tcpFlags & TcpFlag.ack) !== 0) {
    target.view.setUint32(tcp + 4, packet.acknowledgement);
    target.bytes[tcp + 13] = TcpFlag.rst;
  } else {
    // SYN and FIN count as a byte each.
    const length = packet.payloadBytes + (tcpFlags & TcpFlag.syn ? 1 : 0) + (tcpFlags & TcpFlag.fin ? 1 : 0);
    target.view.setUint32(tcp + 8, packet.sequence + length);
    target.bytes[tcp + 13] = TcpFlag.rst | TcpFlag.ack;
  }
  target.bytes[tcp + 12] = (TCP_HEADER_BYTES / 4) << 4;
  const pseudo = sumPseudoHeader(target, addresses, addressBytes, IpProtocol.tcp, TCP_HEADER_BYTES);
  target.view.setUint16(tcp + 16, checksumOf(sumBytes(target, tcp, TCP_HEADER_BYTES, pseudo)), true);
  if (isV4) target.view.setUint16(targetOffset + 10, checksumOf(sumBytes(target, targetOffset, ipBytes, 0)), true);
  return totalBytes;
}
