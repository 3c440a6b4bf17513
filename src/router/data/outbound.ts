/**
 * From the host to the peers:
 *
 *   1. read     one TUN frame: a packet, or up to 64 KiB of one TCP or UDP flow
 *   2. route    parse once, longest prefix → peer, filter
 *   3. fit      TCP is cut to what the path carries; other packets that it does not are fragmented, or refused
 *   4. stage    no usable session, or no path yet: keep a copy, have the control thread look for one
 *   5. split    lay wire-sized packets side by side into a run, room for header and tag around each
 *   6. flush    seal the run in place with one call, send it with one call
 *
 * A run ends when the peer changes, when the next message does not fit its row, and when the device has nothing more: small
 * packets of several frames share a run.
 */
import type { Clock } from "../../base/clock.ts";
import type { PacketFilter } from "../../filter/packet-filter.ts";
import { Verdict } from "../../filter/verdict.ts";
import { copyBytes } from "../../packet/checksum.ts";
import type { IcmpErrorKind } from "../../packet/icmp.ts";
import { MessageRun } from "../../packet/message-run.ts";
import { clampMss } from "../../packet/mss-clamp.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { IpProtocol, type PacketRecord, TcpFlag } from "../../packet/packet-record.ts";
import { type DatagramTransport, SendOutcome } from "../../transports/datagram-transport.ts";
import type { EndpointRecord } from "../../transports/endpoint-record.ts";
import { Splitter } from "../../tun/split.ts";
import { FRAME_READ_OFFSET, MAX_FRAME_BYTES, type TunDevice } from "../../tun/tun-device.ts";
import { DATA_OVERHEAD_BYTES } from "../../wireguard/constants.ts";
import type { Keypair } from "../../wireguard/keypair.ts";
import { recordSent } from "../../wireguard/peer-activity.ts";
import type { SessionTable } from "../../wireguard/session-table.ts";
import type { PeerCells } from "../../wireguard/shared-state.ts";
import { type Call, callBytes, writeCall } from "../shared/call.ts";
import type { Counters } from "../shared/counters.ts";
import { type DropReason, filterDrops } from "../shared/drop-reasons.ts";
import { type Inquiry, inquiryBytes, writeInquiry } from "../shared/inquiry.ts";
import { LARGE_BYTES, type PathCells } from "../shared/path-cells.ts";
import { PROBE_BYTES, type ProbeRecord, writeProbe } from "../shared/probe.ts";
import type { Uplink } from "../shared/uplink.ts";
import type { IcmpResponder } from "./icmp-responder.ts";
import type { DataPath, DataPeer, PeerTable } from "./peer-table.ts";
import type { RejectAnswer } from "./reject-answer.ts";
import { isByExit, peerOf, type RouteTable } from "./route-table.ts";

/**
 * What one turn takes at most, so that the other direction gets its turn: as many small packets as a run holds, or a
 * megabyte of bulk.
 */
const TURN_FRAMES = 64;
const TURN_BYTES = 2 ** 20;

/** The run stands behind the room for a frame. */
const RUN_OFFSET = (FRAME_READ_OFFSET + MAX_FRAME_BYTES + 63) & ~63;
const RUN_BYTES = 65_536;

/** After so long without a packet to a peer, the control thread is told of the next one. */
const QUIET_MS = 1000;

/** What a run holds; only packets wait for an answer, and only they say whether a path carries data. */
const Payload = { packets: 0, keepalive: 1, own: 2 } as const;
type Payload = (typeof Payload)[keyof typeof Payload];

const DROP_REASON_OF = filterDrops("out");

/** The control thread hears of a peer that needs a handshake no more often than this. */
const ASK_INTERVAL_MS = 250;

export interface OutboundDeps {
  readonly tun: TunDevice;
  readonly transport: DatagramTransport;
  readonly peers: PeerTable;
  readonly routes: RouteTable;
  readonly sessions: SessionTable;
  readonly cells: PeerCells;
  readonly pathCells: PathCells;
  readonly filter: PacketFilter;
  readonly counters: Counters;
  readonly icmp: IcmpResponder;
  readonly rejects: RejectAnswer;
  readonly clock: Clock;
  readonly uplink: Uplink;
}

export class Outbound {
  readonly #deps: OutboundDeps;
  /** Frame and run share one buffer: copies within a buffer allocate nothing. */
  readonly #frame = new PacketBuffer(RUN_OFFSET + RUN_BYTES);
  readonly #splitter = new Splitter();
  readonly #run: MessageRun;
  /** Whom the run at hand is for; meaningless while it is empty. */
  #runPeerIndex = -1;
  #runPeer: DataPeer | undefined;
  #runKeypair: Keypair | undefined;
  #nowMs = 0;

  constructor(deps: OutboundDeps) {
    this.#deps = deps;
    this.#run = new MessageRun(deps.tun.mtuBytes, { buffer: this.#frame, offset: RUN_OFFSET });
  }

  /** Moves what the device has, up to the bounds of a turn; true when they were reached. */
  drain(): boolean {
    const { tun, counters } = this.#deps;
    this.#nowMs = this.#deps.clock.monotonicMs();
    let frames = 0;
    let bytes = 0;
    while (frames < TURN_FRAMES && bytes < TURN_BYTES) {
      const frameBytes = tun.readFrame(this.#frame, FRAME_READ_OFFSET);
      if (frameBytes === 0) break;
      frames++;
      bytes += frameBytes;
      this.#forward(frameBytes);
    }
    this.#flush();
    counters.add("tunFramesRead", frames);
    counters.add("tunBytesRead", bytes);
    return frames === TURN_FRAMES || bytes >= TURN_BYTES;
  }

  /** Sends what waits for a session of `peer`, or for a path. False when nothing did. */
  sendStaged(peer: DataPeer): boolean {
    if (peer.stage.packets === 0) return false;
    this.#nowMs = this.#deps.clock.monotonicMs();
    // A session that wears out meanwhile puts frames back; each is taken once.
    for (let frames = peer.stage.frames; frames > 0; frames--) {
      const frameBytes = peer.stage.shift(this.#frame.bytes, FRAME_READ_OFFSET);
      if (frameBytes > 0) this.#forward(frameBytes);
    }
    this.#flush();
    return true;
  }

  sendKeepalive(peer: DataPeer): void {
    if (this.#open(peer)) {
      this.#run.reserve(0);
      this.#flush(Payload.keepalive);
    }
  }

  /**
   * Sends it to `destination`, whichever path is in use, as a plaintext of at least `sizeBytes`; `isWhole`: the underlay
   * may not fragment it. Undefined when there is no session to send it in.
   */
  sendProbe(
    peer: DataPeer,
    probe: ProbeRecord,
    destination: EndpointRecord,
    sizeBytes = 0,
    isWhole = false,
  ): SendOutcome | undefined {
    if (!destination.isSet || !this.#open(peer, destination)) return undefined;
    const run = this.#run;
    const plaintextBytes = Math.max(PROBE_BYTES, sizeBytes);
    // No padding to a multiple of 16: the size is what is asked about.
    if (sizeBytes > 0) run.mtuBytes = plaintextBytes;
    const offset = run.reserve(plaintextBytes);
    run.buffer.bytes.fill(0, offset + PROBE_BYTES, offset + plaintextBytes);
    writeProbe(run.buffer, offset, probe);
    return this.#flush(Payload.own, destination, isWhole);
  }

  /** Sends it to `destination`, where there is a session to send it in. */
  sendCall(peer: DataPeer, call: Call, destination: EndpointRecord): void {
    if (!destination.isSet || !this.#open(peer, destination)) return;
    const offset = this.#run.reserve(callBytes(call));
    writeCall(this.#run.buffer, offset, call);
    this.#flush(Payload.own, destination);
  }

  /** Sends it by the path in use, which is watched from then on as with packets. */
  sendInquiry(peer: DataPeer, inquiry: Inquiry): void {
    const isOpen = this.#open(peer);
    if (!inquiry.isAnswer) {
      this.#noteActive(peer);
      if (!isOpen) this.askForHandshake(peer, this.#nowMs);
    }
    if (!isOpen) return;
    const offset = this.#run.reserve(inquiryBytes(inquiry));
    writeInquiry(this.#run.buffer, offset, inquiry);
    this.#flush(Payload.own);
  }

  /** Sends a packet of our own making, where there is a session to send it in. */
  sendPacket(peer: DataPeer, buffer: PacketBuffer, offset: number, sizeBytes: number): void {
    if (!this.#open(peer)) return;
    copyBytes(buffer, offset, this.#run.buffer, this.#run.reserve(sizeBytes), sizeBytes);
    this.#flush();
  }

  /** Asks the control thread for a handshake, unless it was asked a moment ago. */
  askForHandshake(peer: DataPeer, nowMs: number): void {
    if (nowMs - peer.handshakeAskedAtMs < ASK_INTERVAL_MS) return;
    peer.handshakeAskedAtMs = nowMs;
    this.#deps.uplink.post({ type: "need-handshake", peer: peer.index });
  }

  #forward(frameBytes: number): void {
    const { tun, routes, peers, filter, rejects, sessions, counters } = this.#deps;
    const splitter = this.#splitter;
    if (!splitter.begin(this.#frame, FRAME_READ_OFFSET, frameBytes)) {
      counters.drop("out-malformed");
      return;
    }
    const { packet } = splitter;
    const way = routes.lookup(this.#frame, packet.destinationOffset, packet.version);
    const peerIndex = peerOf(way);
    const peer = way < 0 ? undefined : peers.get(peerIndex);
    if (peer === undefined) {
      this.#refuse(undefined, "out-no-route", "no-route");
      return;
    }
    if (packet.protocol === IpProtocol.udp && this.#isOwnDatagram(peer, packet)) {
      this.#refuse(peer, "out-loop", "no-route");
      return;
    }
    const verdict = filter.outbound(this.#frame, packet, peerIndex, isByExit(way), this.#nowMs);
    if (verdict !== Verdict.accept) {
      counters.dropOf(peerIndex, DROP_REASON_OF[verdict]!, splitter.segmentCount);
      // Over a one-way association, programs of our own host fail at once.
      if (verdict === Verdict.reject || verdict === Verdict.oneWay)
        rejects.answer(tun, this.#frame, packet, this.#nowMs);
      return;
    }
    const limitBytes = peer.size.limitOf(packet.version);
    if (packet.protocol === IpProtocol.tcp && (packet.tcpFlags & TcpFlag.syn) !== 0)
      clampMss(this.#frame, packet, peer.size.limitBytes, !splitter.isChecksumPartial);
    if (!splitter.fitTo(peer.size.mtuBytes) && !splitter.isWithin(limitBytes) && !splitter.fragmentTo(limitBytes)) {
      this.#refuse(peer, "out-too-big", "too-big", limitBytes);
      return;
    }
    const keypair = sessions.usable(peerIndex, this.#nowMs);
    if (keypair === undefined) {
      this.#stage(peer, frameBytes);
      this.askForHandshake(peer, this.#nowMs);
      return;
    }
    if (!peer.endpoint.isSet) {
      // Whoever answers a handshake has a session before path selection hears of it, and answers packets at once.
      if (peer.hasPaths) this.#stage(peer, frameBytes);
      else this.#refuse(peer, "out-no-endpoint", "host-unreachable");
      return;
    }
    if (this.#runPeerIndex !== peerIndex) this.#flush();
    this.#runPeerIndex = peerIndex;
    this.#runPeer = peer;
    this.#runKeypair = keypair;
    if (this.#run.count === 0) this.#run.mtuBytes = peer.size.mtuBytes;
    while (!splitter.fill(this.#run)) this.#flush();
  }

  /**
   * A datagram that we sent ourselves, whose route leads back into the tunnel: sealed again it would come again, and
   * the more of them the larger they grow. A later fragment has no ports; it is found out in its next round.
   */
  #isOwnDatagram(peer: DataPeer, packet: PacketRecord): boolean {
    const { destinationOffset, addressBytes, destinationPort, sourcePort } = packet;
    if (sourcePort !== this.#deps.transport.port) return false;
    return peer.endpoint.isRemote(this.#frame.view, destinationOffset, addressBytes, destinationPort);
  }

  #refuse(peer: DataPeer | undefined, reason: DropReason, kind: IcmpErrorKind, mtuBytes = 0): void {
    const { packet, segmentCount } = this.#splitter;
    const { counters } = this.#deps;
    if (peer === undefined) counters.drop(reason, segmentCount);
    else counters.dropOf(peer.index, reason, segmentCount);
    this.#deps.icmp.answer(this.#frame, packet, kind, this.#nowMs, mtuBytes);
  }

  #stage(peer: DataPeer, frameBytes: number): void {
    const { bytes } = this.#frame;
    const evicted = peer.stage.push(bytes, FRAME_READ_OFFSET, frameBytes, this.#splitter.segmentCount);
    if (evicted > 0) this.#deps.counters.dropOf(peer.index, "out-stage-full", evicted);
    if (peer.hasPaths) this.#noteActive(peer);
  }

  /** Makes the run ready for a message of our own to `peer`; false without a session and an address. */
  #open(peer: DataPeer, destination = peer.endpoint): boolean {
    this.#flush();
    this.#nowMs = this.#deps.clock.monotonicMs();
    const keypair = this.#deps.sessions.usable(peer.index, this.#nowMs);
    if (keypair === undefined || !destination.isSet) return false;
    this.#runPeerIndex = peer.index;
    this.#runPeer = peer;
    this.#runKeypair = keypair;
    this.#run.mtuBytes = peer.size.mtuBytes;
    return true;
  }

  /** Undefined when nothing could be sealed. */
  #flush(payload: Payload = Payload.packets, destination?: EndpointRecord, isWhole = false): SendOutcome | undefined {
    const run = this.#run;
    const peer = this.#runPeer;
    const keypair = this.#runKeypair;
    if (run.count === 0 || peer === undefined || keypair === undefined) return undefined;
    const { counters, cells } = this.#deps;
    const { count, totalBytes, strideBytes } = run;
    let outcome: SendOutcome | undefined;
    if (keypair.seal(run.buffer.bytes, run.offset, strideBytes, count, run.lastBytes)) {
      outcome = this.#send(destination ?? peer.endpoint, isWhole);
      const isSent = outcome === SendOutcome.sent;
      const isSentBySecond = peer.hasPaths && payload === Payload.packets && this.#followPaths(peer);
      if (!isSent && !isSentBySecond && !isWhole) counters.dropOf(peer.index, dropReasonOf(outcome), count);
      counters.add("messagesSealed", count);
      recordSent(cells, peer.index, this.#nowMs, count, totalBytes, payload !== Payload.keepalive);
      if (keypair.wantsRekeyAfterSend(this.#nowMs))
        this.#deps.uplink.post({ type: "need-handshake", peer: peer.index });
    } else {
      counters.dropOf(peer.index, "out-session-worn", count);
      this.askForHandshake(peer, this.#nowMs);
    }
    run.reset();
    return outcome;
  }

  #send(destination: EndpointRecord, isWhole = false): SendOutcome {
    const { buffer, offset, totalBytes, strideBytes } = this.#run;
    return this.#deps.transport.send(buffer, offset, totalBytes, strideBytes, destination, isWhole);
  }

  /** Packets went out by the path in use: its count, and the same messages by the second one; true when that took them. */
  #followPaths(peer: DataPeer): boolean {
    this.#noteActive(peer);
    if (peer.primary !== undefined) this.#countSent(peer, peer.primary);
    if (peer.second === undefined) return false;
    this.#countSent(peer, peer.second);
    return this.#send(peer.second.endpoint) === SendOutcome.sent;
  }

  /** Packets want to go to the peer: path selection hears of the first after a quiet time. */
  #noteActive(peer: DataPeer): void {
    if (this.#nowMs - peer.packetSentAtMs > QUIET_MS) this.#deps.uplink.post({ type: "active", peer: peer.index });
    peer.packetSentAtMs = this.#nowMs;
  }

  #countSent(peer: DataPeer, path: DataPath): void {
    const { count, strideBytes, lastBytes } = this.#run;
    const { pathCells } = this.#deps;
    const isLarge = strideBytes - DATA_OVERHEAD_BYTES >= LARGE_BYTES;
    const isLastLarge = lastBytes - DATA_OVERHEAD_BYTES >= LARGE_BYTES;
    const large = (isLarge ? count - 1 : 0) + (isLastLarge ? 1 : 0);
    pathCells.recordSent(pathCells.base(peer.index, path.number), count, large, this.#nowMs);
  }
}

function dropReasonOf(outcome: SendOutcome): DropReason {
  if (outcome === SendOutcome.congested) return "out-congested";
  return outcome === SendOutcome.tooBig ? "out-underlay-too-big" : "out-unreachable";
}
