import {
  checksumOf,
  copyAndSum,
  copyBytes,
  foldSum,
  sumBytes,
  sumPseudoHeader,
  swapBytes16,
} from "../packet/checksum.ts";
import { Ipv4Fragmenter } from "../packet/ipv4-fragmenter.ts";
import { MAX_RUN_PACKET_BYTES, type MessageRun } from "../packet/message-run.ts";
import { PacketBuffer } from "../packet/packet-buffer.ts";
import { IpProtocol, PacketRecord, type ParseFailure, TcpFlag } from "../packet/packet-record.ts";
import { parsePacket } from "../packet/parse.ts";
import {
  GsoType,
  readVirtioHeader,
  VIRTIO_HEADER_BYTES,
  VirtioFlag,
  VirtioHeader,
  writeVirtioHeader,
} from "./virtio-header.ts";

/** Why a frame from the TUN device is refused; doubles as a metric label. */
export type SplitFailure = ParseFailure | "truncated-virtio-header" | "bad-gso" | "bad-checksum-offload";

const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
/** A path that leaves less room than this for TCP data is none. */
const MIN_CUT_PAYLOAD_BYTES = 8;

/**
 * Cuts what one TUN read yields into wire-sized packets with complete checksums, laid straight into a `MessageRun`:
 *
 *     if (!splitter.begin(frame, offset, bytes)) drop(splitter.failure);
 *     // route and filter by splitter.packet
 *     if (!splitter.fitTo(mtuBytes) && !splitter.fragmentTo(mtuBytes)) answer with ICMP "too big";
 *     else while (!splitter.fill(run)) flush(run);
 *
 * The segments of a superpacket share its headers but for lengths, checksums, the IPv4 identification (which counts up)
 * and, with TCP, sequence number, FIN and PSH (on the last only), CWR (on the first only, RFC 3168 §6.1.2) and the
 * urgent pointer.
 */
export class Splitter {
  /** The (super)packet of the frame at hand, parsed. */
  readonly packet = new PacketRecord();
  failure: SplitFailure = "none";
  /** Wire-sized packets that the frame is cut to. */
  segmentCount = 0;
  /** Size of the largest of them. */
  segmentBytes = 0;

  readonly #virtio = new VirtioHeader();
  readonly #fragmenter = new Ipv4Fragmenter();
  #frame = new PacketBuffer(0);
  #nextSegment = 0;
  /** 0 when the packet goes as it is, or in fragments. */
  #segmentPayloadBytes = 0;
  #isFragmented = false;
  /** All headers, IP to transport: the same for every segment, and a multiple of 4. */
  #headerBytes = 0;
  /** Sums of the headers without the fields that differ between segments. */
  #ipSum = 0;
  #transportSum = 0;

  /** Takes a frame: virtio header at `offset`, `frameBytes` in all. False, with `failure` set, when it is refused. */
  begin(frame: PacketBuffer, offset: number, frameBytes: number): boolean {
    this.failure = "none";
    if (frameBytes < VIRTIO_HEADER_BYTES) return this.#refuse("truncated-virtio-header");
    const packetOffset = offset + VIRTIO_HEADER_BYTES;
    if (!parsePacket(frame, packetOffset, frameBytes - VIRTIO_HEADER_BYTES, this.packet)) {
      return this.#refuse(this.packet.failure);
    }
    readVirtioHeader(frame, offset, this.#virtio);
    this.#frame = frame;
    this.#nextSegment = 0;
    this.#isFragmented = false;
    const gsoType = this.#virtio.gsoType & ~GsoType.ecn;
    return gsoType === GsoType.none ? this.#beginPlain() : this.#beginSuperpacket(gsoType);
  }

  #refuse(failure: SplitFailure): false {
    this.failure = failure;
    return false;
  }

  #beginPlain(): boolean {
    const { packet } = this;
    const { flags, checksumStart, checksumOffset } = this.#virtio;
    if ((flags & VirtioFlag.needsChecksum) !== 0) {
      // An inner packet of another tunnel may be meant: any place behind the IP header is allowed.
      const fieldEnd = checksumStart + checksumOffset + 2;
      if (checksumStart < packet.ipHeaderBytes || (checksumOffset & 1) !== 0 || fieldEnd > packet.totalBytes) {
        return this.#refuse("bad-checksum-offload");
      }
    }
    this.#segmentPayloadBytes = 0;
    this.segmentCount = 1;
    this.segmentBytes = packet.totalBytes;
    return true;
  }

  #beginSuperpacket(gsoType: number): boolean {
    const { packet } = this;
    const { gsoBytes } = this.#virtio;
    if (!packet.hasTransport || packet.isFragment || gsoBytes === 0) return this.#refuse("bad-gso");
    if (!protocolFits(gsoType, packet)) return this.#refuse("bad-gso");
    // Segments get new checksums: only right when the kernel left the sum to us, else a bad one would come out good.
    if (!this.#isPartialOfTransport()) return this.#refuse("bad-checksum-offload");
    this.#cut(gsoBytes);
    return true;
  }

  /** True when the transport's own checksum field holds the sum of the pseudo header. */
  #isPartialOfTransport(): boolean {
    const { flags, checksumStart, checksumOffset } = this.#virtio;
    return (
      (flags & VirtioFlag.needsChecksum) !== 0 &&
      checksumStart === this.packet.ipHeaderBytes &&
      checksumOffset === (this.packet.protocol === IpProtocol.tcp ? TCP_CHECKSUM : UDP_CHECKSUM)
    );
  }

  /**
   * Makes the segments fit a path that carries packets of `mtuBytes`. TCP data is cut smaller where it must be; false
   * when the packet is of another kind and too big: the sender must be told.
   */
  fitTo(mtuBytes: number): boolean {
    const limit = Math.min(mtuBytes, MAX_RUN_PACKET_BYTES);
    if (this.segmentBytes <= limit) return true;
    const { packet } = this;
    if (packet.protocol !== IpProtocol.tcp || !packet.hasTransport || packet.isFragment) return false;
    if ((packet.tcpFlags & (TcpFlag.syn | TcpFlag.rst)) !== 0) return false;
    const payloadBytes = limit - (packet.payloadOffset - packet.offset);
    if (payloadBytes < MIN_CUT_PAYLOAD_BYTES) return false;
    if (!this.#isPartialOfTransport() && !this.#makePartial()) return false;
    this.#cut(payloadBytes);
    return true;
  }

  /** Whether nothing that the packet is cut to is larger. */
  isWithin(mtuBytes: number): boolean {
    return this.segmentBytes <= Math.min(mtuBytes, MAX_RUN_PACKET_BYTES);
  }

  /** Whether the transport's checksum is still to be completed, by whoever lays the packet out for the wire. */
  get isChecksumPartial(): boolean {
    return (this.#virtio.flags & VirtioFlag.needsChecksum) !== 0;
  }

  /**
   * Makes fragments of at most `mtuBytes` of a packet that allows it; false when it does not (DF, and IPv6, of which
   * only the sender makes fragments; a UDP superpacket, whose sender is told of the MTU and sends less).
   */
  fragmentTo(mtuBytes: number): boolean {
    const { packet } = this;
    if (packet.dontFragment || this.#segmentPayloadBytes > 0) return false;
    if (!this.#fragmenter.begin(this.#frame, packet, mtuBytes)) return false;
    this.#completeChecksum();
    this.#isFragmented = true;
    return true;
  }

  /** In the frame: the sum runs over all fragments. */
  #completeChecksum(): void {
    if (!this.isChecksumPartial) return;
    const { packet } = this;
    const { checksumStart, checksumOffset } = this.#virtio;
    const start = packet.offset + checksumStart;
    const sum = sumBytes(this.#frame, start, packet.totalBytes - checksumStart, 0);
    this.#frame.view.setUint16(start + checksumOffset, checksumOf(sum) || 0xffff, true);
    this.#virtio.flags &= ~VirtioFlag.needsChecksum;
    this.#writeVirtioHeader();
  }

  /** The frame must stay true to itself: it may be put aside now and begun again later. */
  #writeVirtioHeader(): void {
    writeVirtioHeader(this.#frame, this.packet.offset - VIRTIO_HEADER_BYTES, this.#virtio);
  }

  /** Replaces a complete TCP checksum by the sum of the pseudo header; false when it is wrong, and must stay wrong. */
  #makePartial(): boolean {
    const { packet } = this;
    if (this.isChecksumPartial) return false;
    const tcpBytes = packet.totalBytes - packet.ipHeaderBytes;
    const pseudo = sumPseudoHeader(this.#frame, packet.sourceOffset, packet.addressBytes, IpProtocol.tcp, tcpBytes);
    if (foldSum(sumBytes(this.#frame, packet.transportOffset, tcpBytes, pseudo)) !== 0xffff) return false;
    this.#frame.view.setUint16(packet.transportOffset + TCP_CHECKSUM, foldSum(pseudo), true);
    this.#virtio.flags |= VirtioFlag.needsChecksum;
    this.#virtio.checksumStart = packet.ipHeaderBytes;
    this.#virtio.checksumOffset = TCP_CHECKSUM;
    this.#writeVirtioHeader();
    return true;
  }

  #cut(segmentPayloadBytes: number): void {
    const { packet } = this;
    const view = this.#frame.view;
    const transport = packet.transportOffset;
    this.#segmentPayloadBytes = segmentPayloadBytes;
    this.#headerBytes = packet.payloadOffset - packet.offset;
    this.segmentCount = Math.max(1, Math.ceil(packet.payloadBytes / segmentPayloadBytes));
    this.segmentBytes = this.#headerBytes + Math.min(segmentPayloadBytes, packet.payloadBytes);

    // A 16-bit field counts the same in either half of a word: 2^16 is 1 in one's complement arithmetic.
    if (packet.version === 4) {
      const at = packet.offset;
      const varying = view.getUint16(at + 2, true) + view.getUint16(at + 4, true) + view.getUint16(at + 10, true);
      this.#ipSum = sumBytes(this.#frame, at, packet.ipHeaderBytes, 0) - varying;
    }
    // The checksum field has the pseudo header in it, whose length alone is not the segments': 0xffff − x undoes x.
    const partial = view.getUint16(transport + this.#virtio.checksumOffset, true);
    this.#transportSum = partial + 0xffff - swapBytes16(packet.totalBytes - packet.ipHeaderBytes);
    if (packet.protocol === IpProtocol.udp) {
      this.#transportSum += view.getUint32(transport, true);
    } else {
      const varying = view.getUint16(transport + 12, true) + view.getUint32(transport + 16, true);
      const all = sumBytes(this.#frame, transport, packet.transportHeaderBytes, 0);
      this.#transportSum += all - view.getUint32(transport + 4, true) - varying;
    }
  }

  /** Appends segments to `run`. True when all are laid; false when `run` must be flushed and `fill` called again. */
  fill(run: MessageRun): boolean {
    if (this.#segmentPayloadBytes === 0) return this.#isFragmented ? this.#fragmenter.fill(run) : this.#fillPlain(run);
    const payloadBytes = this.packet.payloadBytes;
    while (this.#nextSegment < this.segmentCount) {
      const start = this.#nextSegment * this.#segmentPayloadBytes;
      const bytes = Math.min(this.#segmentPayloadBytes, payloadBytes - start);
      const at = run.reserve(this.#headerBytes + bytes);
      if (at < 0) return false;
      this.#writeSegment(run.buffer, at, start, bytes);
      this.#nextSegment++;
    }
    return true;
  }

  #fillPlain(run: MessageRun): boolean {
    const { offset, totalBytes } = this.packet;
    const at = run.reserve(totalBytes);
    if (at < 0) return false;
    const frame = this.#frame;
    const { flags, checksumStart, checksumOffset } = this.#virtio;
    if ((flags & VirtioFlag.needsChecksum) === 0) {
      copyBytes(frame, offset, run.buffer, at, totalBytes);
      return true;
    }
    copyBytes(frame, offset, run.buffer, at, checksumStart);
    const sum = copyAndSum(
      frame,
      offset + checksumStart,
      run.buffer,
      at + checksumStart,
      totalBytes - checksumStart,
      0,
    );
    // 0 would mean "no checksum" to UDP; its twin 0xffff is right for every protocol.
    run.buffer.view.setUint16(at + checksumStart + checksumOffset, checksumOf(sum) || 0xffff, true);
    return true;
  }

  /** Lays the segment with `bytes` of the payload from `start` on at `at`. */
  #writeSegment(target: PacketBuffer, at: number, start: number, bytes: number): void {
    const { packet } = this;
    const headerBytes = this.#headerBytes;
    const view = target.view;
    copyBytes(this.#frame, packet.offset, target, at, headerBytes);
    const payloadSum = copyAndSum(this.#frame, packet.payloadOffset + start, target, at + headerBytes, bytes, 0);
    const transport = at + packet.ipHeaderBytes;
    const transportBytes = packet.transportHeaderBytes + bytes;
    const sum = this.#transportSum + payloadSum + swapBytes16(transportBytes);

    if (packet.version === 4) {
      view.setUint16(at + 2, headerBytes + bytes);
      view.setUint16(at + 4, packet.identification + this.#nextSegment);
      const varying = view.getUint16(at + 2, true) + view.getUint16(at + 4, true);
      view.setUint16(at + 10, checksumOf(this.#ipSum + varying), true);
    } else {
      view.setUint16(at + 4, packet.ipHeaderBytes + transportBytes - 40);
    }

    if (packet.protocol === IpProtocol.udp) {
      view.setUint16(transport + 4, transportBytes);
      view.setUint16(transport + 6, checksumOf(sum + swapBytes16(transportBytes)) || 0xffff, true);
      return;
    }
    view.setUint32(transport + 4, packet.sequence + start);
    target.bytes[transport + 13] = this.#segmentFlags(start, bytes);
    view.setUint16(transport + 18, this.#urgentPointer(start));
    const varying =
      view.getUint32(transport + 4, true) + view.getUint16(transport + 12, true) + view.getUint16(transport + 18, true);
    view.setUint16(transport + 16, checksumOf(sum + varying), true);
  }

  #segmentFlags(start: number, bytes: number): number {
    let flags = this.packet.tcpFlags;
    if (start + bytes < this.packet.payloadBytes) flags &= ~(TcpFlag.fin | TcpFlag.psh);
    if (start > 0) {
      flags &= ~TcpFlag.cwr;
      if (this.#urgentPointer(start) === 0) flags &= ~TcpFlag.urg;
    }
    return flags;
  }

  /** It counts from the segment's own sequence number; segments behind the urgent data have none. */
  #urgentPointer(start: number): number {
    const pointer = this.#frame.view.getUint16(this.packet.transportOffset + 18);
    if (start === 0 || (this.packet.tcpFlags & TcpFlag.urg) === 0) return pointer;
    return Math.max(0, pointer - start);
  }
}

function protocolFits(gsoType: number, packet: PacketRecord): boolean {
  if (gsoType === GsoType.tcp4) return packet.version === 4 && packet.protocol === IpProtocol.tcp;
  if (gsoType === GsoType.tcp6) return packet.version === 6 && packet.protocol === IpProtocol.tcp;
  if (gsoType !== GsoType.udp || packet.protocol !== IpProtocol.udp) return false;
  // Data behind the UDP datagram (its length smaller than IP's) would get lost between the segments.
  return packet.payloadOffset + packet.payloadBytes === packet.offset + packet.totalBytes;
}
