import { PacketBuffer } from "./packet-buffer.ts";
import { IpProtocol, TcpFlag } from "./packet-record.ts";

export type OpeningProtocol = "tcp" | "udp" | "icmp";

const V4_HEADER_BYTES = 20;
const V6_HEADER_BYTES = 40;
const TRANSPORT_BYTES = { tcp: 20, udp: 8, icmp: 8 } as const;
const HOP_LIMIT = 64;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
/** Of those that hosts choose by themselves (RFC 6335 §6). */
const OWN_PORT = 49_152;

/**
 * The first packet of a connection, for looking at and not for sending (it has no checksums): a SYN, an empty datagram, or an
 * echo request, whose `port` is 0.
 * @param source 4 or 16 bytes, as many as `destination` has
 */
export function openingPacket(
  protocol: OpeningProtocol,
  source: Uint8Array,
  destination: Uint8Array,
  port: number,
): Uint8Array {
  const version = source.length === 4 ? 4 : 6;
  const at = version === 4 ? V4_HEADER_BYTES : V6_HEADER_BYTES;
  const transportBytes = TRANSPORT_BYTES[protocol];
  const { bytes, view } = new PacketBuffer(at + transportBytes);
  if (version === 4) {
    bytes[0] = 0x45;
    view.setUint16(2, at + transportBytes);
    bytes[8] = HOP_LIMIT;
    bytes[9] = IpProtocol[protocol];
  } else {
    bytes[0] = 0x60;
    view.setUint16(4, transportBytes);
    bytes[6] = protocol === "icmp" ? IpProtocol.icmp6 : IpProtocol[protocol];
    bytes[7] = HOP_LIMIT;
  }
  bytes.set(source, at - 2 * source.length);
  bytes.set(destination, at - source.length);
  if (protocol === "icmp") {
    bytes[at] = ECHO_REQUEST[version];
    return bytes;
  }
  view.setUint16(at, OWN_PORT);
  view.setUint16(at + 2, port);
  if (protocol === "udp") {
    view.setUint16(at + 4, transportBytes);
  } else {
    bytes[at + 12] = (transportBytes / 4) << 4;
    bytes[at + 13] = TcpFlag.syn;
  }
  return bytes;
}
