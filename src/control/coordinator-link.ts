import type { Socket } from "node:net";
import { WebSocket } from "ws";
import {
  CONTROL_MAX_PAYLOAD_BYTES,
  CONTROL_PATH,
  type CoordinatorMessage,
  type MachineMessage,
} from "../api/control-channel.ts";
import { Backoff } from "../base/backoff.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import { classifyConnectionFailure, notACoordinator } from "./connection-errors.ts";
import type { ControlChannelDeps } from "./control-channel-types.ts";
import { parseCoordinatorMessage } from "./coordinator-message.ts";
import { isLocalAddress } from "./endpoints.ts";
import { Liveness } from "./liveness.ts";
import { openSecureSocket } from "./secure-socket.ts";
import type { UsableTrust } from "./trust.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Whom an admin has disabled is back this long after being enabled, at the latest. */
const LAST_RETRY_DISABLED_MS = 10_000;
const HANDSHAKE_LIMIT_MS = 10_000;

export interface CoordinatorLinkOptions {
  /** Normalised coordinator URLs, tried in turn. */
  readonly urls: readonly string[];
  readonly trust: UsableTrust;
}

export interface CoordinatorLinkHandlers {
  /** What it throws ends the connection, and is why. */
  readonly onMessage: (message: CoordinatorMessage, url: string) => void;
  /** The other end lives. */
  readonly onSign: () => void;
  /** The connection has ended, or was not to be had; null when it is only made anew. */
  readonly onDisconnected: (error: MeshError | null) => void;
}

/** A WebSocket to the coordinator, made again for as long as it lives. What is said on it is its owner's business. */
export class CoordinatorLink implements AsyncDisposable {
  readonly #options: CoordinatorLinkOptions;
  readonly #handlers: CoordinatorLinkHandlers;
  readonly #deps: ControlChannelDeps;
  readonly #backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  #dial: AbortController | undefined;
  #socket: WebSocket | undefined;
  #liveness: Liveness | undefined;
  /** Of ours, at our end of the connection; undefined where it cannot be told. */
  #localAddress: string | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #urlIndex = 0;
  #reconnectAtOnce = false;
  #closed = false;

  constructor(options: CoordinatorLinkOptions, handlers: CoordinatorLinkHandlers, deps: ControlChannelDeps) {
    this.#options = options;
    this.#handlers = handlers;
    this.#deps = deps;
  }

  /** The one in use or tried next. */
  get url(): string {
    const { urls } = this.#options;
    return urls[this.#urlIndex % urls.length] ?? "";
  }

  start(): void {
    this.#connect();
  }

  /** The coordinator has taken us in: the next attempt, should this connection end, comes soon. */
  welcomed(): void {
    this.#backoff.reset();
  }

  send(message: MachineMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Ends the connection, if there is one, and makes another at once. */
  renew(): void {
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

  #connect(): void {
    this.#retryTimer = undefined;
    const { url } = this;
    const security = url.startsWith("http:") ? ({ kind: "plain" } as const) : this.#options.trust;
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
    const socket = new WebSocket(url.replace(/^http/, "ws") + CONTROL_PATH, {
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
      this.#handlers.onSign();
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
        const message = parseCoordinatorMessage(String(data));
        if (message !== undefined) this.#handlers.onMessage(message, url);
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
    this.#handlers.onDisconnected(error);
    this.#urlIndex += atOnce ? 0 : 1;
    const capMs = error?.code === "peer-disabled" ? LAST_RETRY_DISABLED_MS : LAST_RETRY_MS;
    const delayMs = atOnce ? 0 : this.#backoff.nextMs(capMs);
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
}
