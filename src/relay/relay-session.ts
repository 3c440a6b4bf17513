import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { verifyMachineSignature } from "../api/machine-signature.ts";
import { negotiateProtocol } from "../api/protocol-version.ts";
import {
  RELAY_PROTOCOL_VERSIONS,
  type RelayClientMessage,
  type RelayMessage,
  relayClientMessageSchema,
  relayTranscript,
} from "../api/relay.ts";
import { encodeRelayFrame, RelayFrameType } from "../api/relay-frame.ts";
import type { Clock } from "../base/clock.ts";
import { asMeshError, errnoOf, MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { softwareVersion } from "../base/version.ts";
import { FrameSender } from "../transports/relay/frame-sender.ts";
import type { RelayLimits } from "./limits.ts";
import type { RelayPeer, RelayPolicy } from "./policy.ts";
import { ReadPace } from "./read-pace.ts";
import type { RelayCounters } from "./stats.ts";

/** What a session asks of, and reports to, its relay. */
export interface RelaySessionDeps {
  readonly networkId: string;
  readonly relayId: string;
  readonly limits: RelayLimits;
  readonly policy: RelayPolicy;
  readonly counters: RelayCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The session is a peer's from here on. */
  onAuthenticated(session: RelaySession): void;
  onFrame(session: RelaySession, frame: Buffer): void;
  /** The session takes part in nothing any more; its socket may linger for the closing handshake. */
  onEnded(session: RelaySession): void;
  /** The socket is gone. */
  onClosed(session: RelaySession): void;
}

const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
const NOBODY: RelayPeer = { name: "", wireguardKey: "" };

/**
 * The relay's end of one WebSocket.
 *
 *     greeted ──authenticate──► live ──► ended ──► closed
 *        └──────────── any fault ──────────▲
 */
export class RelaySession {
  readonly remoteAddress: string;
  /** Absent peers that the client was told of, and whose arrival it is to learn. */
  readonly awaited = new Set<string>();
  #machineKey = "";
  #peer = NOBODY;
  #key: Uint8Array = new Uint8Array(32);
  #webSocket: WebSocket;
  #sender: FrameSender;
  #deps: RelaySessionDeps;
  #nonce = randomBytes(32).toString("base64");
  #openedAtMs: number;
  #lastHeardMs: number;
  #pace: ReadPace;
  #lingerTimer: NodeJS.Timeout | undefined;
  #isLive = false;
  #isEnded = false;

  constructor(webSocket: WebSocket, socket: Duplex, remoteAddress: string, deps: RelaySessionDeps) {
    const { limits, counters, clock, networkId, relayId } = deps;
    this.#webSocket = webSocket;
    this.remoteAddress = remoteAddress;
    this.#deps = deps;
    this.#openedAtMs = clock.monotonicMs();
    this.#lastHeardMs = this.#openedAtMs;
    const onPause = () => {
      counters.throttled++;
    };
    // While we did not read, silence was ours.
    this.#pace = new ReadPace(webSocket, limits, { onPause, onResume: () => this.#heard() }, this.#openedAtMs);
    this.#sender = new FrameSender(webSocket, socket, {
      queueBytes: limits.queueBytes,
      bufferBytes: limits.bufferBytes,
      onSent: (sizeBytes) => {
        counters.forwardedFrames++;
        counters.forwardedBytes += sizeBytes;
      },
      onDropped: (frames) => {
        counters.droppedOverflow += frames;
      },
    });
    webSocket.on("message", (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    webSocket.on("ping", (data) => this.#onPing(data));
    webSocket.on("pong", () => this.#heard());
    // ws reports what it refuses (an oversize message, a bad frame) here and closes by itself.
    webSocket.on("error", (error) => {
      if (errnoOf(error)?.startsWith("WS_ERR")) counters.malformedFrames++;
      deps.logger.debug({ ...this.#logFields, error: error.message }, "relay connection fault");
    });
    webSocket.on("close", () => this.#onClosed());
    this.#sendText({ type: "hello", nonce: this.#nonce, networkId, relayId, protocol: RELAY_PROTOCOL_VERSIONS });
  }

  get machineKey(): string {
    return this.#machineKey;
  }

  /** Base64; empty before the authentication. */
  get wireguardKey(): string {
    return this.#peer.wireguardKey;
  }

  /** The same as 32 bytes. */
  get key(): Uint8Array {
    return this.#key;
  }

  get waitingBytes(): number {
    return this.#sender.waitingBytes;
  }

  /** Queues a frame from the peer `source`. */
  forward(source: string, frame: Buffer): void {
    this.#sender.push(source, frame);
  }

  /** Tells whether the peer `wireguardKey` is here. */
  tellPresence(wireguardKey: string, isHere: boolean): void {
    const type = isHere ? RelayFrameType.here : RelayFrameType.gone;
    this.#sender.pushUrgent(wireguardKey, encodeRelayFrame(type, Buffer.from(wireguardKey, "base64")));
  }

  /** Drops what waits from sources that `isAllowed` denies. */
  keepFlows(isAllowed: (source: string) => boolean): void {
    for (const source of [...this.#sender.flows()]) if (!isAllowed(source)) this.#sender.dropFlow(source);
  }

  /** Tells the client why, and closes. Nothing of it is forwarded from here on. */
  reject(error: MeshError): void {
    if (this.#isEnded) return;
    if (!this.#isLive) this.#deps.counters.refusedConnections++;
    this.#end();
    this.#deps.logger.debug({ ...this.#logFields, code: error.code }, "relay client turned away");
    this.#sendText({ type: "rejected", error: error.toBody().error });
    this.#webSocket.close(error.code === "shutting-down" ? CLOSE_GOING_AWAY : CLOSE_POLICY, error.code);
    // The client's closing frame has to be read.
    this.#webSocket.resume();
    this.#lingerTimer = setTimeout(() => this.terminate(), this.#deps.limits.drainMs);
  }

  /** Ends the connection without waiting for the other end. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  /** Called every now and then: pings, and cuts what is silent or never authenticates. */
  checkLiveness(): void {
    if (this.#isEnded) return;
    const { clock, limits } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (!this.#isLive) {
      if (nowMs - this.#openedAtMs >= limits.authenticateTimeoutMs) {
        this.reject(new MeshError("timeout", "the relay connection was not authenticated in time"));
      }
      return;
    }
    if (nowMs - this.#lastHeardMs >= limits.silenceMs) {
      this.#end();
      this.terminate();
    } else if (!this.#sender.isBacklogged) {
      // Behind a full buffer a ping says nothing; a client that lives pings by itself.
      this.#webSocket.ping();
    }
  }

  get #logFields(): object {
    return { peer: this.#peer.name, address: this.remoteAddress };
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (!this.#isWelcome(data.length)) return;
    if (isBinary && this.#isLive) {
      this.#deps.onFrame(this, data);
      return;
    }
    try {
      if (isBinary) throw new MeshError("bad-request", "the relay connection is not authenticated");
      const message = parseClientMessage(data);
      if (message !== undefined) this.#authenticate(message);
    } catch (failure) {
      const error = asMeshError(failure);
      if (error.code === "internal") this.#deps.logger.error({ error: failure }, "a relay message failed");
      this.reject(error.code === "internal" ? new MeshError("internal", "the relay failed") : error);
    }
  }

  #authenticate({ protocol, machineKey, proof, softwareVersion: version }: RelayClientMessage): void {
    if (this.#isLive) throw new MeshError("bad-request", "the relay connection is authenticated already");
    const { networkId, relayId, policy, logger } = this.#deps;
    const negotiation = negotiateProtocol(RELAY_PROTOCOL_VERSIONS, protocol);
    if (!negotiation.ok) {
      const old = negotiation.tooOld === "ours" ? "the relay" : "this mesh";
      throw new MeshError("protocol-mismatch", `${old} is too old for the other end`);
    }
    const peer = policy.identify(machineKey);
    if (peer === undefined) {
      throw new MeshError("not-registered", "this machine is no peer of the network, or an admin has disabled it");
    }
    const transcript = relayTranscript({ networkId, relayId, nonce: this.#nonce, machineKey });
    if (!verifyMachineSignature(machineKey, transcript, proof)) {
      throw new MeshError("proof-invalid", "the machine key's signature does not fit this connection");
    }
    this.#machineKey = machineKey;
    this.#peer = peer;
    this.#key = Buffer.from(peer.wireguardKey, "base64");
    this.#isLive = true;
    logger.debug({ ...this.#logFields, softwareVersion: version }, "relay client connected");
    this.#sendText({
      type: "welcome",
      protocolVersion: negotiation.version,
      observedAddress: this.remoteAddress,
      softwareVersion: softwareVersion(),
    });
    this.#deps.onAuthenticated(this);
  }

  #onPing(data: Buffer): void {
    if (!this.#isWelcome(data.length)) return;
    // Pongs that nobody reads would fill our memory.
    if (this.#webSocket.readyState === this.#webSocket.OPEN && !this.#sender.isBacklogged) this.#webSocket.pong(data);
  }

  /** Counts what came in; false when it comes too late. Stops reading for a while from a client that sends too much. */
  #isWelcome(sizeBytes: number): boolean {
    this.#heard();
    const waitMs = this.#pace.count(sizeBytes, this.#lastHeardMs);
    if (this.#isEnded) {
      // Who goes on sending does not wait for the closing handshake.
      if (waitMs > 0) this.terminate();
      return false;
    }
    this.#pace.follow(waitMs, sizeBytes);
    return true;
  }

  #heard(): void {
    this.#lastHeardMs = this.#deps.clock.monotonicMs();
  }

  #onClosed(): void {
    clearTimeout(this.#lingerTimer);
    this.#end();
    this.#deps.onClosed(this);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isLive = false;
    this.#pace.stop();
    this.#sender.stop();
    this.#deps.onEnded(this);
  }

  #sendText(message: RelayMessage): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.send(JSON.stringify(message));
  }
}

/** @returns undefined for a type of message that this version does not know. @throws MeshError `bad-request` */
function parseClientMessage(data: RawData): RelayClientMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(String(data));
  } catch {
    throw new MeshError("bad-request", "the relay message is not JSON");
  }
  const parsed = relayClientMessageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (typeof type === "string" && type !== "authenticate") return undefined;
  const issue = parsed.error.issues[0];
  throw new MeshError("bad-request", `bad relay message: ${issue?.path.join(".")}: ${issue?.message}`.slice(0, 300));
}
