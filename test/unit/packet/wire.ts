/**
 * Packets built and checked byte by byte in the plainest way there is: what the fast code is held against. Shares no
 * code with it.
 */
export interface PacketSpec {
  readonly version: 4 | 6;
  readonly protocol: 6 | 17;
  readonly source?: Uint8Array;
  readonly destination?: Uint8Array;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly tcpFlags?: number;
  readonly window?: number;
  readonly urgentPointer?: number;
  /** A multiple of 4 bytes. */
  readonly tcpOptions?: Uint8Array;
  /** IPv4 options (a multiple of 4 bytes); in IPv6 this many bytes, rounded up to 8, of destination options. */
  readonly ipOptionsBytes?: number;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
  readonly flowLabel?: number;
  readonly identification?: number;
  readonly dontFragment?: boolean;
  readonly payload?: Uint8Array;
}

export const TCP = 6;
export const UDP = 17;
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
export const ECE = 64;
export const CWR = 128;

export function bytesOf(length: number, seed = 1): Uint8Array {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)];
}

/** RFC 1071, word by word. */
export function naiveSum(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

export function buildPacket(spec: PacketSpec): Uint8Array {
  const payload = spec.payload ?? new Uint8Array(0);
  const transport = spec.protocol === TCP ? tcpHeader(spec) : udpHeader(spec, payload.length);
  const body = [...transport, ...payload];
  const header = spec.version === 4 ? v4Header(spec, body.length) : v6Header(spec, body.length);
  return completeChecksums(Uint8Array.from([...header, ...body]));
}

function tcpHeader(spec: PacketSpec): number[] {
  const options = spec.tcpOptions ?? new Uint8Array(0);
  return [
    ...u16(spec.sourcePort ?? 1000),
    ...u16(spec.destinationPort ?? 2000),
    ...u32(spec.sequence ?? 1),
    ...u32(spec.acknowledgement ?? 7),
    ((20 + options.length) / 4) << 4,
    spec.tcpFlags ?? ACK,
    ...u16(spec.window ?? 500),
    ...[0, 0],
    ...u16(spec.urgentPointer ?? 0),
    ...options,
  ];
}

function udpHeader(spec: PacketSpec, payloadBytes: number): number[] {
  return [...u16(spec.sourcePort ?? 1000), ...u16(spec.destinationPort ?? 2000), ...u16(8 + payloadBytes), 0, 0];
}

function v4Header(spec: PacketSpec, bodyBytes: number): number[] {
  const optionsBytes = spec.ipOptionsBytes ?? 0;
  const headerBytes = 20 + optionsBytes;
  return [
    0x40 | (headerBytes / 4),
    spec.trafficClass ?? 0,
    ...u16(headerBytes + bodyBytes),
    ...u16(spec.identification ?? 0),
    (spec.dontFragment ?? true) ? 0x40 : 0,
    0,
    spec.hopLimit ?? 64,
    spec.protocol,
    ...[0, 0],
    ...(spec.source ?? [10, 0, 0, 1]),
    ...(spec.destination ?? [10, 0, 0, 2]),
    ...new Array<number>(optionsBytes).fill(1),
  ];
}

function v6Header(spec: PacketSpec, bodyBytes: number): number[] {
  const extensionBytes = Math.ceil((spec.ipOptionsBytes ?? 0) / 8) * 8;
  const extension =
    extensionBytes === 0
      ? []
      : [spec.protocol, extensionBytes / 8 - 1, 1, extensionBytes - 4, ...bytesOf(extensionBytes - 4)];
  const trafficClass = spec.trafficClass ?? 0;
  return [
    0x60 | (trafficClass >> 4),
    ((trafficClass & 15) << 4) | ((spec.flowLabel ?? 0) >> 16),
    ...u16(spec.flowLabel ?? 0),
    ...u16(extensionBytes + bodyBytes),
    extensionBytes === 0 ? spec.protocol : 60,
    spec.hopLimit ?? 64,
    ...(spec.source ?? [0xfd, ...new Array<number>(14).fill(0), 1]),
    ...(spec.destination ?? [0xfd, ...new Array<number>(14).fill(0), 2]),
    ...extension,
  ];
}

/** Where the transport header starts; knows destination options only. */
export function transportOffsetOf(packet: Uint8Array): number {
  if (packet[0]! >> 4 === 4) return (packet[0]! & 15) * 4;
  return packet[6] === 60 ? 40 + (packet[41]! + 1) * 8 : 40;
}

function protocolOf(packet: Uint8Array): number {
  if (packet[0]! >> 4 === 4) return packet[9]!;
  return packet[6] === 60 ? packet[40]! : packet[6]!;
}

function pseudoHeader(packet: Uint8Array): number[] {
  const addresses = packet[0]! >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  return [...addresses, 0, protocolOf(packet), ...u16(packet.length - transportOffsetOf(packet))];
}

function checksumOffsetOf(packet: Uint8Array): number {
  return transportOffsetOf(packet) + { 6: 16, 17: 6, 58: 2, 1: 2 }[protocolOf(packet)]!;
}

/** The packet with all checksums (and nothing else) filled in. */
export function completeChecksums(packet: Uint8Array): Uint8Array {
  const result = Uint8Array.from(packet);
  if (result[0]! >> 4 === 4) {
    result.set([0, 0], 10);
    result.set(u16(~naiveSum(result.subarray(0, transportOffsetOf(result)))), 10);
  }
  const field = checksumOffsetOf(result);
  result.set([0, 0], field);
  const checksum = ~naiveSum([...pseudoHeader(result), ...result.subarray(transportOffsetOf(result))]) & 0xffff;
  result.set(u16(checksum === 0 && protocolOf(result) === UDP ? 0xffff : checksum), field);
  return result;
}

/** Checks the IPv4 header's and the transport's checksum. */
export function checksumsAreGood(packet: Uint8Array): boolean {
  const transport = transportOffsetOf(packet);
  const isV4 = packet[0]! >> 4 === 4;
  if (isV4 && naiveSum(packet.subarray(0, transport)) !== 0xffff) return false;
  const pseudo = isV4 && protocolOf(packet) === 1 ? [] : pseudoHeader(packet);
  return naiveSum([...pseudo, ...packet.subarray(transport)]) === 0xffff;
}

/** A frame as the kernel makes it: virtio header, and the pseudo header's sum where the checksum goes. */
export function frameOf(packet: Uint8Array, gsoBytes: number, gsoType?: number): Uint8Array {
  const isV4 = packet[0]! >> 4 === 4;
  const type = gsoType ?? (protocolOf(packet) === UDP ? 5 : isV4 ? 1 : 4);
  const start = transportOffsetOf(packet);
  const offset = checksumOffsetOf(packet) - start;
  const headerBytes = start + (protocolOf(packet) === TCP ? (packet[start + 12]! >> 4) * 4 : 8);
  const frame = Uint8Array.from([
    1,
    type,
    ...le16(headerBytes),
    ...le16(gsoBytes),
    ...le16(start),
    ...le16(offset),
    ...packet,
  ]);
  frame.set(u16(naiveSum(pseudoHeader(packet))), 10 + start + offset);
  return frame;
}

/** A frame with nothing left to do. */
export function plainFrameOf(packet: Uint8Array): Uint8Array {
  return Uint8Array.from([...new Array<number>(10).fill(0), ...packet]);
}

function le16(value: number): number[] {
  return [value & 0xff, value >>> 8];
}

/** What a network card with segmentation offload would put on the wire for a frame. */
export function segmentsOf(frame: Uint8Array, cutBytes?: number): Uint8Array[] {
  const packet = frame.subarray(10);
  const gsoType = frame[1]! & 0x7f;
  if (gsoType === 0 && cutBytes === undefined) return [frame[0] === 1 ? completeChecksums(packet) : packet];
  const gsoBytes = cutBytes ?? frame[4]! | (frame[5]! << 8);
  const transport = transportOffsetOf(packet);
  const isTcp = protocolOf(packet) === TCP;
  const headerBytes = transport + (isTcp ? (packet[transport + 12]! >> 4) * 4 : 8);
  const payload = packet.subarray(headerBytes);
  const view = new DataView(frame.buffer, frame.byteOffset + 10, packet.length);
  const segments: Uint8Array[] = [];
  for (let start = 0, i = 0; i === 0 || start < payload.length; start += gsoBytes, i++) {
    const data = payload.subarray(start, start + gsoBytes);
    const isLast = start + gsoBytes >= payload.length;
    const segment = Uint8Array.from([...packet.subarray(0, headerBytes), ...data]);
    if (packet[0]! >> 4 === 4) {
      segment.set(u16(segment.length), 2);
      segment.set(u16(view.getUint16(4) + i), 4);
    } else {
      segment.set(u16(segment.length - 40), 4);
    }
    if (isTcp) {
      segment.set(u32(view.getUint32(transport + 4) + start), transport + 4);
      let flags = packet[transport + 13]!;
      if (!isLast) flags &= ~(FIN | PSH);
      if (i > 0) flags &= ~CWR;
      if (i > 0 && (flags & URG) !== 0) {
        const pointer = Math.max(0, view.getUint16(transport + 18) - start);
        segment.set(u16(pointer), transport + 18);
        if (pointer === 0) flags &= ~URG;
      }
      segment[transport + 13] = flags;
    } else {
      segment.set(u16(segment.length - transport), transport + 4);
    }
    segments.push(completeChecksums(segment));
  }
  return segments;
}
