import type { PacketBuffer } from "./packet-buffer.ts";
import { IpProtocol, type PacketRecord, type ParseFailure } from "./packet-record.ts";

const V4_HEADER_BYTES = 20;
const V6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const ICMP_HEADER_BYTES = 8;
const FRAGMENT_HEADER_BYTES = 8;
const QUOTED_TRANSPORT_BYTES = 8;
const MAX_IP_BYTES = 65_535;
/** RFC 8200 §4.1 recommends at most seven, destination options occurring twice; a chain longer than this is an attack. */
const MAX_EXTENSION_HEADERS = 8;

/**
 * Parses the IP packet that starts at `offset` and has at most `length` bytes (padding behind it is allowed) into `out`.
 * Returns false, with `out.failure` set, when it is malformed; reads nothing outside the `length` bytes.
 */
export function parsePacket(buffer: PacketBuffer, offset: number, length: number, out: PacketRecord): boolean {
  if (length < 1 || offset < 0 || offset + length > buffer.sizeBytes) return fail(out, "empty");
  out.failure = "none";
  out.offset = offset;
  out.version = buffer.bytes[offset]! >> 4;
  out.isFragment = false;
  out.fragmentOffset = 0;
  out.moreFragments = false;
  if (out.version === 4) return parseV4(buffer, length, out) && parseTransport(buffer, out);
  if (out.version === 6) return parseV6(buffer, length, out) && parseTransport(buffer, out);
  return fail(out, "bad-version");
}

/**
 * Parses the packet that an ICMP error quotes, as far as that tells which connection it is of: addresses, protocol, ports, or
 * type and identifier of ICMP. `length` is what there is of it, which may be less than its header says.
 */
export function parseQuotedPacket(buffer: PacketBuffer, offset: number, length: number, out: PacketRecord): boolean {
  if (length < 1 || offset < 0 || offset + length > buffer.sizeBytes) return fail(out, "empty");
  out.failure = "none";
  out.offset = offset;
  out.version = buffer.bytes[offset]! >> 4;
  out.isFragment = false;
  out.fragmentOffset = 0;
  out.moreFragments = false;
  const hasIp = out.version === 4 ? parseV4(buffer, length, out, true) : parseV6(buffer, length, out, true);
  return hasIp && parseQuotedTransport(buffer, out);
}

function fail(out: PacketRecord, failure: ParseFailure): false {
  out.failure = failure;
  return false;
}

/**
 * RFC 791 §3.1:
 *
 *     0                 1                 2                 3
 *     | version | IHL   | type of service | total length        |
 *     | identification                    | 0 DF MF | offset    |
 *     | time to live    | protocol        | header checksum     |
 *     | source address                                          |
 *     | destination address                                     |
 *     | options …                                               |
 */
function parseV4(buffer: PacketBuffer, length: number, out: PacketRecord, isQuoted = false): boolean {
  if (length < V4_HEADER_BYTES) return fail(out, "truncated-ip");
  const { bytes, view } = buffer;
  const at = out.offset;
  const headerBytes = (bytes[at]! & 15) * 4;
  const statedBytes = view.getUint16(at + 2);
  const totalBytes = isQuoted ? Math.min(statedBytes, length) : statedBytes;
  if (headerBytes < V4_HEADER_BYTES || totalBytes < headerBytes || totalBytes > length)
    return fail(out, "bad-ip-length");
  out.totalBytes = totalBytes;
  out.ipHeaderBytes = headerBytes;
  out.hasIpOptions = headerBytes > V4_HEADER_BYTES;
  out.trafficClass = bytes[at + 1]!;
  out.flowLabel = 0;
  out.identification = view.getUint16(at + 4);
  out.hopLimit = bytes[at + 8]!;
  out.protocol = bytes[at + 9]!;
  out.sourceOffset = at + 12;
  out.destinationOffset = at + 16;
  out.addressBytes = 4;
  out.transportOffset = at + headerBytes;
  const fragment = view.getUint16(at + 6);
  out.dontFragment = (fragment & 0x4000) !== 0;
  return takeFragment(out, (fragment & 0x1fff) * 8, (fragment & 0x2000) !== 0);
}

function takeFragment(out: PacketRecord, fragmentOffset: number, moreFragments: boolean): boolean {
  if (fragmentOffset === 0 && !moreFragments) return true;
  // Reassembled, nothing may reach beyond what a length field can say ("ping of death").
  const dataBytes = out.offset + out.totalBytes - out.transportOffset;
  if (fragmentOffset + dataBytes > MAX_IP_BYTES) return fail(out, "bad-fragment");
  out.isFragment = true;
  out.fragmentDataOffset = out.transportOffset;
  out.fragmentOffset = fragmentOffset;
  out.moreFragments = moreFragments;
  return true;
}

/**
 * RFC 8200 §3:
 *
 *     0                 1                 2                 3
 *     | version | traffic class | flow label                    |
 *     | payload length                    | next header | hops  |
 *     | source address, 16 bytes                                |
 *     | destination address, 16 bytes                           |
 */
function parseV6(buffer: PacketBuffer, length: number, out: PacketRecord, isQuoted = false): boolean {
  if (length < V6_HEADER_BYTES) return fail(out, "truncated-ip");
  const { bytes, view } = buffer;
  const at = out.offset;
  const statedBytes = V6_HEADER_BYTES + view.getUint16(at + 4);
  const totalBytes = isQuoted ? Math.min(statedBytes, length) : statedBytes;
  if (totalBytes > length) return fail(out, "bad-ip-length");
  const word = view.getUint32(at);
  out.totalBytes = totalBytes;
  out.trafficClass = (word >>> 20) & 0xff;
  out.flowLabel = word & 0xfffff;
  out.identification = 0;
  out.dontFragment = true;
  out.hopLimit = bytes[at + 7]!;
  out.sourceOffset = at + 8;
  out.destinationOffset = at + 24;
  out.addressBytes = 16;
  return walkExtensions(buffer, bytes[at + 6]!, out);
}

/** Steps over extension headers (RFC 8200 §4) to the transport; behind a later fragment's header there is only data. */
function walkExtensions(buffer: PacketBuffer, firstHeader: number, out: PacketRecord): boolean {
  const { bytes, view } = buffer;
  const end = out.offset + out.totalBytes;
  let at = out.offset + V6_HEADER_BYTES;
  let header = firstHeader;
  let hasFragmentHeader = false;
  for (let walked = 0; out.fragmentOffset === 0 && isExtension(header); walked++) {
    if (walked === MAX_EXTENSION_HEADERS) return fail(out, "too-many-extensions");
    if (at + 8 > end) return fail(out, "truncated-extension");
    const headerBytes = extensionBytes(header, bytes[at + 1]!);
    if (at + headerBytes > end) return fail(out, "truncated-extension");
    if (header === IpProtocol.fragment) {
      // One at most (RFC 8200 §4.1): behind a second we would go by its identification, and the host by that of the first.
      if (hasFragmentHeader) return fail(out, "bad-fragment");
      hasFragmentHeader = true;
      out.identification = view.getUint32(at + 4);
      const fragment = view.getUint16(at + 2);
      out.transportOffset = at + headerBytes;
      if (!takeFragment(out, fragment & 0xfff8, (fragment & 1) !== 0)) return false;
    }
    header = bytes[at]!;
    at += headerBytes;
  }
  out.protocol = header;
  out.transportOffset = at;
  out.ipHeaderBytes = at - out.offset;
  out.hasIpOptions = out.ipHeaderBytes > V6_HEADER_BYTES;
  return true;
}

function isExtension(header: number): boolean {
  return (
    header === IpProtocol.hopByHop ||
    header === IpProtocol.routing ||
    header === IpProtocol.fragment ||
    header === IpProtocol.authentication ||
    header === IpProtocol.destinationOptions ||
    header === IpProtocol.mobility ||
    header === IpProtocol.hostIdentity ||
    header === IpProtocol.shim6
  );
}

/** `lengthField` is the header's second byte. */
function extensionBytes(header: number, lengthField: number): number {
  if (header === IpProtocol.fragment) return FRAGMENT_HEADER_BYTES;
  // RFC 4302 §2.2: in words of 4 bytes, minus 2; all others count words of 8 bytes, minus 1.
  if (header === IpProtocol.authentication) return Math.max(8, (lengthField + 2) * 4);
  return (lengthField + 1) * 8;
}

function parseTransport(buffer: PacketBuffer, out: PacketRecord): boolean {
  out.hasTransport = false;
  out.transportHeaderBytes = 0;
  out.payloadOffset = out.transportOffset;
  out.payloadBytes = out.offset + out.totalBytes - out.transportOffset;
  out.sourcePort = 0;
  out.destinationPort = 0;
  out.tcpFlags = 0;
  out.sequence = 0;
  out.acknowledgement = 0;
  out.icmpType = 0;
  out.icmpCode = 0;
  out.icmpId = 0;
  if (out.fragmentOffset > 0) return true;
  if (out.protocol === IpProtocol.tcp) return parseTcp(buffer, out);
  if (out.protocol === IpProtocol.udp) return parseUdp(buffer, out);
  if (out.protocol === (out.version === 4 ? IpProtocol.icmp : IpProtocol.icmp6)) return parseIcmp(buffer, out);
  return true;
}

/** The first 8 bytes, which every error has (RFC 792), say enough. */
function parseQuotedTransport(buffer: PacketBuffer, out: PacketRecord): boolean {
  out.hasTransport = false;
  if (out.fragmentOffset > 0) return fail(out, "bad-fragment");
  const at = out.transportOffset;
  if (at + QUOTED_TRANSPORT_BYTES > out.offset + out.totalBytes) return fail(out, "truncated-transport");
  out.sourcePort = buffer.view.getUint16(at);
  out.destinationPort = buffer.view.getUint16(at + 2);
  out.icmpType = buffer.bytes[at]!;
  out.icmpId = buffer.view.getUint16(at + 4);
  return true;
}

/** RFC 9293 §3.1. A header cut short in a first fragment is refused too: nothing honest sends that (RFC 7112, RFC 3128). */
function parseTcp(buffer: PacketBuffer, out: PacketRecord): boolean {
  if (out.payloadBytes < TCP_HEADER_BYTES) return fail(out, "truncated-transport");
  const { bytes, view } = buffer;
  const at = out.transportOffset;
  const headerBytes = (bytes[at + 12]! >> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > out.payloadBytes) return fail(out, "bad-transport-length");
  out.sourcePort = view.getUint16(at);
  out.destinationPort = view.getUint16(at + 2);
  out.sequence = view.getUint32(at + 4);
  out.acknowledgement = view.getUint32(at + 8);
  out.tcpFlags = bytes[at + 13]!;
  takeTransportHeader(out, headerBytes);
  return true;
}

/** RFC 768. */
function parseUdp(buffer: PacketBuffer, out: PacketRecord): boolean {
  if (out.payloadBytes < UDP_HEADER_BYTES) return fail(out, "truncated-transport");
  const view = buffer.view;
  const at = out.transportOffset;
  const udpBytes = view.getUint16(at + 4);
  if (udpBytes < UDP_HEADER_BYTES || (udpBytes > out.payloadBytes && !out.isFragment)) {
    return fail(out, "bad-transport-length");
  }
  out.sourcePort = view.getUint16(at);
  out.destinationPort = view.getUint16(at + 2);
  takeTransportHeader(out, UDP_HEADER_BYTES);
  return true;
}

/** RFC 792, RFC 4443 §2.1. */
function parseIcmp(buffer: PacketBuffer, out: PacketRecord): boolean {
  if (out.payloadBytes < ICMP_HEADER_BYTES) return fail(out, "truncated-transport");
  const at = out.transportOffset;
  out.icmpType = buffer.bytes[at]!;
  out.icmpCode = buffer.bytes[at + 1]!;
  out.icmpId = buffer.view.getUint16(at + 4);
  takeTransportHeader(out, ICMP_HEADER_BYTES);
  return true;
}

function takeTransportHeader(out: PacketRecord, headerBytes: number): void {
  out.hasTransport = true;
  out.transportHeaderBytes = headerBytes;
  out.payloadOffset += headerBytes;
  out.payloadBytes -= headerBytes;
}
