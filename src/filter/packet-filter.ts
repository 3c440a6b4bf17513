import { IcmpKind, icmpKind, isIcmp } from "../packet/icmp-types.ts";
import type { PacketBuffer } from "../packet/packet-buffer.ts";
import { IpProtocol, PacketRecord, TcpFlag } from "../packet/packet-record.ts";
import { parseQuotedPacket } from "../packet/parse.ts";
import { compileFilter } from "./compile.ts";
import {
  GENERATION_STEP,
  lifetimeSeconds,
  mayGo,
  opensTcp,
  STATE_MASK,
  State,
  stateAfter,
  UDP_ANSWERED_SECONDS,
} from "./connection-state.ts";
import { ConnectionTable, Entry } from "./connection-table.ts";
import type { FilterCells } from "./filter-cells.ts";
import { Flow } from "./flow.ts";
import { FragmentTable } from "./fragment-table.ts";
import { OPEN_POLICY } from "./policy.ts";
import { type FilterProgram, ProtocolClass } from "./program.ts";
import { RuleBook } from "./rule-book.ts";
import { Verdict } from "./verdict.ts";

const TCP_EVENTS = TcpFlag.syn | TcpFlag.fin | TcpFlag.rst;

export interface PacketFilterOptions {
  readonly cells: FilterCells;
  /** Random. */
  readonly seed: number;
  /** A power of two. */
  readonly maxConnections?: number;
}

export interface FilterPreview {
  readonly verdict: Verdict;
  /** The cell that counts for the rule that decides; −1 for the default, and where connections go one way only. */
  readonly slot: number;
  /** Connections of this kind that are open: from the same end to the same port of the other. */
  readonly tracked: number;
}

/**
 * The stateful filter of the packet path, asked once a packet (for a superpacket: once). Rules decide who may open a
 * connection; what belongs to a connection passes, and so do ICMP errors about it.
 *
 * An open filter, which refuses nothing, looks at the packets alone that begin and end TCP connections: when rules come, it
 * knows which end started those that are there.
 */
export class PacketFilter {
  readonly #cells: FilterCells;
  readonly #connections: ConnectionTable;
  readonly #fragments = new FragmentTable();
  readonly #flow: Flow;
  readonly #quoted = new PacketRecord();
  #rules: RuleBook;
  #isOpen = true;
  /** Of the rules in force, in steps of `GENERATION_STEP`. */
  #generation = 0;
  /** Until then UDP flows may be older than the rules. */
  #newUntilSeconds = 0;
  /** The packet at hand goes to the internet through the peer, or comes from there. */
  #isByExit = false;

  constructor({ cells, seed, maxConnections }: PacketFilterOptions) {
    this.#cells = cells;
    this.#connections = new ConnectionTable(maxConnections);
    this.#flow = new Flow(seed);
    this.#rules = new RuleBook(compileFilter(OPEN_POLICY), cells);
  }

  /** Puts other rules in force. Connections are judged by them with their next packet. */
  use(program: FilterProgram, nowMs: number): void {
    if (this.#isOpen && !program.isOpen) this.#newUntilSeconds = secondsOf(nowMs) + UDP_ANSWERED_SECONDS;
    this.#rules = new RuleBook(program, this.#cells);
    this.#isOpen = program.isOpen;
    this.#generation = (this.#generation + GENERATION_STEP) | 0;
  }

  /**
   * `packet` stands in `buffer`, parsed; `peer` is the small integer of the peer that it goes to. What goes by it as by an
   * exit is tracked whatever the rules are: its answers alone may come back.
   */
  outbound(buffer: PacketBuffer, packet: PacketRecord, peer: number, isByExit: boolean, nowMs: number): Verdict {
    return this.#pass(buffer, packet, peer, true, isByExit, nowMs);
  }

  inbound(buffer: PacketBuffer, packet: PacketRecord, peer: number, isByExit: boolean, nowMs: number): Verdict {
    return this.#pass(buffer, packet, peer, false, isByExit, nowMs);
  }

  /** What would become of `packet`, which opens a connection: decided as above, but neither counted nor remembered. */
  preview(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean, nowMs: number): FilterPreview {
    const flow = this.#flow;
    flow.take(buffer, packet, peer, isOutbound);
    const verdict = this.#rules.decide(flow, buffer, isOutbound);
    const { slot } = this.#rules;
    const tracked = this.#connections.count(flow, flow.maskOfService(isOutbound), secondsOf(nowMs), (state) => {
      return (state & State.cut) === 0 && isOutbound === ((state & State.startedHere) !== 0);
    });
    return { verdict, slot, tracked };
  }

  #pass(
    buffer: PacketBuffer,
    packet: PacketRecord,
    peer: number,
    isOutbound: boolean,
    isByExit: boolean,
    nowMs: number,
  ): Verdict {
    this.#isByExit = isByExit;
    if (this.#isOpen && !isByExit) {
      if (packet.protocol === IpProtocol.tcp && (packet.tcpFlags & TCP_EVENTS) !== 0)
        this.#watch(buffer, packet, peer, isOutbound, secondsOf(nowMs));
      return Verdict.accept;
    }
    const now = secondsOf(nowMs);
    if (!packet.isFragment) return this.#judge(buffer, packet, peer, isOutbound, now);
    if (packet.fragmentOffset > 0)
      return this.#fragments.admits(buffer, packet, peer, isOutbound, now) ? Verdict.accept : Verdict.fragment;
    const verdict = this.#judge(buffer, packet, peer, isOutbound, now);
    this.#fragments.note(buffer, packet, peer, isOutbound, now, verdict === Verdict.accept);
    return verdict;
  }

  #judge(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean, now: number): Verdict {
    const flow = this.#flow;
    if (isIcmp(packet)) {
      const kind = icmpKind(packet);
      if (kind === IcmpKind.error && this.#isRelated(buffer, packet, peer, isOutbound, now)) return Verdict.accept;
      flow.take(buffer, packet, peer, isOutbound);
      if (kind === IcmpKind.error || kind === IcmpKind.other)
        return this.#isByExit && !isOutbound ? Verdict.unasked : this.#rules.judge(flow, buffer, isOutbound);
    } else {
      flow.take(buffer, packet, peer, isOutbound);
    }
    const entry = this.#findLive(now);
    if (entry < 0) return this.#admit(buffer, packet, isOutbound, now);
    return this.#continue(entry, buffer, packet, isOutbound, now);
  }

  /** Of a packet that belongs to a connection at hand. */
  #continue(entry: number, buffer: PacketBuffer, packet: PacketRecord, isOutbound: boolean, now: number): Verdict {
    const flow = this.#flow;
    const { words } = this.#connections;
    const state = words[entry + Entry.state]!;
    const isFromStarter = isOutbound === ((state & State.startedHere) !== 0);
    // Neither end may open anew what the other one has opened, nor what is over or was cut.
    if (flow.protocol === ProtocolClass.tcp && opensTcp(packet)) {
      if (!isFromStarter || (state & (State.over | State.cut)) !== 0) {
        if (this.#isByExit && !isOutbound) return Verdict.unasked;
        const verdict = this.#rules.judge(flow, buffer, isOutbound);
        if (verdict === Verdict.accept) this.#begin(entry, isOutbound, packet, isOutbound, now);
        return verdict;
      }
    }
    if ((state & ~STATE_MASK) !== this.#generation) this.#judgeAgain(entry, buffer);
    const current = words[entry + Entry.state]!;
    if ((current & State.cut) !== 0) {
      words[entry + Entry.expiresAt] = now + lifetimeSeconds(current, flow.protocol);
      return verdictOfCut(current);
    }
    const next = stateAfter(current, flow.protocol, packet, isOutbound);
    words[entry + Entry.state] = next;
    words[entry + Entry.expiresAt] = now + lifetimeSeconds(next, flow.protocol);
    return Verdict.accept;
  }

  /** By the rules of now, as what it was when it opened. What they refuse stays known, or an answer would open it anew. */
  #judgeAgain(entry: number, buffer: PacketBuffer): void {
    const { words } = this.#connections;
    const state = words[entry + Entry.state]! & STATE_MASK & ~(State.cut | State.cutByReject | State.cutByOneWay);
    const verdict = this.#rules.judge(this.#flow, buffer, (state & State.startedHere) !== 0);
    words[entry + Entry.state] = state | cutBits(verdict) | this.#generation;
  }

  /** Of a packet that belongs to no connection at hand. */
  #admit(buffer: PacketBuffer, packet: PacketRecord, isOutbound: boolean, now: number): Verdict {
    if (this.#isByExit && !isOutbound) return Verdict.unasked;
    const flow = this.#flow;
    const isTcp = flow.protocol === ProtocolClass.tcp;
    const isOld = isTcp ? !opensTcp(packet) : flow.protocol === ProtocolClass.udp && now < this.#newUntilSeconds;
    const isOlder = isOld && !this.#isByExit;
    // Who opened what is older than our knowledge? Services have the lower port, mostly.
    const isTold = isOlder && flow.nearPort !== flow.farPort;
    let startedHere = isTold ? flow.nearPort > flow.farPort : isOutbound;
    let verdict = this.#rules.judge(flow, buffer, startedHere);
    let isToBeCut = false;
    if (startedHere !== isOutbound) {
      const isAccepted = verdict === Verdict.accept;
      if (!isTcp && !isAccepted && this.#rules.slot >= 0) {
        // UDP that we go on sending would open anew what a rule refuses, as soon as it counts as new.
        isToBeCut = isOutbound;
      } else if (!isTcp || (isAccepted && !isOutbound)) {
        // UDP may as well be new: no default is held against it. And whatever its packets look like, they pass where they may.
        if (!isAccepted) startedHere = isOutbound;
        verdict = this.#rules.judge(flow, buffer, isOutbound);
      }
    }
    // An echo reply, or a reset, opens nothing.
    const isEnd = isTcp ? (packet.tcpFlags & TcpFlag.rst) !== 0 : isIcmp(packet) && !isEchoRequest(packet);
    if (isEnd) return verdict;
    if (verdict !== Verdict.accept && !isToBeCut) return verdict;
    const entry = this.#insert(now);
    if (entry < 0) return verdict === Verdict.accept ? Verdict.tableFull : verdict;
    this.#begin(entry, startedHere, packet, isOutbound, now, cutBits(verdict));
    return verdict;
  }

  /** The first packet of a connection. */
  #begin(entry: number, startedHere: boolean, packet: PacketRecord, isOutbound: boolean, now: number, bits = 0): void {
    const { words } = this.#connections;
    const { protocol } = this.#flow;
    const state = stateAfter((startedHere ? State.startedHere : 0) | bits, protocol, packet, isOutbound);
    words[entry + Entry.state] = state | this.#generation;
    words[entry + Entry.expiresAt] = now + lifetimeSeconds(state, protocol);
  }

  /** Whether the ICMP error at hand is about a packet that its receiver sent in a connection that is allowed. */
  #isRelated(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean, now: number): boolean {
    const quoted = this.#quoted;
    if (!parseQuotedPacket(buffer, packet.payloadOffset, packet.payloadBytes, quoted)) return false;
    if (
      quoted.version !== packet.version ||
      !isSameAddress(buffer, quoted.sourceOffset, packet.destinationOffset, packet)
    )
      return false;
    this.#flow.take(buffer, quoted, peer, !isOutbound);
    const entry = this.#findLive(now);
    if (entry < 0) return false;
    const { words } = this.#connections;
    if ((words[entry + Entry.state]! & ~STATE_MASK) !== this.#generation) this.#judgeAgain(entry, buffer);
    return (words[entry + Entry.state]! & State.cut) === 0;
  }

  /** Follows the beginnings and ends of TCP connections, all of which are allowed. */
  #watch(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean, now: number): void {
    const flow = this.#flow;
    flow.take(buffer, packet, peer, isOutbound);
    const { words } = this.#connections;
    let entry = this.#findLive(now);
    if (opensTcp(packet)) {
      if (entry < 0) entry = this.#insert(now);
      if (entry >= 0) this.#begin(entry, isOutbound, packet, isOutbound, now);
    } else if (entry >= 0) {
      let state = stateAfter(words[entry + Entry.state]!, flow.protocol, packet, isOutbound);
      // The packet that would establish it is not looked at.
      if ((state & State.answered) !== 0) state |= State.established;
      words[entry + Entry.state] = state;
      words[entry + Entry.expiresAt] = now + lifetimeSeconds(state, flow.protocol);
    }
  }

  /** The entry of the flow at hand, or −1. */
  #findLive(now: number): number {
    const entry = this.#connections.find(this.#flow);
    if (entry < 0 || this.#connections.words[entry + Entry.expiresAt]! > now) return entry;
    this.#connections.remove(entry);
    return -1;
  }

  #insert(now: number): number {
    const entry = this.#connections.insert(this.#flow, now, mayGo);
    this.#cells.connections = this.#connections.size;
    return entry;
  }
}

function cutBits(verdict: Verdict): number {
  if (verdict === Verdict.accept) return 0;
  if (verdict === Verdict.oneWay) return State.cut | State.cutByOneWay;
  return verdict === Verdict.reject ? State.cut | State.cutByReject : State.cut;
}

function verdictOfCut(state: number): Verdict {
  if ((state & State.cutByOneWay) !== 0) return Verdict.oneWay;
  return (state & State.cutByReject) !== 0 ? Verdict.reject : Verdict.deny;
}

function isEchoRequest(packet: PacketRecord): boolean {
  return icmpKind(packet) === IcmpKind.echoRequest;
}

function isSameAddress(buffer: PacketBuffer, a: number, b: number, { addressBytes }: PacketRecord): boolean {
  for (let i = 0; i < addressBytes; i += 4)
    if (buffer.view.getInt32(a + i) !== buffer.view.getInt32(b + i)) return false;
  return true;
}

/** Whole seconds since the system started, or some such: fits an entry's word. */
function secondsOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
