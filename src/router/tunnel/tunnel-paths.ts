import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Cidr } from "../../packet/cidr.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import type { PipeHandlers, PipeTransport } from "../../transports/pipe/pipe-transport.ts";
import type { Device } from "../../wireguard/device.ts";
import type { EngineAction } from "../../wireguard/engine.ts";
import { NO_PREFERENCE } from "../paths/events.ts";
import { Preference } from "../paths/preference.ts";
import type { Call } from "../shared/call.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import { PathCells } from "../shared/path-cells.ts";
import { describePathsOf } from "./describe-path.ts";
import { PathControl } from "./path-control.ts";
import { PeerCalls } from "./peer-calls.ts";
import type { PeerSet } from "./peer-set.ts";
import { PipeTable } from "./pipe-table.ts";
import type {
  DescribePath,
  PathDecision,
  PathMtuFinding,
  TunnelPathsStatus,
  TunnelPeerConfig,
} from "./tunnel-types.ts";

const NO_KEY = new Uint8Array(32);

export interface TunnelPathsDeps {
  readonly clock: Clock;
  readonly device: Device;
  readonly peers: PeerSet;
  readonly maxPeers: number;
  /** The interface's. */
  readonly mtuBytes: number;
  /** Makes the data thread look into its ring. */
  readonly wake: () => void;
  readonly carryOut: (commands: readonly DataCommand[]) => void;
  /** Peers have other candidates than before: they are to be configured anew. */
  readonly onCandidates: () => void;
  /** Of the mesh: no path leads to an address in there. */
  readonly ranges: readonly Cidr[];
}

/** The ways of a tunnel to its peers: transports beside UDP, path selection, and what both have to do with the engine. */
export class TunnelPaths {
  readonly cells: PathCells;
  readonly describe: DescribePath;
  readonly #deps: TunnelPathsDeps;
  readonly #pipes: PipeTable;
  readonly #control: PathControl;
  readonly #calls: PeerCalls;
  readonly #decisionHandlers: ((decision: PathDecision) => void)[] = [];
  readonly #callHandlers: ((publicKey: string) => void)[] = [];
  #ownEndpoints: readonly UdpEndpoint[] = [];
  readonly #mtuHandlers: ((finding: PathMtuFinding) => void)[] = [];

  constructor(deps: TunnelPathsDeps) {
    this.#deps = deps;
    const { clock, device, peers } = deps;
    this.cells = new PathCells(deps.maxPeers);
    this.#pipes = new PipeTable({
      isPeer: (publicKey) => peers.get(publicKey)?.config.hasPaths === true,
      wake: deps.wake,
      onChange: (publicKey) => deps.carryOut(this.#control.pipesChanged(publicKey, clock.monotonicMs())),
    });
    this.describe = describePathsOf(this.#pipes);
    this.#calls = new PeerCalls(deps.ranges);
    this.#control = new PathControl({
      clock,
      cells: this.cells,
      pipes: this.#pipes,
      describe: this.describe,
      probeId: randomBytes(4).readUInt32BE(),
      mtuProbeId: randomBytes(4).readUInt32BE(),
      mtuBytes: deps.mtuBytes,
      leads: (publicKey) => Buffer.compare(device.publicKey ?? NO_KEY, Buffer.from(publicKey, "base64")) < 0,
      onDecision: (decision) => {
        for (const handler of this.#decisionHandlers) handler(decision);
      },
      onMtu: (finding) => {
        for (const handler of this.#mtuHandlers) handler(finding);
      },
      hasSession: (peer) => device.peerStatus(peer, clock.monotonicMs())?.sessionAgeMs !== undefined,
      onOpened: (peer, endpoint) => device.initiateBy(peer, endpoint),
      ownEndpoints: () => this.#ownEndpoints,
      onCall: (publicKey) => {
        for (const handler of this.#callHandlers) handler(publicKey);
      },
      onCalled: (peer) => device.punch(peer, clock.monotonicMs()),
      onPrimary: (peer, endpoint) => void device.handle({ type: "roamed", peer, endpoint }, clock.monotonicMs()),
    });
  }

  /** The memory of the rings, as the data thread knows them: what it sends, and what it receives. */
  get rings(): { readonly outbound: SharedArrayBuffer; readonly inbound: SharedArrayBuffer } {
    return { outbound: this.#pipes.fromData.buffer, inbound: this.#pipes.toData.buffer };
  }

  /** Datagrams of pipes that the data thread was too slow to take. */
  get overflowed(): number {
    return this.#pipes.overflowed;
  }

  /**
   * Takes a transport over byte streams into use, a further way to every peer with paths; `create` is given what it is
   * to call. Closing it stays its owner's business, after `detach`.
   */
  attach<Transport extends PipeTransport>(create: (handlers: PipeHandlers) => Transport): Transport {
    const { handlers, add } = this.#pipes.handlers();
    const transport = create(handlers);
    add(transport);
    this.#deps.onCandidates();
    return transport;
  }

  /** As `attach`, for a transport that takes its time to open. */
  async attachOpened<Transport extends PipeTransport>(
    open: (handlers: PipeHandlers) => Promise<Transport>,
  ): Promise<Transport> {
    const { handlers, add } = this.#pipes.handlers();
    const transport = await open(handlers);
    add(transport);
    this.#deps.onCandidates();
    return transport;
  }

  detach(transport: PipeTransport): void {
    this.#pipes.detach(transport);
    this.#deps.onCandidates();
  }

  /** Transports have connected or lost their connection: perhaps pipes to many peers have opened or closed. */
  pipesChanged(): void {
    this.#deps.carryOut(this.#control.pipesChanged(undefined, this.#nowMs()));
  }

  /** The host has other addresses, routes or links than before, or slept: every path is proven anew, at once. */
  networkChanged(): void {
    this.#deps.carryOut(this.#control.networkChanged(this.#nowMs()));
  }

  /** Where we are reached by UDP, best first: peers are told when we call them. */
  setOwnEndpoints(endpoints: readonly UdpEndpoint[]): void {
    this.#ownEndpoints = endpoints;
    this.callable();
  }

  /** Calls reach others than before, or tell them more: peers that UDP is wanted to are called anew. */
  callable(): void {
    this.#deps.carryOut(this.#control.callable(this.#nowMs()));
  }

  /**
   * Called when this peer is to send to us by UDP just now, as we do to it, and the session with it may be no way to tell
   * it so.
   */
  onCall(handler: (publicKey: string) => void): void {
    this.#callHandlers.push(handler);
  }

  /** The peer sends to us by UDP just now, and says that it is reached at `endpoints` itself. */
  called(publicKey: string, { isAnswer, endpoints }: Call): void {
    const peer = this.#deps.peers.get(publicKey);
    const nowMs = this.#nowMs();
    if (peer?.config.hasPaths !== true || !this.#calls.admits(publicKey, nowMs)) return;
    if (this.#calls.note(publicKey, endpoints)) this.#deps.onCandidates();
    this.#deps.carryOut(this.#control.called(peer.id, isAnswer, nowMs));
  }

  /** Called whenever path selection has chosen another path to a peer. */
  onDecision(handler: (decision: PathDecision) => void): void {
    this.#decisionHandlers.push(handler);
  }

  /** Called whenever it was found out how large packets a path carries. */
  onMtu(handler: (finding: PathMtuFinding) => void): void {
    this.#mtuHandlers.push(handler);
  }

  /** For the tunnel: `peer` with its pipes and what it said in calls, and without what may not be used for it: handshakes go to every candidate. */
  withPipes(peer: TunnelPeerConfig): TunnelPeerConfig {
    if (peer.hasPaths !== true) return peer;
    const { order, excluded, preferred } = peer.preference ?? NO_PREFERENCE;
    const preference = new Preference(order, excluded, preferred);
    const pipes = this.#pipes
      .pipesTo(peer.publicKey)
      .flatMap(({ number, transport }) => (preference.isAllowed(transport.transport) ? [{ pipe: number }] : []));
    const { endpoints } = this.#calls.withHeard(peer);
    return { ...peer, endpoints: preference.isAllowed("udp") ? endpoints : [], pipes };
  }

  /** For the tunnel: its peers have been configured anew. */
  configure(): DataCommand[] {
    const { peers } = this.#deps;
    for (const publicKey of this.#pipes.peers()) if (peers.get(publicKey) === undefined) this.#pipes.forget(publicKey);
    this.#calls.retain((publicKey) => peers.get(publicKey) !== undefined);
    return this.#control.configure(peers, this.#nowMs());
  }

  /** For the tunnel: true when the event was path selection's or the pipes' own, and has been dealt with. */
  take(event: DataEvent): boolean {
    switch (event.type) {
      case "probe-reply":
        if (!this.#control.isOwnReply(event)) return false;
        break;
      case "probe-refused":
      case "probe-request":
      case "stranger":
      case "active":
        break;
      case "call": {
        const caller = this.#deps.peers.byId(event.peer);
        if (caller !== undefined) this.called(caller.publicKey, event.call);
        return true;
      }
      case "pipe-datagrams":
        this.#pipes.drain();
        return true;
      default:
        return false;
    }
    this.#deps.carryOut(this.#control.take(event, this.#nowMs()));
    return true;
  }

  /** For the tunnel: the engine's action, and before anything is sent under new keys the path that it is to take. */
  choosing(action: EngineAction): DataCommand[] {
    if (action.type === "set-endpoint" && this.#control.isControlled(action.peer))
      return this.#control.heardHandshake(action.peer, action.endpoint, this.#nowMs());
    if (action.type === "install-keypair" && action.isInitiator) return [action, ...this.sessionUp(action.peer)];
    return [action];
  }

  /** For the tunnel: both ends have a session with this peer. */
  sessionUp(peer: number): DataCommand[] {
    return this.#control.sessionChanged(peer, true, this.#nowMs());
  }

  nextDeadlineMs(): number {
    return this.#control.nextDeadlineMs();
  }

  tick(): DataCommand[] {
    return this.#control.tick(this.#nowMs());
  }

  /** Undefined for a stock peer. */
  statusOf(peer: number): TunnelPathsStatus | undefined {
    return this.#control.statusOf(peer);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }
}
