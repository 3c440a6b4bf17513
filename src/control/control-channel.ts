import type { Socket } from "node:net";
import { WebSocket } from "ws";
import {
  CONTROL_MAX_PAYLOAD_BYTES,
  type CoordinatorMessage,
  NO_SERVICES,
  type PeerMessage,
} from "../api/control-channel.ts";
import { meshErrorFromBody } from "../api/error-body.ts";
import { applyDelta, type NetworkMap } from "../api/network-map.ts";
import { Backoff } from "../base/backoff.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import { authenticate } from "./authenticate.ts";
import { classifyConnectionFailure, notACoordinator } from "./connection-errors.ts";
import type {
  AnnouncedEndpoints,
  ControlChannelDeps,
  ControlChannelHandlers,
  ControlChannelOptions,
  ControlChannelState,
} from "./control-channel-types.ts";
import { parseCoordinatorMessage } from "./coordinator-message.ts";
import { isLocalAddress } from "./endpoints.ts";
import { Liveness } from "./liveness.ts";
import { openSecureSocket } from "./secure-socket.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const HANDSHAKE_LIMIT_MS = 10_000;

/**
 * The peer's end of the control WebSocket: connects, proves the machine key, keeps the map complete by its deltas, tells
 * our endpoints, and connects again for as long as it lives. A delta that does not follow on our map makes it connect again
 * and ask for the whole one.
 */
export class ControlChannel implements AsyncDisposable {
  readonly #options: ControlChannelOptions;
  readonly #handlers: ControlChannelHandlers;
  readonly #deps: ControlChannelDeps;
  readonly #backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  #map: NetworkMap | undefined;
  #endpoints: PeerMessage | undefined;
  #dial: AbortController | undefined;
  #socket: WebSocket | undefined;
  #liveness: Liveness | undefined;
  /** Of ours, at our end of the connection; undefined where it cannot be told. */
  #localAddress: string | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #urlIndex = 0;
  #reconnectAtOnce = false;
  #closed = false;
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
    this.#state = {
      url: this.#url,
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
    this.#connect();
  }

  /** Tells the coordinator, now or as soon as there is a connection. */
  setEndpoints(endpoints: AnnouncedEndpoints): void {
    this.#endpoints = { type: "endpoints", ...endpoints };
    if (this.#state.connected) this.#send(this.#endpoints);
  }

  /** Forgets the map that deltas build on and asks for the whole one. */
  requestFullMap(): void {
    this.#map = undefined;
    if (this.#socket === undefined) return;
    this.#reconnectAtOnce = true;
    this.#socket.close(1000);
  }

  /**
   * To be called when the host's network has changed: the connection has to prove within two seconds that it still lives,
   * and where there is none the next attempt begins now.
   */
  checkNow(): void {
    if (this.#closed) return;
    this.#backoff.reset();
    const hasItsAddress = this.#localAddress === undefined || isLocalAddress(this.#localAddress);
    if (this.#socket?.readyState === WebSocket.OPEN && hasItsAddress) {
      this.#liveness?.checkNow();
      return;
    }
    if (this.#retryTimer !== undefined) {
      this.#retryAfter(0);
      return;
    }
    // What is under way began in another network, and may wait there for long.
    this.#reconnectAtOnce = true;
    this.#socket?.terminate();
    this.#dial?.abort(new MeshError("timeout", "the network changed before there was an answer"));
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#dial?.abort();
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      const impatience = setTimeout(() => socket.terminate(), 500);
      socket.once("close", () => {
        clearTimeout(impatience);
        resolve();
      });
      socket.close(1000);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #url(): string {
    const { urls } = this.#options;
    return urls[this.#urlIndex % urls.length] ?? "";
  }

  #connect(): void {
    this.#retryTimer = undefined;
    const { trust } = this.#options;
    const url = this.#url;
    const security = url.startsWith("http:") ? ({ kind: "plain" } as const) : trust;
    const dial = new AbortController();
    const patience = setTimeout(
      () => dial.abort(new MeshError("timeout", `${url} did not answer in time`)),
      HANDSHAKE_LIMIT_MS,
    );
    this.#dial = dial;
    openSecureSocket(url, security, this.#deps.socketFactory, dial.signal)
      .finally(() => clearTimeout(patience))
      .then(
        (stream) => (this.#closed ? void stream.destroy() : this.#upgrade(url, stream)),
        (thrown: unknown) => {
          if (!this.#closed) this.#disconnected(this.#explain(thrown, url), url);
        },
      );
  }

  #upgrade(url: string, stream: Socket): void {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/control`, {
      createConnection: () => stream,
      perMessageDeflate: false,
      maxPayload: CONTROL_MAX_PAYLOAD_BYTES,
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
      followRedirects: false,
      headers: { "user-agent": `mesh/${softwareVersion()}` },
    });
    this.#socket = socket;
    this.#localAddress = stream.localAddress;
    let failure: MeshError | undefined;
    const heard = () => {
      liveness.heard();
      this.#state = { ...this.#state, lastContactAtMs: this.#deps.clock.wallMs() };
    };
    const fail = (error: MeshError) => {
      failure ??= error;
      socket.terminate();
    };
    const liveness = new Liveness(socket, this.#deps.clock, ({ wasDoubted }) => {
      // Otherwise it is the coordinator that has gone, for all its peers.
      this.#reconnectAtOnce ||= wasDoubted;
      fail(new MeshError("timeout", `${url} has gone silent`));
    });
    this.#liveness = liveness;
    socket.on("pong", heard);
    socket.on("ping", heard);
    socket.on("unexpected-response", (_request, response) => {
      fail(notACoordinator(url, `it answers ${response.statusCode} where the control channel should be`));
    });
    socket.on("message", (data, isBinary) => {
      heard();
      try {
        if (isBinary) throw notACoordinator(url, "it sent bytes where text was expected");
        this.#receive(parseCoordinatorMessage(String(data)), url);
      } catch (thrown) {
        fail(asMeshError(thrown));
      }
    });
    socket.on("error", (thrown) => {
      failure ??= this.#explain(thrown, url);
    });
    socket.once("close", () => {
      liveness.stop();
      this.#socket = undefined;
      if (!this.#closed) this.#disconnected(failure, url);
    });
  }

  #explain(thrown: unknown, url: string): MeshError {
    const classified = classifyConnectionFailure(thrown, url, this.#options.trust.kind === "pinned-ca");
    return classified instanceof MeshError ? classified : notACoordinator(url, "the connection broke off");
  }

  #disconnected(failure: MeshError | undefined, url: string): void {
    const atOnce = this.#reconnectAtOnce;
    this.#reconnectAtOnce = false;
    const closed = () => (atOnce ? null : new MeshError("coordinator-unreachable", `${url} closed the connection`));
    const error = failure ?? closed();
    this.#setState({ connected: false, error });
    this.#urlIndex += atOnce ? 0 : 1;
    const delayMs = atOnce ? 0 : this.#backoff.nextMs();
    if (error !== null) {
      this.#deps.logger.warn(
        { code: error.code, url, retryInMs: Math.round(delayMs) },
        `no coordinator: ${error.message}`,
      );
    }
    this.#retryAfter(delayMs);
  }

  #retryAfter(delayMs: number): void {
    if (this.#closed) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
  }

  #receive(message: CoordinatorMessage | undefined, url: string): void {
    if (message === undefined) return;
    switch (message.type) {
      case "hello":
        this.#send(authenticate(message, { ...this.#options, mapVersion: this.#map?.version ?? null }));
        return;
      case "welcome":
        this.#backoff.reset();
        this.#setState({
          url,
          connected: true,
          error: null,
          observedAddress: message.observedAddress,
          services: message.services,
        });
        this.#deps.logger.info({ url, observedAddress: message.observedAddress }, "connected to the coordinator");
        if (this.#endpoints !== undefined) this.#send(this.#endpoints);
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
      case "rejected":
        throw meshErrorFromBody(message.error);
    }
  }

  #send(message: PeerMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #setState(change: Partial<ControlChannelState>): void {
    this.#state = { ...this.#state, ...change };
    this.#handlers.onStateChange(this.#state);
  }
}
