import { type PacketRecord, TcpFlag } from "../packet/packet-record.ts";
import { ProtocolClass } from "./program.ts";

/**
 * The state of a tracked connection, the low bits of a word:
 *
 *     TCP:   opening ──answer──► answered ──third packet──► established ──FIN, FIN──► over
 *     UDP:   opening ──answer──► established                       └───────RST───────► over
 *
 * An echo, or a protocol without ports, goes as UDP does. `cut` comes from outside: new rules do not allow it.
 */
export const State = {
  startedHere: 1,
  answered: 2,
  established: 4,
  finFromHere: 8,
  finFromThere: 16,
  over: 32,
  cut: 64,
  /** With `cut`: its packets are to be rejected, not only dropped. */
  cutByReject: 128,
  /** With `cut`: its end may not start connections any more. */
  cutByOneWay: 256,
} as const;

export const STATE_MASK = 0x1ff;
/** Above the state: which rules it was judged by, in steps of this. */
export const GENERATION_STEP = 0x200;

/** Seconds without a packet after which a connection is forgotten. */
const SYN_SECONDS = 60;
/** RFC 5382 §5 asks for 2 hours and 4 minutes at least. */
const TCP_SECONDS = 24 * 3600;
const FIN_SECONDS = 240;
const OVER_SECONDS = 30;
const UDP_SECONDS = 30;
/** RFC 4787 §4.3 asks for 2 minutes at least. */
export const UDP_ANSWERED_SECONDS = 180;
const ICMP_SECONDS = 30;
const OTHER_SECONDS = 600;
/** Longer than the pauses of a TCP that repeats what nobody acknowledges (RFC 6298 §2.5: a minute and more). */
export const CUT_SECONDS = 300;

/** The packet wants a connection that was not there before. */
export function opensTcp({ tcpFlags }: PacketRecord): boolean {
  return (tcpFlags & (TcpFlag.syn | TcpFlag.ack | TcpFlag.rst)) === TcpFlag.syn;
}

/** The state after a packet that belongs to the connection. */
export function stateAfter(state: number, protocol: ProtocolClass, packet: PacketRecord, isOutbound: boolean): number {
  const isFromStarter = isOutbound === ((state & State.startedHere) !== 0);
  let next = state;
  if (!isFromStarter) next |= State.answered;
  if (protocol !== ProtocolClass.tcp) return isFromStarter ? next : next | State.established;
  const { tcpFlags } = packet;
  if (isFromStarter && (state & State.answered) !== 0 && (tcpFlags & TcpFlag.syn) === 0) next |= State.established;
  if ((tcpFlags & TcpFlag.fin) !== 0) next |= isOutbound ? State.finFromHere : State.finFromThere;
  const bothFins = State.finFromHere | State.finFromThere;
  if ((tcpFlags & TcpFlag.rst) !== 0 || (next & bothFins) === bothFins) next |= State.over;
  return next;
}

/** How long a connection in this state is remembered without a packet. */
export function lifetimeSeconds(state: number, protocol: ProtocolClass): number {
  if ((state & State.cut) !== 0) return CUT_SECONDS;
  switch (protocol) {
    case ProtocolClass.tcp:
      if ((state & State.over) !== 0) return OVER_SECONDS;
      if ((state & (State.finFromHere | State.finFromThere)) !== 0) return FIN_SECONDS;
      return (state & State.established) !== 0 ? TCP_SECONDS : SYN_SECONDS;
    case ProtocolClass.udp:
      return (state & State.answered) !== 0 ? UDP_ANSWERED_SECONDS : UDP_SECONDS;
    case ProtocolClass.icmp:
      return ICMP_SECONDS;
    default:
      return OTHER_SECONDS;
  }
}

/** In a full table it makes room for a new one: it was never answered in earnest, or is over. */
export function mayGo(state: number): boolean {
  return (state & State.established) === 0 || (state & State.over) !== 0;
}
