/**
 * From the peers to the host:
 *
 *   1. receive   one datagram, or a row of one flow; classify each
 *   2. open      consecutive messages with one receiver index as a run, in place; take their counters
 *   3. credit    authentic now: confirm the keypair, note the activity and the path; follow a stock peer to a new address
 *   4. check     keepalive, probe, or packet: parse it; its source must belong to the peer, its destination be ours; filter
 *   5. join      packets of one flow into one frame, written to the TUN device
 *
 * What is no data message goes up to the control thread, through one bounded queue a class.
 */
import type { Clock } from "../../base/clock.ts";
import type { PacketFilter } from "../../filter/packet-filter.ts";
import { Verdict } from "../../filter/verdict.ts";
import { clampMss } from "../../packet/mss-clamp.ts";
import { IpProtocol, PacketRecord, TcpFlag } from "../../packet/packet-record.ts";
import { parsePacket } from "../../packet/parse.ts";
import { type DatagramTransport, ReceivedRun } from "../../transports/datagram-transport.ts";
import { Joiner } from "../../tun/join.ts";
import type { TunDevice } from "../../tun/tun-device.ts";
import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES } from "../../wireguard/constants.ts";
import { isDataMessage, readReceiverIndex } from "../../wireguard/data-header.ts";
import { type Keypair, OpenVerdict } from "../../wireguard/keypair.ts";
import { recordReceived } from "../../wireguard/peer-activity.ts";
import type { SessionTable } from "../../wireguard/session-table.ts";
import type { PeerCells } from "../../wireguard/shared-state.ts";
import { readCall } from "../shared/call.ts";
import type { Counters } from "../shared/counters.ts";
import type { Destinations } from "../shared/destinations.ts";
import { filterDrops } from "../shared/drop-reasons.ts";
import { readInquiry } from "../shared/inquiry.ts";
import { LARGE_BYTES, PathCell, type PathCells } from "../shared/path-cells.ts";
import { ProbeFlag, ProbeRecord, ProbeType, readProbe } from "../shared/probe.ts";
import type { Uplink } from "../shared/uplink.ts";
import { CountingSink } from "./counting-sink.ts";
import type { Outbound } from "./outbound.ts";
import type { DataPath, DataPeer, PeerTable } from "./peer-table.ts";
import type { RejectAnswer } from "./reject-answer.ts";
import { isByExit, peerOf, type RouteTable } from "./route-table.ts";
import type { Triage } from "./triage.ts";

/** What one turn takes at most, so that the other direction gets its turn. */
const TURN_RECEIVES = 64;
const TURN_BYTES = 2 ** 20;

/** The control thread hears of an unknown address of a peer with paths no more often than this. */
const STRANGER_INTERVAL_MS = 100;

const DROP_REASON_OF = filterDrops("in");

/** More datagrams than one receive can hold: none is shorter than a keepalive once it counts as data. */
const MAX_MESSAGES = 65_536 / DATA_OVERHEAD_BYTES + 1;

export interface InboundDeps {
  readonly tun: TunDevice;
  readonly transport: DatagramTransport;
  readonly peers: PeerTable;
  readonly routes: RouteTable;
  readonly destinations: Destinations;
  readonly sessions: SessionTable;
  readonly cells: PeerCells;
  readonly pathCells: PathCells;
  readonly filter: PacketFilter;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly outbound: Outbound;
  readonly triage: Triage;
  readonly rejects: RejectAnswer;
  readonly uplink: Uplink;
}

export class Inbound {
  readonly #deps: InboundDeps;
  readonly #received = new ReceivedRun();
  readonly #verdicts = new Uint8Array(MAX_MESSAGES);
  readonly #packet = new PacketRecord();
  readonly #probe = new ProbeRecord();
  readonly #joiner: Joiner;
  #nowMs = 0;

  constructor(deps: InboundDeps) {
    this.#deps = deps;
    this.#joiner = new Joiner(deps.tun.offloads, new CountingSink(deps.tun, deps.counters));
  }

  /** Takes what has come, up to the bounds of a turn; true when they were reached. */
  drain(): boolean {
    this.#nowMs = this.#deps.clock.monotonicMs();
    let receives = 0;
    let bytes = 0;
    while (receives < TURN_RECEIVES && bytes < TURN_BYTES) {
      if (!this.#deps.transport.receive(this.#received)) return false;
      receives++;
      bytes += this.#received.totalBytes;
      this.#classify();
      // The pieces of the frames stand in the receive buffer.
      this.#joiner.flush();
    }
    return true;
  }

  #classify(): void {
    const { buffer, offset, totalBytes, strideBytes } = this.#received;
    const end = offset + totalBytes;
    for (let at = offset; at < end; ) {
      const sizeBytes = Math.min(strideBytes, end - at);
      if (isDataMessage(buffer.bytes, at, sizeBytes) && !this.#deps.triage.isStun(buffer, at, sizeBytes)) {
        at = this.#takeData(at, end);
      } else {
        this.#deps.triage.take(this.#received, at, sizeBytes);
        at += sizeBytes;
      }
    }
  }

  /** Takes the data messages from `start` that share its receiver index; returns where the rest begins. */
  #takeData(start: number, end: number): number {
    const { sessions, counters } = this.#deps;
    const { buffer, strideBytes } = this.#received;
    const index = readReceiverIndex(buffer.bytes, start);
    const keypair = sessions.byReceiverIndex(index);
    const firstEnd = Math.min(start + strideBytes, end);
    if (keypair === undefined) {
      counters.drop("in-unknown-receiver");
      return firstEnd;
    }
    if (keypair.isExpired(this.#nowMs)) {
      counters.dropOf(keypair.peer, "in-session-expired");
      return firstEnd;
    }
    if (!keypair.looksFresh(buffer.bytes, start)) {
      // A double of what came by another path, or a replay: only a double by a path of the peer's own is worth opening.
      if (this.#isByPath(keypair.peer)) this.#open(keypair, start, firstEnd);
      else counters.dropOf(keypair.peer, "in-replayed");
      return firstEnd;
    }
    let runEnd = firstEnd;
    while (runEnd < end && this.#continuesRun(keypair, index, runEnd, Math.min(strideBytes, end - runEnd)))
      runEnd = Math.min(runEnd + strideBytes, end);
    this.#open(keypair, start, runEnd);
    return runEnd;
  }

  #continuesRun(keypair: Keypair, index: number, at: number, sizeBytes: number): boolean {
    const { bytes } = this.#received.buffer;
    return (
      isDataMessage(bytes, at, sizeBytes) && readReceiverIndex(bytes, at) === index && keypair.looksFresh(bytes, at)
    );
  }

  #isByPath(peerIndex: number): boolean {
    const peer = this.#deps.peers.get(peerIndex);
    return peer?.hasPaths === true && peer.pathOf(this.#received.source) !== undefined;
  }

  #open(keypair: Keypair, start: number, end: number): void {
    const { buffer, strideBytes } = this.#received;
    const { counters, cells, sessions } = this.#deps;
    const verdicts = this.#verdicts;
    const count = keypair.open(buffer.bytes, start, end - start, strideBytes, verdicts);
    const peer = this.#deps.peers.get(keypair.peer);
    let authentic = 0;
    let fresh = 0;
    let freshBytes = 0;
    let hasPayload = false;
    for (let i = 0; i < count; i++) {
      if (verdicts[i] !== OpenVerdict.fresh) {
        counters.dropOf(keypair.peer, verdicts[i] === OpenVerdict.forged ? "in-forged" : "in-replayed");
        if (verdicts[i] === OpenVerdict.replayed) authentic++;
        continue;
      }
      const sizeBytes = Math.min(strideBytes, end - start - i * strideBytes);
      authentic++;
      fresh++;
      freshBytes += sizeBytes;
      hasPayload ||= sizeBytes > DATA_OVERHEAD_BYTES;
    }
    if (authentic === 0 || peer === undefined) return;
    if (peer.hasPaths) this.#creditPath(peer, start, end, count);
    if (fresh === 0) return;
    counters.add("messagesOpened", fresh);
    recordReceived(cells, peer.index, this.#nowMs, fresh, freshBytes, hasPayload);
    if (!peer.hasPaths) this.#followTo(peer);
    if (sessions.confirm(keypair)) {
      this.#deps.uplink.post({ type: "promoted", peer: peer.index, slot: keypair.slot });
      this.#deps.outbound.sendStaged(peer);
    }
    if (keypair.wantsRekeyAfterReceive(this.#nowMs))
      this.#deps.uplink.post({ type: "need-handshake", peer: peer.index });
    for (let i = 0; i < count; i++) {
      if (verdicts[i] !== OpenVerdict.fresh) continue;
      const at = start + i * strideBytes;
      const plaintextBytes = Math.min(strideBytes, end - at) - DATA_OVERHEAD_BYTES;
      if (plaintextBytes > 0) this.#deliver(peer, at + DATA_HEADER_BYTES, plaintextBytes);
    }
  }

  /**
   * Counts what the path brought, doubles of what another path brought first as well: that is how a path on trial earns
   * its trust. The choice of the path is the control thread's; it is told of an address that is on no path.
   */
  #creditPath(peer: DataPeer, start: number, end: number, count: number): void {
    const { source, buffer, strideBytes } = this.#received;
    const path = peer.pathOf(source);
    if (path === undefined) {
      this.#tellOfStranger(peer);
      return;
    }
    // Answers go out from where the peer speaks to.
    if (!path.endpoint.isSameSource(source)) path.endpoint.copyFrom(source);
    let data = 0;
    let large = 0;
    for (let i = 0; i < count; i++) {
      if (this.#verdicts[i] === OpenVerdict.forged) continue;
      const at = start + i * strideBytes;
      const plaintextBytes = Math.min(strideBytes, end - at) - DATA_OVERHEAD_BYTES;
      if (plaintextBytes <= 0 || !isPacket(buffer.bytes[at + DATA_HEADER_BYTES]!)) continue;
      data++;
      if (plaintextBytes >= LARGE_BYTES) large++;
    }
    const { pathCells } = this.#deps;
    pathCells.recordReceived(pathCells.base(peer.index, path.number), data, large, this.#nowMs);
  }

  #tellOfStranger(peer: DataPeer): void {
    if (this.#nowMs - peer.strangerToldAtMs < STRANGER_INTERVAL_MS) return;
    const endpoint = this.#received.source.toReplyEndpoint();
    if (endpoint === null) return;
    peer.strangerToldAtMs = this.#nowMs;
    this.#deps.uplink.post({ type: "stranger", peer: peer.index, endpoint });
  }

  /** Roaming (whitepaper §2.1), after authentication only. Our own address in the peer's eyes may change unannounced. */
  #followTo(peer: DataPeer): void {
    const { source } = this.#received;
    const isSameRemote = peer.endpoint.isSameRemote(source);
    if (isSameRemote && peer.endpoint.isSameSource(source)) return;
    peer.endpoint.copyFrom(source);
    const endpoint = isSameRemote ? null : source.toReplyEndpoint();
    if (endpoint !== null) this.#deps.uplink.post({ type: "roamed", peer: peer.index, endpoint });
  }

  #deliver(peer: DataPeer, offset: number, sizeBytes: number): void {
    const { counters, routes, destinations, filter } = this.#deps;
    const { buffer } = this.#received;
    const packet = this.#packet;
    if (!isPacket(buffer.bytes[offset]!)) {
      this.#takeProbe(peer, offset, sizeBytes);
      return;
    }
    if (!parsePacket(buffer, offset, sizeBytes, packet)) {
      counters.dropOf(peer.index, "in-malformed");
      return;
    }
    const way = routes.lookup(buffer, packet.sourceOffset, packet.version);
    if (way < 0 || peerOf(way) !== peer.index) {
      counters.dropOf(peer.index, "in-spoofed-source");
    } else if (!destinations.accepts(buffer, packet)) {
      counters.dropOf(peer.index, "in-not-for-us");
    } else {
      const verdict = filter.inbound(buffer, packet, peer.index, isByExit(way), this.#nowMs);
      if (verdict === Verdict.accept) this.#hand(peer, packet);
      else this.#refuse(peer, packet, verdict);
    }
  }

  /** To the host. */
  #hand(peer: DataPeer, packet: PacketRecord): void {
    const { buffer } = this.#received;
    // What the host sends on this connection goes by the same path.
    if (packet.protocol === IpProtocol.tcp && (packet.tcpFlags & TcpFlag.syn) !== 0)
      clampMss(buffer, packet, peer.size.limitBytes, true);
    this.#joiner.add(buffer, packet);
  }

  #refuse(peer: DataPeer, packet: PacketRecord, verdict: Verdict): void {
    const { counters, rejects, outbound } = this.#deps;
    counters.dropOf(peer.index, DROP_REASON_OF[verdict]!);
    if (verdict !== Verdict.reject) return;
    const bytes = rejects.build(this.#received.buffer, packet, this.#nowMs);
    if (bytes > 0) outbound.sendPacket(peer, rejects.buffer, rejects.offset, bytes);
  }

  #takeProbe(peer: DataPeer, offset: number, sizeBytes: number): void {
    const probe = this.#probe;
    const { source, buffer } = this.#received;
    if (!readProbe(buffer, offset, sizeBytes, probe)) {
      this.#takeMessage(peer, offset, sizeBytes);
      return;
    }
    const path = peer.pathOf(source);
    if (probe.type === ProbeType.echoReply) {
      this.#deps.triage.probeReply(peer, path, probe, this.#deps.clock.monotonicMs() - probe.stampMs);
      return;
    }
    if (path !== undefined) this.#deps.triage.probeRequest(peer, path, (probe.flags & ProbeFlag.isPrimary) !== 0);
    this.#answerProbe(peer, path, probe);
  }

  /** A message to the control thread. Stock peers send none. */
  #takeMessage(peer: DataPeer, offset: number, sizeBytes: number): void {
    const { triage, counters } = this.#deps;
    const { buffer } = this.#received;
    const call = peer.hasPaths ? readCall(buffer, offset, sizeBytes) : undefined;
    if (call !== undefined) {
      triage.call(peer, call);
      return;
    }
    const inquiry = peer.hasPaths ? readInquiry(buffer, offset, sizeBytes) : undefined;
    if (inquiry === undefined) counters.dropOf(peer.index, "in-unknown-probe");
    else triage.inquiry(peer, inquiry);
  }

  /** By the way that the request came: a reply proves that way, in both directions. */
  #answerProbe(peer: DataPeer, path: DataPath | undefined, probe: ProbeRecord): void {
    const { pathCells, outbound } = this.#deps;
    const { source } = this.#received;
    probe.type = ProbeType.echoReply;
    const isPrimary = path !== undefined && path === peer.primary;
    probe.flags = (isPrimary ? ProbeFlag.isPrimary : 0) | (path === undefined ? 0 : ProbeFlag.hasCounts);
    probe.data = path === undefined ? 0 : pathCells.get(peer.index, path.number, PathCell.rxData) >>> 0;
    probe.large = path === undefined ? 0 : pathCells.get(peer.index, path.number, PathCell.rxLarge) >>> 0;
    probe.seenFrom.copyFrom(source);
    outbound.sendProbe(peer, probe, source);
  }
}

/** The first byte of a plaintext: an IP version, or a probe of ours. */
function isPacket(firstByte: number): boolean {
  const version = firstByte >> 4;
  return version === 4 || version === 6;
}
