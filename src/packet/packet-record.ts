/** IANA protocol numbers that the packet path knows. */
export const IpProtocol = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  authentication: 51,
  icmp6: 58,
  destinationOptions: 60,
  mobility: 135,
  hostIdentity: 139,
  shim6: 140,
} as const;

/** Bits of the TCP flags byte (RFC 9293 §3.1). */
export const TcpFlag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const;

/** Why a packet cannot be parsed; doubles as a metric label. */
export type ParseFailure =
  | "none"
  | "empty"
  | "bad-version"
  | "truncated-ip"
  | "bad-ip-length"
  | "bad-fragment"
  | "truncated-extension"
  | "too-many-extensions"
  | "truncated-transport"
  | "bad-transport-length";

/**
 * What one pass over an IP packet finds: one shape for IPv4 and IPv6, reused for every packet. Offsets are in the
 * packet's buffer. Filled by `parsePacket`; after a failure only `failure` means anything.
 */
export class PacketRecord {
  failure: ParseFailure = "none";
  /** 4 or 6. */
  version = 0;
  /** Where the IP header starts. */
  offset = 0;
  /** The packet's length by its own IP header; what stands behind it is padding. */
  totalBytes = 0;
  /** IPv4 header with options, or IPv6 header with extension headers. */
  ipHeaderBytes = 0;
  /** True with IPv4 options or any IPv6 extension header. */
  hasIpOptions = false;
  sourceOffset = 0;
  destinationOffset = 0;
  /** 4 or 16. */
  addressBytes = 0;
  /** TOS or traffic class: DSCP in the upper six bits, ECN in the lower two. */
  trafficClass = 0;
  /** TTL or hop limit. */
  hopLimit = 0;
  /** IPv6; 0 for IPv4. */
  flowLabel = 0;
  /** Identification of IPv4 or of an IPv6 fragment header. */
  identification = 0;
  /** IPv4 DF; true for IPv6, whose routers never fragment. */
  dontFragment = false;
  /** Any fragment, the first included (an IPv6 atomic fragment, RFC 6946, is none). */
  isFragment = false;
  /** Bytes; 0 for a first fragment. */
  fragmentOffset = 0;
  moreFragments = false;
  /** Of a fragment: where the data stands that its offset speaks of. */
  fragmentDataOffset = 0;
  /** The transport protocol, behind all extension headers that could be walked. */
  protocol = 0;
  /** Where the transport header starts (for a later fragment: its data). */
  transportOffset = 0;
  /** True when the fields of the transport below are filled: TCP, UDP or ICMP, and no later fragment. */
  hasTransport = false;
  /** TCP header with options, 8 for UDP and ICMP, else 0. */
  transportHeaderBytes = 0;
  /** Behind the transport header. */
  payloadOffset = 0;
  payloadBytes = 0;
  /** TCP and UDP, else 0. */
  sourcePort = 0;
  destinationPort = 0;
  tcpFlags = 0;
  sequence = 0;
  acknowledgement = 0;
  icmpType = 0;
  icmpCode = 0;
  /** Identifier of echo messages; undefined content for other types. */
  icmpId = 0;
}
