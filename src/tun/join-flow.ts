import { checksumOf, foldSum, sumBytes, sumPseudoHeader } from "../packet/checksum.ts";
import { PacketBuffer } from "../packet/packet-buffer.ts";
import { IpProtocol, type PacketRecord, TcpFlag } from "../packet/packet-record.ts";
import {
  clearVirtioHeader,
  GsoType,
  VIRTIO_HEADER_BYTES,
  VirtioFlag,
  VirtioHeader,
  writeVirtioHeader,
} from "./virtio-header.ts";

/** Linux takes no more segments than this in one UDP superpacket (`UDP_MAX_SEGMENTS` of older kernels). */
const MAX_PIECES = 64;
const MAX_IP_BYTES = 65_535;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
/** Flags that a joined segment may have beside ACK. */
const JOINABLE_TCP_FLAGS = TcpFlag.psh | TcpFlag.ece;

/**
 * True when the packet could be part of a superpacket: TCP data with nothing special about it, or a UDP datagram with a
 * checksum; no IPv4 options, extension headers or fragments.
 */
export function isJoinable(buffer: PacketBuffer, packet: PacketRecord): boolean {
  if (packet.hasIpOptions || packet.isFragment || !packet.hasTransport || packet.payloadBytes === 0) return false;
  if (packet.protocol === IpProtocol.tcp) return (packet.tcpFlags & ~JOINABLE_TCP_FLAGS) === TcpFlag.ack;
  if (packet.protocol !== IpProtocol.udp) return false;
  if (packet.payloadOffset + packet.payloadBytes !== packet.offset + packet.totalBytes) return false;
  return buffer.view.getUint16(packet.transportOffset + UDP_CHECKSUM) !== 0;
}

/** Packets of one flow that are held back to leave as one frame. Reused; holds the facts of its first packet. */
export class JoinFlow {
  /** Piece i is `pieces[2 i + 1]` bytes from `pieces[2 i]`; the first begins with the virtio header. */
  readonly pieces = new Int32Array(2 * MAX_PIECES);
  pieceCount = 0;
  /** Nothing more may follow: the last packet was shorter than the first, had PSH, or there is no room. */
  isComplete = false;

  readonly #virtio = new VirtioHeader();
  #buffer = new PacketBuffer(0);
  #isV4 = true;
  #isTcp = true;
  #offset = 0;
  #transport = 0;
  #source = 0;
  #addressBytes = 0;
  #transportHeaderBytes = 0;
  #segmentPayloadBytes = 0;
  #totalBytes = 0;
  #identification = 0;
  #dontFragment = false;
  #sequence = 0;
  #tcpFlags = 0;
  /** The first packet's checksums are looked at only when a second one comes. */
  #isVerified = false;

  /** Starts over with one packet. */
  start(buffer: PacketBuffer, packet: PacketRecord): void {
    this.#buffer = buffer;
    this.#isV4 = packet.version === 4;
    this.#isTcp = packet.protocol === IpProtocol.tcp;
    this.#offset = packet.offset;
    this.#transport = packet.transportOffset;
    this.#source = packet.sourceOffset;
    this.#addressBytes = packet.addressBytes;
    this.#transportHeaderBytes = packet.transportHeaderBytes;
    this.#segmentPayloadBytes = packet.payloadBytes;
    this.#totalBytes = packet.totalBytes;
    this.#identification = packet.identification;
    this.#dontFragment = packet.dontFragment;
    this.#sequence = packet.sequence + packet.payloadBytes;
    this.#tcpFlags = packet.tcpFlags;
    this.#isVerified = false;
    this.isComplete = (packet.tcpFlags & TcpFlag.psh) !== 0;
    this.pieces[0] = packet.offset - VIRTIO_HEADER_BYTES;
    this.pieces[1] = packet.totalBytes + VIRTIO_HEADER_BYTES;
    this.pieceCount = 1;
  }

  /** True when the packet has this flow's addresses, protocol and ports. */
  matches(packet: PacketRecord): boolean {
    if (packet.addressBytes !== this.#addressBytes || (packet.protocol === IpProtocol.tcp) !== this.#isTcp)
      return false;
    const view = this.#buffer.view;
    if (view.getUint32(packet.transportOffset) !== view.getUint32(this.#transport)) return false;
    const words = 2 * this.#addressBytes;
    for (let i = 0; i < words; i += 4) {
      if (view.getUint32(packet.sourceOffset + i) !== view.getUint32(this.#source + i)) return false;
    }
    return true;
  }

  /** Takes a joinable packet of this flow; false when it does not follow on, or one of the checksums is bad. */
  append(packet: PacketRecord): boolean {
    if (this.isComplete || !this.#follows(packet)) return false;
    if (!this.#isVerified && !this.#verifyFirst()) return false;
    if (!hasGoodChecksums(this.#buffer, packet)) return false;
    this.pieces[2 * this.pieceCount] = packet.payloadOffset;
    this.pieces[2 * this.pieceCount + 1] = packet.payloadBytes;
    this.pieceCount++;
    this.#totalBytes += packet.payloadBytes;
    this.#sequence += packet.payloadBytes;
    this.#tcpFlags |= packet.tcpFlags & TcpFlag.psh;
    this.isComplete =
      packet.payloadBytes < this.#segmentPayloadBytes ||
      (packet.tcpFlags & TcpFlag.psh) !== 0 ||
      this.pieceCount === MAX_PIECES;
    return true;
  }

  /** All but the checksums: what the kernel would find again in every segment must be the same or count on. */
  #follows(packet: PacketRecord): boolean {
    if (packet.payloadBytes > this.#segmentPayloadBytes) return false;
    if (this.#totalBytes + packet.payloadBytes > MAX_IP_BYTES) return false;
    const view = this.#buffer.view;
    const at = packet.offset;
    const first = this.#offset;
    if (this.#isV4) {
      // Version, header length and TOS; DF (and the reserved bit); TTL and protocol.
      if (view.getUint16(at) !== view.getUint16(first)) return false;
      if (view.getUint16(at + 6) !== view.getUint16(first + 6)) return false;
      if (view.getUint16(at + 8) !== view.getUint16(first + 8)) return false;
      // RFC 6864 §4.1: the identification means something only where the packet may be fragmented.
      const expected = (this.#identification + this.pieceCount) & 0xffff;
      if (!this.#dontFragment && packet.identification !== expected) return false;
    } else {
      // Version, traffic class and flow label; next header and hop limit.
      if (view.getUint32(at) !== view.getUint32(first)) return false;
      if (view.getUint16(at + 6) !== view.getUint16(first + 6)) return false;
    }
    return !this.#isTcp || this.#tcpFollows(packet);
  }

  #tcpFollows(packet: PacketRecord): boolean {
    if (packet.sequence !== this.#sequence >>> 0) return false;
    if (packet.transportHeaderBytes !== this.#transportHeaderBytes) return false;
    if (((packet.tcpFlags ^ this.#tcpFlags) & ~TcpFlag.psh) !== 0) return false;
    const view = this.#buffer.view;
    const at = packet.transportOffset;
    const first = this.#transport;
    if (view.getUint32(at + 8) !== view.getUint32(first + 8)) return false;
    // Reserved bits beside the data offset; window.
    if (view.getUint8(at + 12) !== view.getUint8(first + 12)) return false;
    if (view.getUint16(at + 14) !== view.getUint16(first + 14)) return false;
    for (let i = 20; i < this.#transportHeaderBytes; i += 4) {
      if (view.getUint32(at + i) !== view.getUint32(first + i)) return false;
    }
    return true;
  }

  #verifyFirst(): boolean {
    const bytes = this.#totalBytes - (this.#transport - this.#offset);
    const protocol = this.#isTcp ? IpProtocol.tcp : IpProtocol.udp;
    if (!isGoodHeader(this.#buffer, this.#offset, this.#isV4)) return false;
    this.#isVerified = isGoodTransport(
      this.#buffer,
      this.#source,
      this.#addressBytes,
      protocol,
      this.#transport,
      bytes,
    );
    return this.#isVerified;
  }

  /** Writes the virtio header, and the superpacket's headers where there are several pieces, over the first packet's. */
  finish(): void {
    const buffer = this.#buffer;
    const virtioOffset = this.#offset - VIRTIO_HEADER_BYTES;
    if (this.pieceCount === 1) {
      clearVirtioHeader(buffer, virtioOffset);
      return;
    }
    const { view } = buffer;
    const headerBytes = this.#transport - this.#offset;
    const transportBytes = this.#totalBytes - headerBytes;
    const virtio = this.#virtio;
    virtio.flags = VirtioFlag.needsChecksum;
    virtio.gsoType = this.#gsoType();
    virtio.headerBytes = headerBytes + this.#transportHeaderBytes;
    virtio.gsoBytes = this.#segmentPayloadBytes;
    virtio.checksumStart = headerBytes;
    virtio.checksumOffset = this.#isTcp ? TCP_CHECKSUM : UDP_CHECKSUM;
    writeVirtioHeader(buffer, virtioOffset, virtio);
    if (this.#isV4) {
      view.setUint16(this.#offset + 2, this.#totalBytes);
      view.setUint16(this.#offset + 10, 0);
      view.setUint16(this.#offset + 10, checksumOf(sumBytes(buffer, this.#offset, headerBytes, 0)), true);
    } else {
      view.setUint16(this.#offset + 4, transportBytes);
    }
    if (this.#isTcp) buffer.bytes[this.#transport + 13] = this.#tcpFlags;
    else view.setUint16(this.#transport + 4, transportBytes);
    const protocol = this.#isTcp ? IpProtocol.tcp : IpProtocol.udp;
    const pseudo = sumPseudoHeader(buffer, this.#source, this.#addressBytes, protocol, transportBytes);
    view.setUint16(this.#transport + virtio.checksumOffset, foldSum(pseudo), true);
  }

  #gsoType(): number {
    if (!this.#isTcp) return GsoType.udp;
    return this.#isV4 ? GsoType.tcp4 : GsoType.tcp6;
  }
}

function hasGoodChecksums(buffer: PacketBuffer, packet: PacketRecord): boolean {
  return (
    isGoodHeader(buffer, packet.offset, packet.version === 4) &&
    isGoodTransport(
      buffer,
      packet.sourceOffset,
      packet.addressBytes,
      packet.protocol,
      packet.transportOffset,
      packet.totalBytes - packet.ipHeaderBytes,
    )
  );
}

/** Joinable packets have no IPv4 options: 20 bytes. */
function isGoodHeader(buffer: PacketBuffer, offset: number, isV4: boolean): boolean {
  return !isV4 || foldSum(sumBytes(buffer, offset, 20, 0)) === 0xffff;
}

function isGoodTransport(
  buffer: PacketBuffer,
  sourceOffset: number,
  addressBytes: number,
  protocol: number,
  offset: number,
  length: number,
): boolean {
  const pseudo = sumPseudoHeader(buffer, sourceOffset, addressBytes, protocol, length);
  return foldSum(sumBytes(buffer, offset, length, pseudo)) === 0xffff;
}
