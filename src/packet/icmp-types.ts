import { IpProtocol, type PacketRecord } from "./packet-record.ts";

/** What ICMP and ICMPv6 messages are to a connection (RFC 792, RFC 4443). */
export const IcmpKind = {
  echoRequest: 0,
  echoReply: 1,
  /** Speaks of a packet that it quotes. */
  error: 2,
  /** Stands for itself; redirects (RFC 1122 §3.2.2.2) among it, which nobody is to believe. */
  other: 3,
} as const;
export type IcmpKind = (typeof IcmpKind)[keyof typeof IcmpKind];

/** Whether `packet` is ICMP of its own family: the other family's is no message to anybody. */
export function isIcmp(packet: PacketRecord): boolean {
  return packet.protocol === (packet.version === 4 ? IpProtocol.icmp : IpProtocol.icmp6);
}

export function icmpKind({ version, icmpType }: PacketRecord): IcmpKind {
  return version === 4 ? icmp4Kind(icmpType) : icmp6Kind(icmpType);
}

function icmp4Kind(type: number): IcmpKind {
  if (type === 8) return IcmpKind.echoRequest;
  if (type === 0) return IcmpKind.echoReply;
  // Unreachable, source quench, time exceeded, parameter problem.
  return type === 3 || type === 4 || type === 11 || type === 12 ? IcmpKind.error : IcmpKind.other;
}

function icmp6Kind(type: number): IcmpKind {
  if (type === 128) return IcmpKind.echoRequest;
  if (type === 129) return IcmpKind.echoReply;
  // Unreachable, too big, time exceeded, parameter problem.
  return type >= 1 && type <= 4 ? IcmpKind.error : IcmpKind.other;
}
