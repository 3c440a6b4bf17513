import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { CoordinatorServices } from "../../api/control-channel.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import { refuseOnSocket } from "../../api/raw-response.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { SourceQuota } from "../../base/source-quota.ts";
import { sourceBlock } from "../../packet/source-block.ts";
import type { ClientAddresses } from "../client-address.ts";
import type { Distribution } from "../distribution.ts";
import { advertisedEndpoints, atPorts } from "../endpoints.ts";
import type { CoordinatorLimits } from "../limits.ts";
import type { Registry } from "../registry.ts";
import { Channel, type ChannelDeps } from "./channel.ts";

const CONTROL_PATH = "/v1/control";

interface ControlServerDeps {
  readonly network: NetworkInfo;
  readonly softwareVersion: string;
  /** What peers are told of. */
  readonly services: CoordinatorServices;
  readonly registry: Registry;
  readonly distribution: Distribution;
  readonly clientAddresses: ClientAddresses;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Accepts control WebSockets, keeps one live channel for each peer, and tells the registry who is there. */
export class ControlServer {
  #deps: ControlServerDeps;
  #upgrader: WebSocketServer;
  #channels = new Set<Channel>();
  #live = new Map<number, { readonly channel: Channel; readonly unsubscribe: () => void }>();
  /** Channels that have not authenticated. */
  #pending: SourceQuota;
  #upkeep: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  constructor(deps: ControlServerDeps) {
    this.#deps = deps;
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: deps.limits.controlMessageBytes,
    });
    const { pingIntervalMs, authenticateTimeoutMs, unauthenticatedChannels, unauthenticatedChannelsPerAddress } =
      deps.limits;
    this.#pending = new SourceQuota(unauthenticatedChannels, unauthenticatedChannelsPerAddress);
    this.#upkeep = setInterval(() => this.#checkLiveness(), Math.min(pingIntervalMs, authenticateTimeoutMs / 2));
  }

  /** Handler of an HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const remoteAddress = this.#deps.clientAddresses.of(request);
    const source = sourceBlock(remoteAddress);
    const refusal = this.#refusal(request, source);
    if (refusal !== undefined) {
      refuseOnSocket(socket, refusal);
      return;
    }
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      this.#channels.add(new Channel(webSocket, remoteAddress, this.#channelDeps(this.#pending.enter(source))));
    });
  }

  /** Ends a peer's channel, if it has one. */
  disconnect(peerId: number, why: MeshError): void {
    this.#live.get(peerId)?.channel.reject(why);
  }

  /** Tells every peer, waits for the closing handshakes at most `drainMs`, then cuts. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    clearInterval(this.#upkeep);
    for (const channel of this.#channels) channel.reject(new MeshError("shutting-down", "the coordinator is stopping"));
    if (this.#channels.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#deps.limits.drainMs);
        this.#onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const channel of this.#channels) channel.terminate();
    this.#upgrader.close();
  }

  #onEmpty: () => void = () => {};

  #refusal(request: IncomingMessage, source: string): MeshError | undefined {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== CONTROL_PATH) return new MeshError("not-found", "there is no WebSocket here");
    if (this.#closing !== undefined) return new MeshError("shutting-down", "the coordinator is stopping");
    if (this.#pending.hasRoomFor(source)) return undefined;
    return new MeshError("rate-limited", "too many channels wait to authenticate");
  }

  #channelDeps(noLongerPending: () => void): ChannelDeps {
    const { network, softwareVersion, services, limits, clock, logger, registry } = this.#deps;
    return {
      networkId: network.id,
      softwareVersion,
      services,
      limits,
      clock,
      logger,
      findPeer: (machineKey) => registry.byMachineKey(machineKey),
      onAuthenticated: (channel, peer, mapVersion) => {
        noLongerPending();
        this.#goLive(channel, peer.id, mapVersion);
      },
      onEndpoints: (channel, { listenPort, endpoints, sshPorts, udp }) => {
        const known = advertisedEndpoints(network, endpoints, channel.remoteAddress, listenPort);
        registry.setEndpoints(channel.peerId, udp ? known : [], atPorts(known, sshPorts));
      },
      onClosed: (channel) => {
        noLongerPending();
        this.#forget(channel);
      },
    };
  }

  #goLive(channel: Channel, peerId: number, mapVersion: number | null): void {
    const { registry, distribution, clock } = this.#deps;
    const previous = this.#live.get(peerId);
    previous?.unsubscribe();
    // Presence before the subscription: the peer's own arrival is not worth a second message.
    registry.setPresence(peerId, true, clock.wallMs());
    this.#live.set(peerId, { channel, unsubscribe: distribution.subscribe(channel, mapVersion) });
    previous?.channel.reject(new MeshError("control-replaced", "another connection of this peer took over"));
  }

  #forget(channel: Channel): void {
    this.#channels.delete(channel);
    const live = this.#live.get(channel.peerId);
    if (live?.channel === channel) {
      live.unsubscribe();
      this.#live.delete(channel.peerId);
      const { registry, clock, logger } = this.#deps;
      registry.setPresence(channel.peerId, false, clock.wallMs());
      logger.info({ peer: registry.byId(channel.peerId)?.name, address: channel.remoteAddress }, "peer disconnected");
    }
    if (this.#channels.size === 0) this.#onEmpty();
  }

  #checkLiveness(): void {
    for (const channel of this.#channels) channel.checkLiveness();
  }
}
