import type { Socket } from "node:dgram";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import { type Dial, plainSocket } from "../../host/tcp.ts";
import { type OpenUdp, plainUdp } from "../../host/udp.ts";
import type { GatewayAnswer } from "./gateway-protocol.ts";
import {
  type GatewayNetwork,
  PortMapper,
  type PortMapperEvent,
  type PortMapping,
  UPNP_LIMIT_MS,
  type UpnpQuery,
} from "./port-mapper.ts";
import { mapByUpnp, type UpnpDeps, unmapByUpnp } from "./upnp/upnp-gateway.ts";

/** At the end nobody wants to wait for long; the lease runs out by itself. */
const UPNP_RELEASE_LIMIT_MS = 3_000;

export interface PortMappingClientOptions {
  /** The UDP port to be reached at. */
  readonly internalPort: number;
  /** See `portMappingNonce`. */
  readonly nonce: Uint8Array;
  /** The mapping is this one from now on; undefined for none. */
  onMapping(mapping: PortMapping | undefined): void;
}

export interface PortMappingClientDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Towards the gateway; a daemon's sockets carry its firewall mark. */
  readonly openUdp?: OpenUdp;
  readonly dial?: Dial;
}

/** `PortMapper` on a UDP socket of its own, bound to our address towards the gateway. */
export class PortMappingClient implements AsyncDisposable {
  readonly #options: PortMappingClientOptions;
  readonly #deps: PortMappingClientDeps;
  readonly #mapper: PortMapper;
  #socket: Socket | undefined;
  #localAddress: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Of the question by UPnP that is under way. */
  #upnp: AbortController | undefined;

  constructor(options: PortMappingClientOptions, deps: PortMappingClientDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#mapper = new PortMapper(options.internalPort, options.nonce);
  }

  /** Asks the gateway of this network from now on; null for none. Also to be told after a sleep. */
  setNetwork(network: GatewayNetwork | null): void {
    if (this.#localAddress !== network?.localAddress || this.#socket === undefined) {
      this.#socket?.close();
      this.#localAddress = network?.localAddress;
      this.#socket = network === null ? undefined : this.#open(network.localAddress);
    }
    this.#tell({ type: "network-changed", network });
  }

  /** Gives the mapping back, if the gateway hears of it; else it lapses by itself. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#upnp?.abort();
    const socket = this.#socket;
    this.#socket = undefined;
    const released = this.#mapper.handle({ type: "stop" }, this.#deps.clock.monotonicMs());
    if (socket === undefined) return;
    for (const action of released) {
      if (action.type === "send") await send(socket, action.bytes, action.destination);
      else if (action.type === "release-upnp") await this.#releaseUpnp(action.query);
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(localAddress: string): Socket | undefined {
    const { openUdp = plainUdp } = this.#deps;
    let socket: Socket;
    try {
      socket = openUdp(localAddress);
    } catch (error) {
      this.#noSocket(error);
      return undefined;
    }
    socket.on("message", (bytes, { address, port }) => {
      if (socket === this.#socket) this.#tell({ type: "datagram", bytes, source: { address, port } });
    });
    socket.on("error", (error) => this.#noSocket(error));
    return socket;
  }

  /** An address that is gone again cannot be bound; the network will be another then, and we are told. */
  #noSocket(err: unknown): void {
    this.#deps.logger.debug({ err }, "no socket towards the gateway");
  }

  #tell(event: PortMapperEvent): void {
    const { clock, logger } = this.#deps;
    const before = this.#mapper.mapping;
    for (const action of this.#mapper.handle(event, clock.monotonicMs())) {
      switch (action.type) {
        case "send":
          if (this.#socket !== undefined) void send(this.#socket, action.bytes, action.destination);
          break;
        case "ask-upnp":
          void this.#askUpnp(action.query);
          break;
        case "release-upnp":
          break;
        case "mapped":
          logger.info({ ...action.mapping }, "the gateway has mapped our port");
          break;
        case "lost":
        case "unavailable":
          logger.debug({ why: action.why }, "there is no port mapping");
      }
    }
    this.#schedule();
    if (this.#mapper.mapping !== before) this.#options.onMapping(this.#mapper.mapping);
  }

  get #upnpDeps(): UpnpDeps {
    const { openUdp = plainUdp, dial = plainSocket } = this.#deps;
    return { openUdp, dial };
  }

  async #askUpnp(query: UpnpQuery): Promise<void> {
    this.#upnp?.abort();
    const asking = new AbortController();
    this.#upnp = asking;
    let answer: GatewayAnswer | null = null;
    try {
      const signal = AbortSignal.any([asking.signal, AbortSignal.timeout(UPNP_LIMIT_MS)]);
      answer = await mapByUpnp(query, this.#upnpDeps, signal);
    } catch (failure) {
      this.#deps.logger.debug({ err: failure, gateway: query.gateway }, "UPnP came to nothing");
    }
    if (!asking.signal.aborted) this.#tell({ type: "upnp-answer", answer });
  }

  async #releaseUpnp(query: UpnpQuery): Promise<void> {
    try {
      await unmapByUpnp(query, this.#upnpDeps, AbortSignal.timeout(UPNP_RELEASE_LIMIT_MS));
    } catch (failure) {
      this.#deps.logger.debug({ err: failure, gateway: query.gateway }, "the port mapping was not given back");
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const deadlineMs = this.#mapper.nextDeadlineMs();
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(0, deadlineMs - this.#deps.clock.monotonicMs());
    this.#timer = setTimeout(() => this.#tell({ type: "tick" }), waitMs);
    this.#timer.unref();
  }
}

/** Done when the system has taken the datagram, or has not: one that is lost is repeated. */
function send(socket: Socket, bytes: Uint8Array, to: { address: string; port: number }): Promise<void> {
  return new Promise((resolve) => socket.send(bytes, to.port, to.address, () => resolve()));
}
