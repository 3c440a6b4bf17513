import {
  type CoordinatorMessage,
  type EndpointsMessage,
  MAX_CALLED_PEERS,
  NO_SERVICES,
  type OffersMessage,
} from "../api/control-channel.ts";
import { meshErrorFromBody } from "../api/error-body.ts";
import { applyDelta, type NetworkMap } from "../api/network-map.ts";
import { authenticate } from "./authenticate.ts";
import type {
  AnnouncedEndpoints,
  ControlChannelDeps,
  ControlChannelHandlers,
  ControlChannelOptions,
  ControlChannelState,
} from "./control-channel-types.ts";
import { CoordinatorLink } from "./coordinator-link.ts";

/**
 * The peer's end of the control WebSocket: proves the machine key, keeps the map complete by its deltas, and tells our
 * endpoints. A delta that does not follow on our map makes it connect again and ask for the whole one.
 */
export class ControlChannel implements AsyncDisposable {
  readonly #options: ControlChannelOptions;
  readonly #handlers: ControlChannelHandlers;
  readonly #deps: ControlChannelDeps;
  readonly #link: CoordinatorLink;
  #map: NetworkMap | undefined;
  #endpoints: EndpointsMessage | undefined;
  #offers: OffersMessage | undefined;
  #state: ControlChannelState;

  /** `map` is the cached one that deltas may build on. */
  constructor(
    options: ControlChannelOptions & { readonly map: NetworkMap | undefined },
    handlers: ControlChannelHandlers,
    deps: ControlChannelDeps,
  ) {
    this.#options = options;
    this.#map = options.map;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#link = new CoordinatorLink(
      options,
      {
        onMessage: (message, url) => this.#receive(message, url),
        onSign: () => {
          this.#state = { ...this.#state, lastContactAtMs: deps.clock.wallMs() };
        },
        onDisconnected: (error) => this.#setState({ connected: false, error }),
      },
      deps,
    );
    this.#state = {
      url: this.#link.url,
      connected: false,
      lastContactAtMs: null,
      error: null,
      observedAddress: null,
      services: NO_SERVICES,
    };
  }

  get state(): ControlChannelState {
    return this.#state;
  }

  start(): void {
    this.#link.start();
  }

  /** Tells the coordinator, now or as soon as there is a connection. */
  setEndpoints(endpoints: AnnouncedEndpoints): void {
    this.#endpoints = { type: "endpoints", ...endpoints };
    if (this.#state.connected) this.#link.send(this.#endpoints);
  }

  /** What we would carry for others; told as the endpoints are. */
  setOffers(offers: Omit<OffersMessage, "type">): void {
    this.#offers = { type: "offers", ...offers };
    if (this.#state.connected) this.#link.send(this.#offers);
  }

  /**
   * Has these peers (WireGuard keys) send to us now, at the endpoints that we have told last. Comes to nothing while there
   * is no connection.
   */
  call(peers: readonly string[]): void {
    if (!this.#state.connected) return;
    for (let i = 0; i < peers.length; i += MAX_CALLED_PEERS)
      this.#link.send({ type: "call", peers: peers.slice(i, i + MAX_CALLED_PEERS) });
  }

  /** Forgets the map that deltas build on and asks for the whole one. */
  requestFullMap(): void {
    this.#map = undefined;
    this.#link.renew();
  }

  /**
   * To be called when the host's network has changed: the connection has to prove within two seconds that it still lives,
   * and where there is none the next attempt begins now.
   */
  checkNow(): void {
    this.#link.checkNow();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #receive(message: CoordinatorMessage, url: string): void {
    switch (message.type) {
      case "hello":
        this.#link.send(authenticate(message, { ...this.#options, heldVersion: this.#map?.version ?? null }));
        return;
      case "welcome":
        this.#link.welcomed();
        this.#setState({
          url,
          connected: true,
          error: null,
          observedAddress: message.observedAddress,
          services: message.services,
        });
        this.#deps.logger.info({ url, observedAddress: message.observedAddress }, "connected to the coordinator");
        if (this.#endpoints !== undefined) this.#link.send(this.#endpoints);
        if (this.#offers !== undefined) this.#link.send(this.#offers);
        return;
      case "map":
        this.#map = message.map;
        this.#handlers.onMap(message.map);
        return;
      case "delta": {
        const next = this.#map === undefined ? undefined : applyDelta(this.#map, message.delta);
        if (next === undefined) {
          this.#deps.logger.info(
            { from: message.delta.fromVersion },
            "a map delta does not fit; asking for the whole map",
          );
          this.requestFullMap();
          return;
        }
        this.#map = next;
        this.#handlers.onMap(next);
        return;
      }
      case "call":
        this.#handlers.onCall(message);
        return;
      case "rejected":
        throw meshErrorFromBody(message.error);
    }
  }

  #setState(change: Partial<ControlChannelState>): void {
    this.#state = { ...this.#state, ...change };
    this.#handlers.onStateChange(this.#state);
  }
}
