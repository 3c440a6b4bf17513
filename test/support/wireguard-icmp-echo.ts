/** IPv4 ICMP echo packets (RFC 791, RFC 792) made by hand, for tests that speak to a kernel's network stack. */
const IPV4_HEADER_BYTES = 20;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;

export function echoRequest(source: string, destination: string, sequence: number, data: Uint8Array): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_BYTES + 8 + data.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  view.setUint16(2, packet.length);
  packet[8] = 64;
  packet[9] = 1;
  packet.set(source.split(".").map(Number), 12);
  packet.set(destination.split(".").map(Number), 16);
  packet[IPV4_HEADER_BYTES] = ECHO_REQUEST;
  view.setUint16(IPV4_HEADER_BYTES + 4, 0x4d53);
  view.setUint16(IPV4_HEADER_BYTES + 6, sequence);
  packet.set(data, IPV4_HEADER_BYTES + 8);
  writeChecksums(packet);
  return packet;
}

/** The packet without the padding behind it. */
export function trimToIpLength(payload: Uint8Array): Uint8Array {
  return payload.subarray(0, new DataView(payload.buffer, payload.byteOffset).getUint16(2));
}

export function isEchoRequest(packet: Uint8Array): boolean {
  return packet[0] === 0x45 && packet[9] === 1 && packet[IPV4_HEADER_BYTES] === ECHO_REQUEST;
}

export function isEchoReply(packet: Uint8Array, sequence: number): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  return (
    packet[0] === 0x45 &&
    packet[9] === 1 &&
    packet[IPV4_HEADER_BYTES] === ECHO_REPLY &&
    view.getUint16(IPV4_HEADER_BYTES + 6) === sequence
  );
}

export function replyTo(request: Uint8Array): Uint8Array {
  const reply = new Uint8Array(request);
  reply.set(request.subarray(12, 16), 16);
  reply.set(request.subarray(16, 20), 12);
  reply[IPV4_HEADER_BYTES] = ECHO_REPLY;
  writeChecksums(reply);
  return reply;
}

function writeChecksums(packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  view.setUint16(10, 0);
  view.setUint16(10, checksum(packet.subarray(0, IPV4_HEADER_BYTES)));
  view.setUint16(IPV4_HEADER_BYTES + 2, 0);
  view.setUint16(IPV4_HEADER_BYTES + 2, checksum(packet.subarray(IPV4_HEADER_BYTES)));
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
