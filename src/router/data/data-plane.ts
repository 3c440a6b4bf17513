import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { FilterCells } from "../../filter/filter-cells.ts";
import { PacketFilter } from "../../filter/packet-filter.ts";
import type { Endpoint } from "../../packet/endpoint.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { type DatagramTransport, SendOutcome } from "../../transports/datagram-transport.ts";
import { EndpointRecord } from "../../transports/endpoint-record.ts";
import type { TunDevice } from "../../tun/tun-device.ts";
import type { AeadProvider } from "../../wireguard/aead/provider.ts";
import { INITIATION_BYTES, type WireGuardTimings } from "../../wireguard/constants.ts";
import type { HandshakeCrypto } from "../../wireguard/crypto/handshake-crypto.ts";
import { MESSAGE_LIMITS } from "../../wireguard/limits.ts";
import { Mac1Check } from "../../wireguard/mac1-check.ts";
import { SessionTable } from "../../wireguard/session-table.ts";
import type { KeySlots, PeerCells } from "../../wireguard/shared-state.ts";
import type { DataCommand } from "../shared/commands.ts";
import type { Counters } from "../shared/counters.ts";
import { Destinations } from "../shared/destinations.ts";
import type { PathCells } from "../shared/path-cells.ts";
import { ProbeFlag, ProbeRecord, ProbeType } from "../shared/probe.ts";
import { Uplink, type UplinkGauge, type UplinkMessage } from "../shared/uplink.ts";
import { IcmpResponder } from "./icmp-responder.ts";
import { Inbound } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import { type DataPath, type DataPeer, PeerTable } from "./peer-table.ts";
import { Previewer } from "./preview.ts";
import { RejectAnswer } from "./reject-answer.ts";
import { RouteTable } from "./route-table.ts";
import { Triage } from "./triage.ts";

export interface DataPlaneDeps {
  readonly tun: TunDevice;
  readonly transport: DatagramTransport;
  readonly clock: Clock;
  readonly provider: AeadProvider;
  readonly crypto: HandshakeCrypto;
  readonly timings: WireGuardTimings;
  readonly slots: KeySlots;
  readonly cells: PeerCells;
  readonly pathCells: PathCells;
  readonly counters: Counters;
  readonly gauge: UplinkGauge;
  readonly filterCells: FilterCells;
  /** Takes what goes up to the control thread. */
  readonly post: (message: UplinkMessage) => void;
}

/**
 * The data plane of one interface: tables, and the two ways through them. It owns no thread and never waits; whoever
 * drives it calls `drainTun` and `drainTransport` when there is something to take, and `apply` for what the control
 * thread wants.
 */
export class DataPlane {
  readonly #transport: DatagramTransport;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #pathCells: PathCells;
  readonly #crypto: HandshakeCrypto;
  readonly #peers: PeerTable;
  readonly #routes = new RouteTable();
  readonly #destinations = new Destinations();
  readonly #uplink: Uplink;
  readonly #sessions: SessionTable;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #filter: PacketFilter;
  readonly #previewer: Previewer;
  readonly #scratch = new PacketBuffer((Math.max(INITIATION_BYTES, 2048) + 3) & ~3);
  readonly #destination = new EndpointRecord();
  readonly #probe = new ProbeRecord();
  #mac1: Mac1Check | undefined;

  constructor(deps: DataPlaneDeps) {
    const { tun, transport, clock, provider, timings, slots, cells, pathCells, counters, gauge, post } = deps;
    this.#transport = transport;
    this.#counters = counters;
    this.#clock = clock;
    this.#pathCells = pathCells;
    this.#crypto = deps.crypto;
    this.#peers = new PeerTable(tun.mtuBytes);
    const uplink = new Uplink(gauge, post);
    this.#uplink = uplink;
    this.#sessions = new SessionTable({
      provider,
      slots,
      timings,
      limits: MESSAGE_LIMITS,
      cells,
      onSlotWiped: (slot) => uplink.post({ type: "slot-wiped", slot }),
    });
    this.#filter = new PacketFilter({ cells: deps.filterCells, seed: randomBytes(4).readInt32LE() });
    const filter = this.#filter;
    const rejects = new RejectAnswer();
    this.#previewer = new Previewer({ routes: this.#routes, destinations: this.#destinations, filter, clock });
    const [peers, routes, sessions] = [this.#peers, this.#routes, this.#sessions];
    const hasValidMac1 = (message: Uint8Array) => this.#mac1?.admits(message) ?? false;
    // Written out, not spread: objects made by spreading differ in their hidden classes, and compiled code sees many.
    this.#outbound = new Outbound({
      tun,
      transport,
      peers,
      routes,
      sessions,
      cells,
      pathCells,
      filter,
      counters,
      clock,
      uplink,
      icmp: new IcmpResponder(tun),
      rejects,
    });
    this.#inbound = new Inbound({
      tun,
      transport,
      peers,
      routes,
      destinations: this.#destinations,
      sessions,
      cells,
      pathCells,
      filter,
      counters,
      clock,
      uplink,
      outbound: this.#outbound,
      triage: new Triage({ counters, uplink, hasValidMac1 }),
      rejects,
    });
  }

  /** One turn of packets from the TUN device; true when there may be more. */
  drainTun(): boolean {
    return this.#outbound.drain();
  }

  /** One turn of datagrams from the transport; true when there may be more. */
  drainTransport(): boolean {
    return this.#inbound.drain();
  }

  apply(command: DataCommand): void {
    switch (command.type) {
      case "install-keypair":
        this.#sessions.install(command);
        break;
      case "remove-keypair":
        this.#sessions.remove(command.peer, command.slot);
        break;
      case "send":
        for (const destination of command.destinations) this.#send(command.bytes, destination);
        break;
      case "allow":
        this.#routes.allow(command, command.peer, command.byExit ?? false);
        break;
      case "disallow":
        this.#routes.disallow(command, command.peer);
        break;
      case "reserve":
        this.#routes.reserve(command.prefixes);
        break;
      case "accept-destinations":
        this.#destinations.use(command.destinations);
        break;
      case "forget-sources":
        this.#peers.forgetSources();
        break;
      case "add-peer":
        this.#peers.add(command.peer, command.hasPaths);
        break;
      case "use-filter":
        this.#filter.use(command.program, this.#clock.monotonicMs());
        break;
      case "preview":
        this.#uplink.post(this.#previewer.preview(command));
        break;
      case "set-identity":
        this.#mac1 = command.publicKey && new Mac1Check(this.#crypto, command.publicKey);
        break;
      default:
        this.#applyToPeer(command, this.#peers.get(command.peer));
    }
  }

  /** Copies what others count to the counters that both threads see. */
  publishCounters(): void {
    const counters = this.#counters;
    const { stats } = this.#transport;
    counters.set("datagramsSent", stats.sentDatagrams);
    counters.set("datagramsReceived", stats.receivedDatagrams);
    counters.set("sendCalls", stats.sentCalls);
    counters.set("receiveCalls", stats.receivedCalls);
    counters.set("sendFailures", stats.sendFailures);
    counters.set("receiveFailures", stats.receiveFailures);
  }

  /** Wipes every key. */
  close(): void {
    this.#sessions.clear();
  }

  #applyToPeer(
    command: Extract<
      DataCommand,
      {
        type:
          | "send-keepalive"
          | "send-staged"
          | "drop-staged"
          | "set-endpoint"
          | "set-path"
          | "set-path-mtu"
          | "remove-path"
          | "use-paths"
          | "remove-peer"
          | "send-probe"
          | "send-call"
          | "send-inquiry";
      }
    >,
    peer: DataPeer | undefined,
  ): void {
    // Gone since the engine spoke: nothing to do.
    if (peer === undefined) return;
    switch (command.type) {
      case "send-keepalive":
        this.#outbound.sendKeepalive(peer);
        break;
      case "send-staged":
        if (!this.#outbound.sendStaged(peer)) this.#outbound.sendKeepalive(peer);
        break;
      case "drop-staged":
        this.#dropStaged(peer);
        break;
      case "set-endpoint":
        // Of a peer with paths it is news for the path selection, and no decision.
        if (!peer.hasPaths) peer.endpoint.set(command.endpoint);
        break;
      case "set-path":
        this.#pathCells.clear(peer.index, command.path);
        peer.setPath(command.path, command.endpoint);
        break;
      case "set-path-mtu":
        this.#resize(peer.path(command.path), command.mtuBytes, command.limitBytes);
        break;
      case "remove-path":
        peer.removePath(command.path);
        break;
      case "use-paths":
        peer.use(command.primary ?? undefined, command.second ?? undefined);
        if (peer.primary !== undefined) this.#outbound.sendStaged(peer);
        break;
      case "remove-peer":
        this.#dropStaged(peer);
        this.#routes.removePeer(peer.index);
        this.#peers.remove(peer.index);
        this.#counters.clearPeer(peer.index);
        break;
      case "send-probe":
        this.#sendEcho(peer, command);
        break;
      case "send-call": {
        const path = peer.path(command.path);
        if (path !== undefined) this.#outbound.sendCall(peer, command.call, path.endpoint);
        break;
      }
      case "send-inquiry":
        this.#outbound.sendInquiry(peer, command.inquiry);
        break;
    }
  }

  #resize(path: DataPath | undefined, mtuBytes: number, limitBytes: number): void {
    if (path === undefined) return;
    path.size.mtuBytes = mtuBytes;
    path.size.limitBytes = limitBytes;
  }

  #sendEcho(peer: DataPeer, command: Extract<DataCommand, { type: "send-probe" }>): void {
    const { path: pathNumber, id, sequence, padding } = command;
    const path = pathNumber === null ? peer.primary : peer.path(pathNumber);
    if (path === undefined && pathNumber !== null) return;
    const probe = this.#probe;
    probe.type = ProbeType.echoRequest;
    probe.id = id;
    probe.sequence = sequence;
    probe.flags = path !== undefined && path === peer.primary ? ProbeFlag.isPrimary : 0;
    probe.data = 0;
    probe.large = 0;
    probe.seenFrom.clear();
    probe.stampMs = this.#clock.monotonicMs();
    const destination = path?.endpoint ?? peer.endpoint;
    const outcome = this.#outbound.sendProbe(peer, probe, destination, padding?.sizeBytes, padding?.isWhole);
    if (outcome === SendOutcome.tooBig && path !== undefined)
      this.#uplink.post({ type: "probe-refused", peer: peer.index, path: path.number, id, sequence });
    // Path selection probes sessions that there are; whoever asks for the peer itself wants one.
    if (outcome === undefined && pathNumber === null) this.#outbound.askForHandshake(peer, probe.stampMs);
  }

  #dropStaged(peer: DataPeer): void {
    const packets = peer.stage.clear();
    if (packets > 0) this.#counters.dropOf(peer.index, "out-stage-abandoned", packets);
  }

  #send(bytes: Uint8Array, destination: Endpoint): void {
    if (bytes.length > this.#scratch.sizeBytes) return;
    this.#scratch.bytes.set(bytes);
    this.#destination.set(destination);
    this.#transport.send(this.#scratch, 0, bytes.length, bytes.length, this.#destination);
  }
}
