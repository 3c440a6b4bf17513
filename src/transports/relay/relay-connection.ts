import type { Duplex } from "node:stream";
import { type RawData, WebSocket } from "ws";
import { meshErrorFromBody } from "../../api/error-body.ts";
import type { MachineKeys } from "../../api/machine-signature.ts";
import { negotiateProtocol } from "../../api/protocol-version.ts";
import {
  RELAY_PATH,
  RELAY_PROTOCOL_VERSIONS,
  type RelayClientMessage,
  type RelayMessage,
  relayMessageSchema,
  relayTranscript,
} from "../../api/relay.ts";
import type { Clock } from "../../base/clock.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import { softwareVersion } from "../../base/version.ts";
import { FrameSender } from "./frame-sender.ts";
import { MAX_RELAY_MESSAGE_BYTES, type RelayClientLimits } from "./limits.ts";

export interface RelayConnectionOptions {
  /** `https://HOST:PORT` of the relay. */
  readonly url: string;
  readonly networkId: string;
  /** Which relay answers there (`COORDINATOR_RELAY_ID`); another one is refused. */
  readonly relayId: string;
  readonly keys: MachineKeys;
  readonly limits: RelayClientLimits;
}

export interface RelayConnectionHandlers {
  /** The relay knows us: frames may go both ways. */
  readonly onOpen: () => void;
  readonly onFrame: (frame: Buffer) => void;
  readonly onSent: (sizeBytes: number) => void;
  readonly onDropped: (frames: number) => void;
  readonly onRoundTrip: (rttMs: number) => void;
  /** The end, once, also of a connection that never opened. */
  readonly onClosed: (failure: MeshError) => void;
}

/**
 * Opens the stream to the relay that the WebSocket runs on, TLS included, and resolves when bytes may be written. Rejects, with a
 * MeshError where it knows more than the system, and when the signal says so.
 */
export type ConnectRelay = (signal: AbortSignal, url: string) => Promise<Duplex>;

/**
 * One WebSocket to a relay, from the dial to the close.
 *
 *     dialling ──hello──► greeted ──welcome──► open ──► closed
 *         └──────────────── any fault ───────────────────▲
 */
export class RelayConnection {
  #options: RelayConnectionOptions;
  #handlers: RelayConnectionHandlers;
  #clock: Clock;
  #dial = new AbortController();
  #webSocket: WebSocket | undefined;
  #sender: FrameSender | undefined;
  #isOpen = false;
  #isClosed = false;
  #lastHeardMs: number;
  /** The ping that has not been answered yet; an answer carries its number. */
  #ping = { number: 0, sentMs: 0, isAnswered: true };
  #handshakeTimer: NodeJS.Timeout;
  #pingTimer: NodeJS.Timeout | undefined;
  #hastyTimer: NodeJS.Timeout | undefined;

  constructor(
    options: RelayConnectionOptions,
    handlers: RelayConnectionHandlers,
    deps: { readonly connect: ConnectRelay; readonly clock: Clock },
  ) {
    this.#options = options;
    this.#handlers = handlers;
    this.#clock = deps.clock;
    this.#lastHeardMs = deps.clock.monotonicMs();
    const { handshakeMs } = options.limits;
    this.#handshakeTimer = setTimeout(
      () => this.#fail(new MeshError("timeout", `the relay ${options.url} did not answer in time`)),
      handshakeMs,
    );
    deps
      .connect(this.#dial.signal, options.url)
      .then((socket) => (this.#isClosed ? void socket.destroy() : this.#upgrade(socket)))
      .catch((thrown: unknown) => this.#fail(this.#unreachable(thrown)));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Hands over one frame to the peer `peer`; false when it was dropped at once. */
  send(peer: string, frame: Buffer): boolean {
    if (!this.#isOpen || this.#sender === undefined) return false;
    this.#sender.push(peer, frame);
    return true;
  }

  /** Asks for a sign of life at once, and gives up the connection when none comes within `hastySilenceMs`. */
  checkNow(): void {
    if (!this.#isOpen || this.#hastyTimer !== undefined) return;
    const askedMs = this.#clock.monotonicMs();
    this.#sendPing();
    this.#hastyTimer = setTimeout(() => {
      this.#hastyTimer = undefined;
      if (this.#lastHeardMs <= askedMs) this.#fail(this.#silent());
    }, this.#options.limits.hastySilenceMs);
  }

  /** It leads nowhere any more, as the caller knows. */
  giveUp(why: string): void {
    this.#fail(new MeshError("relay-unreachable", `the relay ${this.#options.url} is to be connected anew: ${why}`));
  }

  /** Says goodbye, without a call of `onClosed`. Resolves when the socket is gone, after half a second at most. */
  close(): Promise<void> {
    this.#end();
    const webSocket = this.#webSocket;
    if (webSocket === undefined || webSocket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      const impatience = setTimeout(() => webSocket.terminate(), 500);
      webSocket.once("close", () => {
        clearTimeout(impatience);
        resolve();
      });
      webSocket.close(1000);
    });
  }

  #upgrade(socket: Duplex): void {
    const { url, limits } = this.#options;
    const options = {
      createConnection: () => socket as never,
      perMessageDeflate: false,
      maxPayload: MAX_RELAY_MESSAGE_BYTES,
      // A pong for each ping would let the relay fill our memory: see `#onPing`.
      autoPong: false,
      handshakeTimeout: limits.handshakeMs,
      followRedirects: false,
      headers: { "user-agent": `mesh/${softwareVersion()}` },
    };
    const webSocket = new WebSocket(url.replace(/^http/, "ws") + RELAY_PATH, options);
    this.#webSocket = webSocket;
    this.#sender = new FrameSender(webSocket, socket, {
      queueBytes: limits.queueBytes,
      bufferBytes: limits.bufferBytes,
      onSent: this.#handlers.onSent,
      onDropped: this.#handlers.onDropped,
    });
    webSocket.on("unexpected-response", (_request, { statusCode }) => {
      this.#fail(new MeshError("relay-unreachable", `${url} answers ${statusCode} where a relay should be`));
    });
    webSocket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    webSocket.on("ping", (data) => this.#onPing(data));
    webSocket.on("pong", (data) => this.#onPong(data));
    webSocket.on("error", (thrown) => this.#fail(this.#unreachable(thrown)));
    webSocket.on("close", () =>
      this.#fail(new MeshError("relay-unreachable", `the relay ${url} closed the connection`)),
    );
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#isClosed) return;
    this.#lastHeardMs = this.#clock.monotonicMs();
    try {
      if (!isBinary) this.#onText(String(data));
      else if (this.#isOpen) this.#handlers.onFrame(data as Buffer);
      else throw this.#strange("frames before its welcome");
    } catch (thrown) {
      this.#fail(asMeshError(thrown));
    }
  }

  #onText(text: string): void {
    const message = this.#parse(text);
    switch (message?.type) {
      case "hello":
        this.#authenticate(message);
        return;
      case "welcome":
        this.#open();
        return;
      case "rejected":
        throw meshErrorFromBody(message.error);
    }
  }

  #authenticate({ nonce, networkId, relayId, protocol }: Extract<RelayMessage, { type: "hello" }>): void {
    const { keys, url } = this.#options;
    if (networkId !== this.#options.networkId || relayId !== this.#options.relayId) {
      throw new MeshError("relay-unreachable", `${url} is another relay than the one that is looked for`);
    }
    const negotiation = negotiateProtocol(RELAY_PROTOCOL_VERSIONS, protocol);
    if (!negotiation.ok) {
      const old = negotiation.tooOld === "ours" ? "this mesh" : "the relay";
      throw new MeshError("protocol-mismatch", `${old} is too old for the other end`);
    }
    const { machineKey } = keys;
    const answer: RelayClientMessage = {
      type: "authenticate",
      protocol: { ...RELAY_PROTOCOL_VERSIONS },
      machineKey,
      proof: keys.sign(relayTranscript({ networkId, relayId, nonce, machineKey })),
      softwareVersion: softwareVersion(),
    };
    this.#webSocket?.send(JSON.stringify(answer));
  }

  #open(): void {
    if (this.#isOpen) throw this.#strange("a second welcome");
    this.#isOpen = true;
    clearTimeout(this.#handshakeTimer);
    const { pingIntervalMs, silenceMs } = this.#options.limits;
    this.#pingTimer = setInterval(() => {
      if (this.#clock.monotonicMs() - this.#lastHeardMs >= silenceMs) this.#fail(this.#silent());
      else this.#sendPing();
    }, pingIntervalMs);
    this.#sendPing();
    this.#handlers.onOpen();
  }

  #sendPing(): void {
    // Behind a full buffer a ping would measure the buffer.
    if (this.#webSocket?.readyState !== WebSocket.OPEN || this.#sender?.isBacklogged) return;
    this.#ping = { number: this.#ping.number + 1, sentMs: this.#clock.monotonicMs(), isAnswered: false };
    this.#webSocket.ping(String(this.#ping.number));
  }

  #onPing(data: Buffer): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
    if (this.#webSocket?.readyState === WebSocket.OPEN && !this.#sender?.isBacklogged) this.#webSocket.pong(data);
  }

  #onPong(data: Buffer): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
    const { number, sentMs, isAnswered } = this.#ping;
    if (this.#isClosed || isAnswered || String(data) !== String(number)) return;
    this.#ping.isAnswered = true;
    this.#handlers.onRoundTrip(this.#lastHeardMs - sentMs);
  }

  #parse(text: string): RelayMessage | undefined {
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch {
      throw this.#strange("something that is no JSON");
    }
    const parsed = relayMessageSchema.safeParse(fields);
    if (parsed.success) return parsed.data;
    const type = typeof fields === "object" && fields !== null && "type" in fields ? fields.type : undefined;
    if (KNOWN_TYPES.has(type)) throw this.#strange(`a bad ${type}`);
    return undefined;
  }

  #strange(what: string): MeshError {
    return new MeshError("relay-unreachable", `the relay ${this.#options.url} sent ${what}`);
  }

  #silent(): MeshError {
    return new MeshError("timeout", `the relay ${this.#options.url} has gone silent`);
  }

  #unreachable(thrown: unknown): MeshError {
    if (thrown instanceof MeshError) return thrown;
    const cause = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new MeshError("relay-unreachable", `cannot reach the relay ${this.#options.url}: ${detail}`, { cause });
  }

  #fail(failure: MeshError): void {
    if (this.#isClosed) return;
    this.#end();
    this.#webSocket?.terminate();
    this.#handlers.onClosed(failure);
  }

  #end(): void {
    this.#isClosed = true;
    this.#isOpen = false;
    clearTimeout(this.#handshakeTimer);
    clearTimeout(this.#hastyTimer);
    clearInterval(this.#pingTimer);
    this.#sender?.stop();
    this.#dial.abort();
  }
}

const KNOWN_TYPES: ReadonlySet<unknown> = new Set<RelayMessage["type"]>(["hello", "welcome", "rejected"]);
