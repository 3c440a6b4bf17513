import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { CONTROL_PATH, type CoordinatorServices } from "../../api/control-channel.ts";
import { refuseOnSocket } from "../../api/raw-response.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { SourceQuota } from "../../base/source-quota.ts";
import { sourceBlock } from "../../packet/source-block.ts";
import type { ClientAddresses } from "../../web/client-address.ts";
import type { CoordinatorLimits } from "../limits.ts";
import { Channel, type ChannelDeps } from "./channel.ts";
import type { Membership } from "./membership.ts";

interface ControlServerDeps {
  readonly networkId: string;
  readonly softwareVersion: string;
  /** What peers are told of. */
  readonly services: CoordinatorServices;
  /** A machine key is that of one member only, of whichever kind. */
  readonly memberships: readonly Membership[];
  readonly clientAddresses: ClientAddresses;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Live {
  readonly channel: Channel;
  readonly membership: Membership;
  readonly unsubscribe: () => void;
}

/** Accepts control WebSockets, keeps one live channel for each machine, and tells its membership who is there. */
export class ControlServer {
  #deps: ControlServerDeps;
  #upgrader: WebSocketServer;
  #channels = new Set<Channel>();
  /** By machine key. */
  #live = new Map<string, Live>();
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

  /** Ends a machine's channel, if it has one. */
  disconnect(machineKey: string, why: MeshError): void {
    this.#live.get(machineKey)?.channel.reject(why);
  }

  /** Tells every machine, waits for the closing handshakes at most `drainMs`, then cuts. */
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
    const { networkId, softwareVersion, services, limits, clock, logger } = this.#deps;
    return {
      networkId,
      softwareVersion,
      services,
      limits,
      clock,
      logger,
      findMember: (machineKey) => this.#membershipOf(machineKey)?.find(machineKey),
      onAuthenticated: (channel, heldVersion) => {
        noLongerPending();
        this.#goLive(channel, heldVersion);
      },
      onMessage: (channel, message) => this.#live.get(channel.machineKey)?.membership.take(channel, message),
      onClosed: (channel) => {
        noLongerPending();
        this.#forget(channel);
      },
    };
  }

  #membershipOf(machineKey: string): Membership | undefined {
    return this.#deps.memberships.find((membership) => membership.find(machineKey) !== undefined);
  }

  #goLive(channel: Channel, heldVersion: number | null): void {
    const { machineKey } = channel;
    const membership = this.#membershipOf(machineKey);
    if (membership === undefined) return;
    const previous = this.#live.get(machineKey);
    previous?.unsubscribe();
    // Presence before the subscription: the peer's own arrival is not worth a second message.
    membership.setPresence(machineKey, true);
    this.#live.set(machineKey, { channel, membership, unsubscribe: membership.subscribe(channel, heldVersion) });
    previous?.channel.reject(new MeshError("control-replaced", "another connection of this machine took over"));
  }

  #forget(channel: Channel): void {
    this.#channels.delete(channel);
    const { machineKey, remoteAddress } = channel;
    const live = this.#live.get(machineKey);
    if (live?.channel === channel) {
      live.unsubscribe();
      this.#live.delete(machineKey);
      live.membership.setPresence(machineKey, false);
      const { name } = live.membership.find(machineKey) ?? {};
      this.#deps.logger.info({ name, address: remoteAddress }, "machine disconnected");
    }
    if (this.#channels.size === 0) this.#onEmpty();
  }

  #checkLiveness(): void {
    for (const channel of this.#channels) channel.checkLiveness();
  }
}
