/**
 * From the peers to the host:
 *
 *   1. receive   one datagram, or a row of one flow; classify each
 *   2. open      consecutive messages with one receiver index as a run, in place; take their counters
 *   3. credit    authentic now: confirm the keypair, follow the peer to a new address, note the activity
 *   4. check     keepalive, probe, or packet: parse it; its source must belong to the peer; filter
 *   5. join      packets of one flow into one frame, written to the TUN device
 *
 * What is no data message goes up to the control thread, through one bounded queue a class.
 */
import type { Clock } from "../base/clock.ts";
import { type CompiledFilter, Verdict } from "../filter/compiled-filter.ts";
import { PacketRecord } from "../packet/packet-record.ts";
import { parsePacket } from "../packet/parse.ts";
import type { PrefixTrie } from "../packet/prefix-trie.ts";
import { type DatagramTransport, ReceivedRun } from "../transports/datagram-transport.ts";
import { Joiner } from "../tun/join.ts";
import type { TunDevice } from "../tun/tun-device.ts";
import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES } from "../wireguard/constants.ts";
import { isDataMessage, readReceiverIndex } from "../wireguard/data-header.ts";
import { type Keypair, OpenVerdict } from "../wireguard/keypair.ts";
import { recordReceived } from "../wireguard/peer-activity.ts";
import type { SessionTable } from "../wireguard/session-table.ts";
import type { PeerCells } from "../wireguard/shared-state.ts";
import type { Counters } from "./counters.ts";
import { CountingSink } from "./counting-sink.ts";
import type { Outbound } from "./outbound.ts";
import type { DataPeer, PeerTable } from "./peer-table.ts";
import { PROBE_BYTES, ProbeRecord, ProbeType, readProbe } from "./probe.ts";
import type { Triage } from "./triage.ts";
import type { Uplink } from "./uplink.ts";

/** What one turn takes at most, so that the other direction gets its turn. */
const TURN_RECEIVES = 64;
const TURN_BYTES = 2 ** 20;

/** More datagrams than one receive can hold: none is shorter than a keepalive once it counts as data. */
const MAX_MESSAGES = 65_536 / DATA_OVERHEAD_BYTES + 1;

export interface InboundDeps {
  readonly tun: TunDevice;
  readonly transport: DatagramTransport;
  readonly peers: PeerTable;
  readonly routes: PrefixTrie;
  readonly sessions: SessionTable;
  readonly cells: PeerCells;
  readonly filter: CompiledFilter;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly outbound: Outbound;
  readonly triage: Triage;
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
    if (keypair === undefined || keypair.isExpired(this.#nowMs)) {
      counters.drop(keypair === undefined ? "in-unknown-receiver" : "in-session-expired");
      return firstEnd;
    }
    if (!keypair.looksFresh(buffer.bytes, start)) {
      counters.drop("in-replayed");
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

  #open(keypair: Keypair, start: number, end: number): void {
    const { buffer, strideBytes } = this.#received;
    const { counters, cells, sessions } = this.#deps;
    const verdicts = this.#verdicts;
    const count = keypair.open(buffer.bytes, start, end - start, strideBytes, verdicts);
    let fresh = 0;
    let freshBytes = 0;
    let hasPayload = false;
    for (let i = 0; i < count; i++) {
      if (verdicts[i] !== OpenVerdict.fresh) {
        counters.drop(verdicts[i] === OpenVerdict.forged ? "in-forged" : "in-replayed");
        continue;
      }
      const sizeBytes = Math.min(strideBytes, end - start - i * strideBytes);
      fresh++;
      freshBytes += sizeBytes;
      hasPayload ||= sizeBytes > DATA_OVERHEAD_BYTES;
    }
    const peer = this.#deps.peers.get(keypair.peer);
    if (fresh === 0 || peer === undefined) return;
    counters.add("messagesOpened", fresh);
    recordReceived(cells, peer.index, this.#nowMs, fresh, freshBytes, hasPayload);
    this.#followTo(peer);
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
    const { counters, routes, filter } = this.#deps;
    const { buffer } = this.#received;
    const packet = this.#packet;
    const nibble = buffer.bytes[offset]! >> 4;
    if (nibble !== 4 && nibble !== 6) {
      this.#takeProbe(peer, offset, sizeBytes);
      return;
    }
    if (!parsePacket(buffer, offset, sizeBytes, packet)) {
      counters.drop("in-malformed");
    } else if (routes.lookup(buffer, packet.sourceOffset, packet.version) !== peer.index) {
      counters.drop("in-spoofed-source");
    } else if (filter.inbound(buffer, packet, peer.index, this.#nowMs) !== Verdict.accept) {
      counters.drop("in-filtered");
    } else {
      this.#joiner.add(buffer, packet);
    }
  }

  #takeProbe(peer: DataPeer, offset: number, sizeBytes: number): void {
    const probe = this.#probe;
    if (sizeBytes < PROBE_BYTES || !readProbe(this.#received.buffer, offset, sizeBytes, probe)) {
      this.#deps.counters.drop("in-unknown-probe");
    } else if (probe.type === ProbeType.echoRequest) {
      probe.type = ProbeType.echoReply;
      this.#deps.outbound.sendProbe(peer, probe);
    } else {
      this.#deps.triage.probeReply(peer, probe, this.#deps.clock.monotonicMs() - probe.stampMs);
    }
  }
}
