import { randomBytes, randomFillSync } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { DisposeStack } from "../../base/dispose.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { FilterCells } from "../../filter/filter-cells.ts";
import type { FilterPolicy } from "../../filter/policy.ts";
import * as libc from "../../host/ffi/libc.ts";
import { parseCidr } from "../../packet/cidr.ts";
import type { Endpoint, UdpEndpoint } from "../../packet/endpoint.ts";
import { LOCAL_RANGES } from "../../packet/special-ranges.ts";
import { openUdpSockets } from "../../transports/udp/udp-transport.ts";
import { openTun } from "../../tun/open-tun.ts";
import { selectAeadProvider } from "../../wireguard/aead/select.ts";
import { WHITEPAPER_TIMINGS, type WireGuardTimings } from "../../wireguard/constants.ts";
import { selectHandshakeCrypto } from "../../wireguard/crypto/select.ts";
import { Device } from "../../wireguard/device.ts";
import type { EngineEvent } from "../../wireguard/engine.ts";
import { SLOTS_PER_PEER } from "../../wireguard/limits.ts";
import { KeySlots, PeerCells } from "../../wireguard/shared-state.ts";
import { DataThread } from "../data/data-thread.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import { Counters, type DataStage, type InterfaceCounter } from "../shared/counters.ts";
import type { AcceptedDestinations } from "../shared/destinations.ts";
import { PeerSet } from "./peer-set.ts";
import { PingTracker } from "./ping-tracker.ts";
import { TunnelFacts, type TunnelParts } from "./tunnel-facts.ts";
import { TunnelFilter } from "./tunnel-filter.ts";
import { TunnelInquiries } from "./tunnel-inquiries.ts";
import { TunnelPaths } from "./tunnel-paths.ts";
import { peerStatus } from "./tunnel-status.ts";
import type {
  OffloadLoss,
  PingOptions,
  PingReply,
  TunnelDropReason,
  TunnelInfo,
  TunnelOptions,
  TunnelPeerConfig,
  TunnelPeerStatus,
} from "./tunnel-types.ts";

export type {
  OffloadLoss,
  PingReply,
  TunnelInfo,
  TunnelOptions,
  TunnelPathsStatus,
  TunnelPeerConfig,
  TunnelPeerStatus,
} from "./tunnel-types.ts";

/** The shared tables are laid out once, for this many peers; memory that nobody touches costs none. */
const MAX_PEERS = 4096;
/** setTimeout takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface TunnelDeps {
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Parts extends TunnelParts {
  readonly timings: WireGuardTimings;
  readonly stack: DisposeStack;
}

/**
 * One WireGuard interface: the engine of the control plane in this thread, the data plane in its own. Addresses, MTU,
 * state and routes of the interface are the caller's business.
 */
export class Tunnel implements AsyncDisposable {
  readonly paths: TunnelPaths;
  readonly inquiries: TunnelInquiries;
  readonly #deps: TunnelDeps;
  readonly #facts: TunnelFacts;
  readonly #device: Device;
  readonly #thread: DataThread;
  readonly #peers: PeerSet;
  readonly #pings: PingTracker;
  readonly #filter: TunnelFilter;
  readonly #cells = new PeerCells(MAX_PEERS);
  readonly #counters = new Counters(MAX_PEERS);
  readonly #stack: DisposeStack;
  readonly #fatalHandlers: ((failure: MeshError) => void)[] = [];
  readonly #stunHandlers: ((bytes: Uint8Array, source: Endpoint) => void)[] = [];
  #desired: readonly TunnelPeerConfig[] = [];
  #timer: NodeJS.Timeout | undefined;
  #failure: MeshError | undefined;
  #isClosed = false;

  /**
   * Creates the interface and the sockets, and starts the data thread.
   * @throws MeshError `bad-interface-name`, `interface-taken`, `no-tun-device`, `not-permitted`, `port-in-use`,
   *   `no-udp`, `aead-unavailable`, `data-plane-failed`
   */
  static async open(options: TunnelOptions, deps: TunnelDeps): Promise<Tunnel> {
    const stack = new DisposeStack();
    try {
      const wanted = options.aeadProvider ?? "auto";
      const aead = selectAeadProvider(wanted === "auto" ? undefined : wanted);
      const udp = openUdpSockets({ port: options.listenPort, fwmark: options.fwmark ?? 0 });
      stack.defer(() => {
        for (const { fd } of udp.sockets) libc.close(fd);
      });
      const tun = openTun(options.interfaceName);
      stack.defer(() => void libc.close(tun.fd));
      const timings = { ...WHITEPAPER_TIMINGS, ...options.timings };
      const tunnel = new Tunnel(options, deps, { tun, udp, aead, timings, stack });
      const coldBecause = await tunnel.#thread.started;
      if (coldBecause !== undefined) deps.logger.info({ reason: coldBecause }, "the data thread starts cold");
      const missing = tunnel.#facts.missingOffloads;
      if (missing.length > 0) deps.logger.warn({ missing }, "this kernel lacks offloads: throughput is lower");
      return tunnel;
    } catch (failure) {
      await stack.close();
      throw failure;
    }
  }

  private constructor(options: TunnelOptions, deps: TunnelDeps, parts: Parts) {
    const { tun, udp, aead, timings, stack } = parts;
    this.#deps = deps;
    this.#stack = stack;
    this.#facts = new TunnelFacts(options, parts);
    this.onOffloadLost((loss) =>
      deps.logger.warn({ ...loss }, "an offload turned out not to work: throughput is lower"),
    );
    const slots = new KeySlots(MAX_PEERS * SLOTS_PER_PEER);
    const { crypto, passedOver } = selectHandshakeCrypto();
    if (passedOver !== undefined) deps.logger.warn({ reason: passedOver }, "handshakes use the slow reference crypto");
    this.#device = new Device(
      { privateKey: options.privateKey, timings },
      {
        crypto,
        random: (bytes) => void randomFillSync(bytes),
        wallMs: () => deps.clock.wallMs(),
        cells: this.#cells,
        slots,
      },
    );
    const ranges = (options.ranges ?? []).map(parseCidr);
    this.#peers = new PeerSet(this.#device, deps.logger);
    this.#filter = new TunnelFilter(this.#peers);
    this.paths = new TunnelPaths({
      clock: deps.clock,
      device: this.#device,
      peers: this.#peers,
      maxPeers: MAX_PEERS,
      ranges,
      mtuBytes: options.mtu,
      wake: () => this.#thread.wake(),
      carryOut: (commands) => this.#carryOut(commands),
      onCandidates: () => this.configurePeers(this.#desired),
    });
    this.#thread = new DataThread(
      {
        tun,
        udp,
        timings,
        mtuBytes: options.mtu,
        aeadProvider: aead.provider.name,
        handshakeCrypto: crypto.name,
        slots: slots.buffer,
        cells: this.#cells.buffer,
        pathCells: this.paths.cells.buffer,
        pipes: this.paths.rings,
        counters: this.#counters.buffer,
        filterCells: this.#filter.cells.buffer,
      },
      { onEvent: (event) => this.#onEvent(event), onDeath: (failure) => this.#onDeath(failure) },
    );
    // The thread wipes what it took over; a keypair may still be on its way to it.
    stack.defer(() => {
      for (let slot = 0; slot < slots.count; slot++) slots.wipe(slot);
    });
    stack.defer(() => this.#thread.stop());
    const post = (commands: readonly DataCommand[]) => this.#thread.post(commands);
    this.#pings = new PingTracker(randomBytes(4).readUInt32BE(), post, this.paths.describe);
    this.inquiries = new TunnelInquiries({ ...deps, peers: this.#peers, post });
    this.#announceIdentity();
    // In a mesh an exit leads to the internet alone; of a plain tunnel the widest prefix is all that there is.
    if (ranges.length > 0) post([{ type: "reserve", prefixes: [...ranges, ...LOCAL_RANGES.map(parseCidr)] }]);
  }

  get info(): TunnelInfo {
    return this.#facts.now;
  }

  /** Makes `desired` the peers: the fewest changes, sessions of peers that stay go on. */
  configurePeers(desired: readonly TunnelPeerConfig[]): void {
    this.#desired = desired;
    const withPipes = desired.map((peer) => this.paths.withPipes(peer));
    const commands = this.#peers.reconcile(withPipes, this.#nowMs());
    // At once with the peers: nothing of a new one is let through by rules that do not know it.
    this.#carryOut([...commands, ...this.#filter.configure(), ...this.paths.configure()]);
  }

  /** What comes from peers and is for anybody else is dropped. Before the first call, nothing is. */
  acceptDestinations(destinations: AcceptedDestinations): void {
    this.#carryOut([{ type: "accept-destinations", destinations }]);
  }

  /** Puts the rules of the packet filter in force; peers in them are public keys. */
  useFilter(policy: FilterPolicy<string>): void {
    this.#carryOut(this.#filter.use(policy));
  }

  /** What the packet filter counts. */
  get filterCells(): Pick<FilterCells, "hits" | "connections"> {
    return this.#filter.cells;
  }

  /**
   * Every session of the old key goes; peers in use get a new handshake at once. `key` stays the caller's to wipe;
   * undefined clears it: silence from then on.
   */
  setPrivateKey(key: Uint8Array | undefined): void {
    const actions = this.#device.setPrivateKey(key, this.#nowMs());
    this.#announceIdentity();
    this.#carryOut(actions);
  }

  peers(): TunnelPeerStatus[] {
    const deps = { cells: this.#cells, counters: this.#counters, peers: this.#peers, paths: this.paths };
    const nowMs = this.#nowMs();
    return Array.from(this.#peers, (peer) => peerStatus(peer, this.#device.peerStatus(peer.id, nowMs), deps));
  }

  /** What came to nothing, in the data thread and in the engine. */
  dropCounters(): Record<TunnelDropReason, number> {
    const handshakes = Object.entries(this.#device.drops).map(([reason, count]) => [`handshake-${reason}`, count]);
    return { ...this.#counters.drops(), ...Object.fromEntries(handshakes), "in-pipe-full": this.paths.overflowed };
  }

  interfaceCounters(): Record<InterfaceCounter, number> {
    return this.#counters.interface();
  }

  /** How long the data thread was at each stage since the start, milliseconds. */
  stagesMs(): Record<DataStage, number> {
    return this.#counters.stagesMs();
  }

  /**
   * Sends an echo probe inside the session, after a handshake where there is none.
   * @throws MeshError `not-found` for a key that is no peer, `timeout`, `data-plane-failed`
   */
  async ping(publicKey: string, options: PingOptions): Promise<PingReply> {
    if (this.#failure !== undefined) throw this.#failure;
    const peer = this.#peers.get(publicKey);
    if (peer === undefined) throw new MeshError("not-found", `${publicKey} is no peer of this interface`);
    return this.#pings.ping(peer.id, options.timeoutMs);
  }

  /** The machine slept: the other ends may have forgotten our sessions, which are made anew. */
  slept(ms: number): void {
    this.#tell({ type: "slept", ms });
  }

  /** See `DataThread.pulse`. */
  pulse(): number {
    return this.#thread.pulse();
  }

  /** Called once, when the data thread ends by itself: nothing moves any more, and the tunnel is to be closed. */
  onFatal(handler: (failure: MeshError) => void): void {
    if (this.#failure !== undefined) handler(this.#failure);
    else this.#fatalHandlers.push(handler);
  }

  /** Sends a datagram that is no WireGuard message from our socket: STUN asks about that socket and no other. */
  sendDatagram(bytes: Uint8Array, destinations: readonly UdpEndpoint[]): void {
    this.#carryOut([{ type: "send", bytes, destinations }]);
  }

  /** Called for every STUN message that comes to our socket. */
  onStun(handler: (bytes: Uint8Array, source: Endpoint) => void): void {
    this.#stunHandlers.push(handler);
  }

  /** Called for each offload that turned out not to work, earlier ones included: what it did is done in smaller steps. */
  onOffloadLost(handler: (loss: OffloadLoss) => void): void {
    this.#facts.onOffloadLost(handler);
  }

  /** Stops the data thread, which wipes all keys, and removes the interface. Idempotent; never rejects for a dead thread. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      clearTimeout(this.#timer);
      this.#abort(new MeshError("data-plane-failed", "the tunnel is closed"));
      this.#device.setPrivateKey(undefined, this.#nowMs());
    }
    return this.#stack.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #onEvent(event: DataEvent): void {
    if (this.paths.take(event) || this.inquiries.take(event)) return;
    switch (event.type) {
      case "probe-reply":
        this.#pings.receive(event);
        break;
      case "segmentation-lost":
        this.#facts.loseSegmentation(event.family);
        break;
      case "stun":
        for (const handler of this.#stunHandlers) handler(event.bytes, event.source);
        break;
      case "promoted":
        this.#tell(event);
        this.#carryOut(this.paths.sessionUp(event.peer));
        this.#repeat(event.peer);
        break;
      case "datagram":
      case "need-handshake":
      case "roamed":
      case "slot-wiped":
        this.#tell(event);
    }
  }

  #tell(event: EngineEvent): void {
    const actions = this.#device.handle(event, this.#nowMs());
    this.#carryOut(actions.flatMap((action) => this.paths.choosing(action)));
    for (const action of actions)
      if (action.type === "install-keypair" && action.isInitiator) this.#repeat(action.peer);
  }

  /** A session of `peer` is up: what was asked before went nowhere. */
  #repeat(peer: number): void {
    this.#pings.repeat(peer);
    this.inquiries.repeat(peer);
  }

  #abort(failure: MeshError): void {
    this.#pings.abort(failure);
    this.inquiries.abort(failure);
  }

  #carryOut(commands: readonly DataCommand[]): void {
    if (this.#isClosed || this.#failure !== undefined) return;
    this.#thread.post(commands);
    clearTimeout(this.#timer);
    const deadlineMs = Math.min(this.#device.nextDeadlineMs(), this.paths.nextDeadlineMs());
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.min(Math.max(0, deadlineMs - this.#nowMs()), MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#tick(), waitMs);
  }

  #tick(): void {
    this.#carryOut(this.paths.tick());
    if (this.#device.nextDeadlineMs() <= this.#nowMs()) this.#tell({ type: "tick" });
  }

  #announceIdentity(): void {
    this.#thread.post([{ type: "set-identity", publicKey: this.#device.publicKey }]);
  }

  #onDeath(failure: MeshError): void {
    this.#failure = failure;
    clearTimeout(this.#timer);
    this.#abort(failure);
    this.#deps.logger.error({ code: failure.code }, failure.message);
    for (const handler of this.#fatalHandlers) handler(failure);
  }
}
