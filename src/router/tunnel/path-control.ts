import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../base/clock.ts";
import { type Endpoint, isPipe, isSameRemote, type UdpEndpoint } from "../../packet/endpoint.ts";
import { PeerMtus } from "../path-mtu/peer-mtus.ts";
import { NO_PREFERENCE, type TransportPreference } from "../paths/events.ts";
import { type PathAction, type PathEvent, PeerPaths } from "../paths/peer-paths.ts";
import { MAX_CALL_ENDPOINTS } from "../shared/call.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import type { PathCells } from "../shared/path-cells.ts";
import { PathSlots } from "./path-slots.ts";
import { pathsStatus } from "./paths-status.ts";
import type { ActivePeer } from "./peer-set.ts";
import type { PipeTable } from "./pipe-table.ts";
import type { DescribePath, PathDecision, PathMtuFinding, TunnelPathsStatus } from "./tunnel-types.ts";

export interface PathControlDeps {
  readonly clock: Clock;
  readonly cells: PathCells;
  readonly pipes: PipeTable;
  readonly describe: DescribePath;
  readonly onDecision: (decision: PathDecision) => void;
  readonly onMtu: (finding: PathMtuFinding) => void;
  /** Tell the probes of path selection and of path MTU discovery from others. */
  readonly probeId: number;
  readonly mtuProbeId: number;
  /** The interface's. */
  readonly mtuBytes: number;
  /** Whether we are the end that the other one follows when the two disagree. */
  readonly leads: (publicKey: string) => boolean;
  /** Whether there is a session with the peer that both ends can use. */
  readonly hasSession: (peer: number) => boolean;
  /** A pipe to this peer has opened: a handshake that waits for an answer may get one by it. */
  readonly onOpened: (peer: number, endpoint: Endpoint) => DataCommand[];
  /** Where we are reached by UDP, best first. */
  readonly ownEndpoints: () => readonly UdpEndpoint[];
  /** The peer is to send to us by UDP just now, and no path may lead there by which to tell it. */
  readonly onCall: (publicKey: string) => void;
  /** The peer sends to us just now, to shake hands. */
  readonly onCalled: (peer: number) => DataCommand[];
  /** Handshakes of this peer go here from now on. */
  readonly onPrimary: (peer: number, endpoint: Endpoint) => void;
}

export type PathProbeEvent = Extract<
  DataEvent,
  { type: "probe-reply" | "probe-refused" | "probe-request" | "stranger" | "active" }
>;

interface Controlled {
  readonly id: number;
  readonly publicKey: string;
  readonly slots: PathSlots;
  readonly selection: PeerPaths;
  readonly mtus: PeerMtus;
  preference: TransportPreference;
  candidates: readonly Endpoint[];
  /** Numbers of those paths that are pipes, and open. */
  readonly openPipes: Set<number>;
  /** See `TunnelPathsStatus`. */
  changes: number;
  losses: number;
}

/**
 * The shell of path selection: numbers for the candidates of each peer with paths, events to its `PeerPaths`, and what that
 * wants as commands for the data thread.
 */
export class PathControl {
  readonly #deps: PathControlDeps;
  readonly #peers = new Map<number, Controlled>();

  constructor(deps: PathControlDeps) {
    this.#deps = deps;
  }

  /** Takes the peers as they are now: to be called after every change of their configuration. */
  configure(peers: Iterable<ActivePeer>, nowMs: number): DataCommand[] {
    const commands: DataCommand[] = [];
    const present = new Set<number>();
    for (const { id, publicKey, config } of peers) {
      if (!config.hasPaths) continue;
      present.add(id);
      let peer = this.#peers.get(id);
      if (peer?.publicKey !== publicKey) {
        peer = this.#create(id, publicKey);
        this.#peers.set(id, peer);
      }
      // Before the candidates: what is not allowed any more is gone from among them, and the reason is this one.
      commands.push(...this.#setPreference(peer, config.preference, nowMs));
      commands.push(...this.#setCandidates(peer, config.engine.candidates, nowMs));
    }
    for (const id of this.#peers.keys()) if (!present.has(id)) this.#peers.delete(id);
    return commands;
  }

  isControlled(peer: number): boolean {
    return this.#peers.has(peer);
  }

  /** An authentic handshake message of the peer came from there. */
  heardHandshake(id: number, endpoint: Endpoint, nowMs: number): DataCommand[] {
    const peer = this.#peers.get(id);
    return peer === undefined ? [] : this.#heard(peer, endpoint, nowMs);
  }

  sessionChanged(id: number, isUp: boolean, nowMs: number): DataCommand[] {
    return this.#tell(this.#peers.get(id), { type: "session", isUp }, nowMs);
  }

  /** A pipe to the peer has opened or closed; without a peer, perhaps pipes to anybody. */
  pipesChanged(publicKey: string | undefined, nowMs: number): DataCommand[] {
    const concerned = [...this.#peers.values()].filter(
      (peer) => publicKey === undefined || peer.publicKey === publicKey,
    );
    return concerned.flatMap((peer) => this.#announceOpen(peer, nowMs));
  }

  /** The peer sends to all our addresses just now, and its own are known: we do the same. */
  called(id: number, isAnswer: boolean, nowMs: number): DataCommand[] {
    const peer = this.#peers.get(id);
    if (peer === undefined) return [];
    if (!this.#deps.hasSession(id)) return this.#deps.onCalled(id);
    const commands = this.#tell(peer, { type: "called" }, nowMs);
    return isAnswer ? commands : [...commands, ...this.#sendCall(peer, true)];
  }

  /** Calls reach others than before, or tell them more. */
  callable(nowMs: number): DataCommand[] {
    return [...this.#peers.values()].flatMap((peer) => this.#tell(peer, { type: "callable" }, nowMs));
  }

  /** Every path is to be proven anew, at once. */
  networkChanged(nowMs: number): DataCommand[] {
    for (const peer of this.#peers.values()) this.#forgetSources(peer);
    const commands = [...this.#peers.values()].flatMap((peer) => [
      ...peer.mtus.restart(nowMs),
      ...this.#tell(peer, { type: "network-changed" }, nowMs),
    ]);
    return [{ type: "forget-sources" }, ...commands];
  }

  /** Whether the reply is to a probe of path selection, or of path MTU discovery. */
  isOwnReply({ id }: Extract<DataEvent, { type: "probe-reply" }>): boolean {
    return id === this.#deps.probeId || id === this.#deps.mtuProbeId;
  }

  take(event: PathProbeEvent, nowMs: number): DataCommand[] {
    const peer = this.#peers.get(event.peer);
    if (peer === undefined) return [];
    switch (event.type) {
      case "stranger":
        return this.#heard(peer, event.endpoint, nowMs);
      case "active":
        return this.#tell(peer, { type: "active" }, nowMs);
      case "probe-request":
        return this.#tell(peer, { type: "request", id: event.path, isTheirPrimary: event.isTheirPrimary }, nowMs);
      case "probe-refused":
        return this.#measured(peer, peer.mtus.handle(event.path, { ...event, type: "refused" }, nowMs), nowMs);
      case "probe-reply": {
        const { path: id, sequence, rttMs, counts, isTheirPrimary } = event;
        if (id === null) return [];
        if (event.id === this.#deps.mtuProbeId)
          return this.#measured(peer, peer.mtus.handle(id, { type: "answered", sequence }, nowMs), nowMs);
        const commands = this.#tell(peer, { type: "reply", id, sequence, rttMs, ...counts, isTheirPrimary }, nowMs);
        return [...commands, ...this.#measured(peer, peer.mtus.alive(id, rttMs, nowMs), nowMs)];
      }
    }
  }

  nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { selection, mtus } of this.#peers.values())
      nextMs = Math.min(nextMs, selection.nextDeadlineMs(), mtus.nextDeadlineMs());
    return nextMs;
  }

  tick(nowMs: number): DataCommand[] {
    const commands: DataCommand[] = [];
    for (const peer of this.#peers.values()) {
      commands.push(...this.#measured(peer, peer.mtus.tick(nowMs), nowMs));
      if (peer.selection.nextDeadlineMs() > nowMs) continue;
      const event: PathEvent = this.#deps.hasSession(peer.id) ? { type: "tick" } : { type: "session", isUp: false };
      commands.push(...this.#tell(peer, event, nowMs));
    }
    return commands;
  }

  statusOf(id: number): TunnelPathsStatus | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const { clock } = this.#deps;
    const endpointOf = (path: number) => this.#describe(peer, path)?.endpoint;
    const mtuOf = (path: number) => peer.mtus.capacityOf(path);
    const wallAheadMs = clock.wallMs() - clock.monotonicMs();
    const { changes, losses } = peer;
    return { ...pathsStatus(peer.selection.status(), { endpointOf, mtuOf, wallAheadMs }), changes, losses };
  }

  #create(id: number, publicKey: string): Controlled {
    const { cells, leads, mtuProbeId: probeId, mtuBytes } = this.#deps;
    const selection = new PeerPaths({
      leads: leads(publicKey),
      // Not a secret: it spreads what idle peers do over time.
      jitter: Math.random(),
      counters: cells.countersOf(id),
    });
    const mtus = new PeerMtus({ peer: id, probeId, mtuBytes, cells });
    const [slots, openPipes] = [new PathSlots(), new Set<number>()];
    return {
      id,
      publicKey,
      slots,
      selection,
      mtus,
      preference: NO_PREFERENCE,
      candidates: [],
      openPipes,
      changes: 0,
      losses: 0,
    };
  }

  #setPreference(peer: Controlled, wanted: TransportPreference | undefined, nowMs: number): DataCommand[] {
    const preference = wanted ?? NO_PREFERENCE;
    if (isDeepStrictEqual(preference, peer.preference)) return [];
    peer.preference = preference;
    return this.#tell(peer, { type: "preference", ...preference }, nowMs);
  }

  #setCandidates(peer: Controlled, candidates: readonly Endpoint[], nowMs: number): DataCommand[] {
    if (isSameList(peer.candidates, candidates)) return [];
    peer.candidates = candidates;
    const told = PathSlots.choose(candidates);
    const commands: DataCommand[] = [];
    const isKept = (path: number, endpoint: Endpoint) =>
      peer.selection.isInUse(path) && !isPipe(endpoint) && isUdpAllowed(peer.preference);
    for (const path of peer.slots.keepOnly(told, isKept)) {
      peer.openPipes.delete(path);
      peer.mtus.remove(path);
      commands.push({ type: "remove-path", peer: peer.id, path });
    }
    for (const endpoint of told) commands.push(...this.#assign(peer, endpoint, false));
    return [...commands, ...this.#announceCandidates(peer, nowMs), ...this.#announceOpen(peer, nowMs)];
  }

  #assign(peer: Controlled, endpoint: Endpoint, isLearned: boolean): DataCommand[] {
    const path = peer.slots.assign(endpoint, isLearned, (number) => peer.selection.isInUse(number));
    if (path === undefined) return [];
    return [{ type: "set-path", peer: peer.id, path, endpoint }, ...peer.mtus.add(path, endpoint)];
  }

  #announceCandidates(peer: Controlled, nowMs: number): DataCommand[] {
    const candidates = peer.slots.entries().map(({ path: id, endpoint }) => {
      const { transport, endpoint: address } = this.#deps.describe(endpoint);
      // Where a pipe leads is not known before it is open, and selection is to take it for the same path afterwards.
      return { id, transport, label: isPipe(endpoint) ? `pipe ${endpoint.pipe}` : address };
    });
    return this.#tell(peer, { type: "candidates", candidates }, nowMs);
  }

  #announceOpen(peer: Controlled, nowMs: number): DataCommand[] {
    return peer.slots.entries().flatMap(({ path: id, endpoint }) => {
      if (!isPipe(endpoint)) return [];
      const pipe = this.#deps.pipes.get(endpoint);
      const isOpen = pipe?.transport.isOpenTo(peer.publicKey) ?? false;
      const hasOpened = isOpen && !peer.openPipes.has(id);
      if (isOpen) peer.openPipes.add(id);
      else peer.openPipes.delete(id);
      const commands = this.#tell(peer, { type: "open", id, isOpen }, nowMs);
      return hasOpened ? [...commands, ...this.#deps.onOpened(peer.id, endpoint)] : commands;
    });
  }

  /** The kernel chooses by which address of ours to answer until the peer is heard again. */
  #forgetSources(peer: Controlled): void {
    peer.slots.forgetSources();
    const { primary } = peer.selection.status();
    const endpoint = primary === null ? undefined : peer.slots.endpointOf(primary);
    if (endpoint !== undefined) this.#deps.onPrimary(peer.id, endpoint);
  }

  #heard(peer: Controlled, endpoint: Endpoint, nowMs: number): DataCommand[] {
    const commands = this.#assign(peer, endpoint, true);
    if (commands.length > 0) commands.push(...this.#announceCandidates(peer, nowMs));
    const id = peer.slots.find(endpoint);
    if (id >= 0) commands.push(...this.#tell(peer, { type: "heard", id }, nowMs));
    return commands;
  }

  /** Path MTU discovery wants this; what it has found out is news for path selection. */
  #measured(peer: Controlled, commands: readonly DataCommand[], nowMs: number): DataCommand[] {
    return commands.flatMap((command) => {
      const capacity = command.type === "set-path-mtu" ? peer.mtus.capacityOf(command.path) : undefined;
      if (command.type !== "set-path-mtu" || !capacity?.isSettled) return [command];
      const { path: id } = command;
      const path = this.#describe(peer, id);
      const { mtuBytes, reason } = capacity;
      if (path !== null) this.#deps.onMtu({ publicKey: peer.publicKey, path, mtuBytes, reason });
      return [command, ...this.#tell(peer, { type: "capacity", id, isNarrow: !capacity.carriesIpv6 }, nowMs)];
    });
  }

  #tell(peer: Controlled | undefined, event: PathEvent, nowMs: number): DataCommand[] {
    if (peer === undefined) return [];
    return peer.selection.handle(event, nowMs).flatMap((action) => this.#carryOut(peer, action));
  }

  #carryOut(peer: Controlled, action: PathAction): DataCommand[] {
    switch (action.type) {
      case "probe":
        return [
          { type: "send-probe", peer: peer.id, path: action.id, id: this.#deps.probeId, sequence: action.sequence },
        ];
      case "use": {
        const { primary, second } = action;
        const endpoint = primary === null ? undefined : peer.slots.endpointOf(primary);
        if (endpoint !== undefined) this.#deps.onPrimary(peer.id, endpoint);
        return [{ type: "use-paths", peer: peer.id, primary, second }];
      }
      case "want":
        if (action.transport === "udp") return this.#call(peer);
        this.#deps.pipes.want(peer.publicKey, action.transport);
        return [];
      case "decided":
        if (action.to === null) peer.losses++;
        else peer.changes++;
        this.#deps.onDecision({
          publicKey: peer.publicKey,
          path: this.#describe(peer, action.to),
          reason: action.reason,
        });
        return [];
    }
  }

  #call(peer: Controlled): DataCommand[] {
    if (!peer.selection.isReliable) this.#deps.onCall(peer.publicKey);
    return this.#sendCall(peer, false);
  }

  #sendCall(peer: Controlled, isAnswer: boolean): DataCommand[] {
    const call = { isAnswer, endpoints: this.#deps.ownEndpoints().slice(0, MAX_CALL_ENDPOINTS) };
    return peer.selection.carriers.map((path) => ({ type: "send-call", peer: peer.id, path, call }));
  }

  #describe(peer: Controlled, path: number | null): PathDecision["path"] {
    const endpoint = path === null ? undefined : peer.slots.endpointOf(path);
    return endpoint === undefined ? null : this.#deps.describe(endpoint);
  }
}

function isUdpAllowed({ order, excluded }: TransportPreference): boolean {
  return order.includes("udp") && !excluded.includes("udp");
}

function isSameList(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && a.every((endpoint, i) => isSameRemote(endpoint, b[i]!));
}
