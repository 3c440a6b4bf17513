import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { refuseOnSocket } from "../api/raw-response.ts";
import { RelayFrameType, readdressRelayFrame, relayFramePeer, relayFrameType } from "../api/relay-frame.ts";
import type { Clock } from "../base/clock.ts";
import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type MetricFamily, readMetrics } from "../base/metrics.ts";
import { SourceQuota } from "../base/source-quota.ts";
import { sourceBlock } from "../packet/source-block.ts";
import { MAX_RELAY_MESSAGE_BYTES } from "../transports/relay/limits.ts";
import { AwaitedPeers } from "./awaited-peers.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./limits.ts";
import type { RelayPolicy } from "./policy.ts";
import { RELAY_METRICS } from "./relay-metrics.ts";
import { RelaySession } from "./relay-session.ts";
import { emptyRelayCounters, type RelayStats } from "./stats.ts";

export interface RelayOptions {
  readonly networkId: string;
  /** Which of the network's relays this is. */
  readonly relayId: string;
  readonly limits?: Partial<RelayLimits> | undefined;
}

export interface RelayDeps {
  readonly policy: RelayPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Forwards datagrams between peers that may see each other, and looks into none of them.
 *
 *     client A ──frame for B──► whose connection? A's, so it is from A · is B here · may A and B exchange
 *              ──frame from A──► B's queue: bounded, in turns with B's other senders ──► B
 *
 * A client that sends too much is read more slowly; one that reads too slowly loses its own oldest frames.
 */
export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly #deps: RelayDeps;
  readonly #limits: RelayLimits;
  readonly #counters = emptyRelayCounters();
  readonly #upgrader: WebSocketServer;
  readonly #pending: SourceQuota;
  readonly #sessions = new Set<RelaySession>();
  /** One for each peer, by WireGuard key. */
  readonly #live = new Map<string, RelaySession>();
  readonly #awaited: AwaitedPeers;
  readonly #upkeep: NodeJS.Timeout;
  readonly #endPolicyWatch: () => void;
  #closing: Promise<void> | undefined;
  #onEmpty: () => void = () => {};

  constructor(options: RelayOptions, deps: RelayDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#limits = { ...DEFAULT_RELAY_LIMITS, ...options.limits };
    const { unauthenticatedConnections, unauthenticatedConnectionsPerAddress } = this.#limits;
    this.#pending = new SourceQuota(unauthenticatedConnections, unauthenticatedConnectionsPerAddress);
    this.#awaited = new AwaitedPeers(this.#limits.awaitedPeers);
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_RELAY_MESSAGE_BYTES,
      autoPong: false,
    });
    const { pingIntervalMs, authenticateTimeoutMs } = this.#limits;
    this.#upkeep = setInterval(
      () => {
        for (const session of this.#sessions) session.checkLiveness();
      },
      Math.min(pingIntervalMs, authenticateTimeoutMs / 2),
    );
    this.#endPolicyWatch = deps.policy.onPolicyChange(() => this.#applyPolicy());
  }

  get stats(): Readonly<RelayStats> {
    let waitingBytes = 0;
    for (const session of this.#sessions) waitingBytes += session.waitingBytes;
    return { ...this.#counters, clients: this.#live.size, waitingBytes };
  }

  metrics(): MetricFamily[] {
    return readMetrics(RELAY_METRICS, this.stats);
  }

  /**
   * Handler of an HTTP server's `upgrade` event on the relay's path.
   * @param clientAddress where the request really comes from
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, clientAddress: string): void {
    socket.on("error", () => socket.destroy());
    const source = sourceBlock(clientAddress);
    const refusal = this.#refusal(source);
    if (refusal !== undefined) {
      this.#counters.refusedConnections++;
      refuseOnSocket(socket, refusal);
      return;
    }
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const noLongerPending = this.#pending.enter(source);
      const session = new RelaySession(webSocket, socket, clientAddress, {
        networkId: this.#options.networkId,
        relayId: this.#options.relayId,
        limits: this.#limits,
        counters: this.#counters,
        ...this.#deps,
        onAuthenticated: (authenticated) => {
          noLongerPending();
          this.#goLive(authenticated);
        },
        onFrame: (sender, frame) => this.#forward(sender, frame),
        onEnded: (ended) => {
          noLongerPending();
          this.#retire(ended);
        },
        onClosed: (closed) => this.#forget(closed),
      });
      this.#sessions.add(session);
    });
  }

  /** Tells every client, waits for the closing handshakes at most `drainMs`, then cuts. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeAll(): Promise<void> {
    this.#endPolicyWatch();
    clearInterval(this.#upkeep);
    for (const session of this.#sessions) session.reject(new MeshError("shutting-down", "the relay is stopping"));
    if (this.#sessions.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#limits.drainMs);
        this.#onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const session of this.#sessions) session.terminate();
    this.#upgrader.close();
  }

  #refusal(source: string): MeshError | undefined {
    if (this.#closing !== undefined) return new MeshError("shutting-down", "the relay is stopping");
    if (this.#pending.hasRoomFor(source)) return undefined;
    return new MeshError("rate-limited", "too many connections wait to authenticate");
  }

  #goLive(session: RelaySession): void {
    const { wireguardKey } = session;
    const previous = this.#live.get(wireguardKey);
    this.#live.set(wireguardKey, session);
    previous?.reject(new MeshError("relay-replaced", "another connection of this peer took over"));
    this.#announce(session);
  }

  #forward(sender: RelaySession, frame: Buffer): void {
    const counters = this.#counters;
    if (relayFrameType(frame) !== RelayFrameType.datagram) {
      counters.malformedFrames++;
      return;
    }
    const destination = relayFramePeer(frame);
    const receiver = this.#live.get(destination);
    const source = sender.wireguardKey;
    if (receiver === undefined || !this.#deps.policy.mayExchange(source, destination)) {
      if (receiver === undefined) counters.droppedAbsent++;
      else counters.droppedForbidden++;
      if (this.#awaited.add(sender, destination)) sender.tellPresence(destination, false);
      return;
    }
    receiver.forward(source, readdressRelayFrame(frame, sender.key));
  }

  /** Tells those who were told that the peer is gone, as far as they may know. */
  #announce(session: RelaySession): void {
    const { policy } = this.#deps;
    for (const waiting of this.#awaited.waitingFor(session.wireguardKey)) {
      if (!policy.mayExchange(waiting.wireguardKey, session.wireguardKey)) continue;
      this.#awaited.remove(waiting, session.wireguardKey);
      waiting.tellPresence(session.wireguardKey, true);
    }
  }

  /** Peers that left or were disabled are cut, and what waits between peers that were separated is dropped. */
  #applyPolicy(): void {
    const { policy } = this.#deps;
    for (const session of [...this.#live.values()]) {
      const peer = policy.identify(session.machineKey);
      if (peer?.wireguardKey === session.wireguardKey) continue;
      session.reject(
        new MeshError("not-registered", "this machine is no peer of the network any more, or was disabled"),
      );
    }
    for (const session of this.#live.values()) {
      session.keepFlows((source) => policy.mayExchange(source, session.wireguardKey));
      this.#announce(session);
    }
  }

  #retire(session: RelaySession): void {
    if (this.#live.get(session.wireguardKey) === session) this.#live.delete(session.wireguardKey);
    this.#awaited.removeAll(session);
  }

  #forget(session: RelaySession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#onEmpty();
  }
}
