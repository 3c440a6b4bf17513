import { randomBytes } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import {
  type AuthenticateMessage,
  type CoordinatorMessage,
  type CoordinatorServices,
  type MachineMessage,
  machineMessageSchema,
} from "../../api/control-channel.ts";
import { verifyMachineSignature } from "../../api/machine-signature.ts";
import { PROTOCOL_VERSIONS } from "../../api/protocol-version.ts";
import { controlTranscript } from "../../api/registration.ts";
import type { Clock } from "../../base/clock.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { RateLimiter } from "../../base/rate-limiter.ts";
import { notRegistered, requireProtocol } from "../joining/registration.ts";
import type { CoordinatorLimits } from "../limits.ts";
import type { Receiver } from "../maps/distribution.ts";
import { peerDisabled } from "../peers/manage-peers.ts";

/** Whose a channel can be: a peer or a relay. */
export interface Member {
  readonly machineKey: string;
  readonly name: string;
  readonly enabled: boolean;
}

/** What a channel asks of, and reports to, its owner. */
export interface ChannelDeps {
  readonly networkId: string;
  readonly softwareVersion: string;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly services: CoordinatorServices;
  findMember(machineKey: string): Member | undefined;
  /** The channel is a member's from here on: the `welcome` is sent, the first map or policy is the owner's to send. */
  onAuthenticated(channel: Channel, heldVersion: number | null): void;
  /** What it throws is told to the member, and ends the channel. */
  onMessage(channel: Channel, message: MemberMessage): void;
  onClosed(channel: Channel): void;
}

/** What members send once they are known. */
export type MemberMessage = Exclude<MachineMessage, AuthenticateMessage>;

const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;

/**
 * The coordinator's end of one control WebSocket.
 *
 *     greeted ──authenticate──► live ──► closed
 *        └──────────── any fault ──────────▲
 */
export class Channel implements Receiver {
  readonly remoteAddress: string;
  #socket: WebSocket;
  #deps: ChannelDeps;
  #nonce = randomBytes(32).toString("base64");
  #machineKey: string | undefined;
  #openedAtMs: number;
  #lastHeardMs: number;
  /** When the message now leaving our buffers was handed over. */
  #sendingSinceMs: number | undefined;
  #rate: RateLimiter;
  #isClosed = false;

  constructor(socket: WebSocket, remoteAddress: string, deps: ChannelDeps) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.#deps = deps;
    this.#openedAtMs = deps.clock.monotonicMs();
    this.#lastHeardMs = this.#openedAtMs;
    this.#rate = new RateLimiter(deps.limits.controlBurst, deps.limits.controlMessagesPerSecond);
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on("ping", () => void this.#isWithinRate());
    socket.on("pong", () => this.#heard());
    // ws reports what it refuses (an oversize message, a bad frame) here and closes by itself.
    socket.on("error", (error) => deps.logger.debug({ remoteAddress, error: error.message }, "control channel fault"));
    socket.on("close", () => {
      this.#isClosed = true;
      deps.onClosed(this);
    });
    this.#send({ type: "hello", nonce: this.#nonce, networkId: deps.networkId, protocol: PROTOCOL_VERSIONS });
  }

  get isAuthenticated(): boolean {
    return this.#machineKey !== undefined;
  }

  /** Whose it is, proven; empty before. */
  get machineKey(): string {
    return this.#machineKey ?? "";
  }

  /** Tells the member something beside what is distributed. */
  tell(message: CoordinatorMessage): void {
    this.#send(message);
  }

  /** Sends what is distributed; see `Receiver`. */
  send(message: string, onSent: () => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#sendingSinceMs = this.#deps.clock.monotonicMs();
    this.#socket.send(message, (failure) => {
      this.#sendingSinceMs = undefined;
      if (failure === undefined || failure === null) onSent();
    });
  }

  /** Passes a call of another peer on, unless it would come late. */
  call(message: Extract<CoordinatorMessage, { type: "call" }>): void {
    if (this.#socket.bufferedAmount <= this.#deps.limits.callBacklogBytes) this.#send(message);
  }

  /** Tells the peer why, and closes. */
  reject(error: MeshError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deps.logger.debug({ remoteAddress: this.remoteAddress, code: error.code }, "control channel rejected");
    this.#send({ type: "rejected", error: error.toBody().error });
    this.#socket.close(error.code === "shutting-down" ? CLOSE_GOING_AWAY : CLOSE_POLICY, error.code);
  }

  /** Ends the connection without waiting for the other end. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** Called every now and then: pings, and cuts what is silent, stuck or never authenticates. */
  checkLiveness(): void {
    const { clock, limits } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (this.#isClosed) {
      // The closing handshake has its own timeout in ws.
      return;
    }
    if (!this.isAuthenticated) {
      if (nowMs - this.#openedAtMs >= limits.authenticateTimeoutMs) {
        this.reject(new MeshError("timeout", "the control channel was not authenticated in time"));
      }
      return;
    }
    if (this.#sendingSinceMs !== undefined) {
      // Behind a large message the peer's pongs are late through no fault of its own.
      if (nowMs - this.#sendingSinceMs >= limits.sendTimeoutMs) this.terminate();
      return;
    }
    if (nowMs - this.#lastHeardMs >= limits.silenceMs) this.terminate();
    else this.#socket.ping();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#isClosed || !this.#isWithinRate()) return;
    try {
      const message = parseMachineMessage(data, isBinary);
      if (message === undefined) return;
      if (message.type === "authenticate") this.#authenticate(message);
      else if (!this.isAuthenticated) throw new MeshError("bad-request", "the control channel is not authenticated");
      else this.#deps.onMessage(this, message);
    } catch (failure) {
      const error = asMeshError(failure);
      if (error.code === "internal") this.#deps.logger.error({ error: failure }, "a control message failed");
      this.reject(error.code === "internal" ? new MeshError("internal", "the coordinator failed") : error);
    }
  }

  #authenticate(message: AuthenticateMessage): void {
    if (this.isAuthenticated) throw new MeshError("bad-request", "the control channel is authenticated already");
    const protocolVersion = requireProtocol(message.protocol);
    const { machineKey, proof, mapVersion, softwareVersion } = message;
    const { networkId } = this.#deps;
    const member = this.#deps.findMember(machineKey);
    if (member === undefined) throw notRegistered();
    // Known keys were found sound when they registered.
    if (!verifyMachineSignature(machineKey, controlTranscript(networkId, this.#nonce, machineKey), proof)) {
      throw new MeshError("proof-invalid", "the machine key's signature does not fit this channel");
    }
    if (!member.enabled) throw peerDisabled(member.name);
    this.#machineKey = machineKey;
    this.#deps.logger.info({ name: member.name, address: this.remoteAddress, softwareVersion }, "machine connected");
    this.#send({
      type: "welcome",
      protocolVersion,
      observedAddress: this.remoteAddress,
      coordinatorVersion: this.#deps.softwareVersion,
      services: this.#deps.services,
    });
    this.#deps.onAuthenticated(this, mapVersion);
  }

  #isWithinRate(): boolean {
    this.#heard();
    if (this.#rate.take("", this.#lastHeardMs)) return true;
    this.reject(new MeshError("rate-limited", "too many messages on the control channel"));
    return false;
  }

  #heard(): void {
    this.#lastHeardMs = this.#deps.clock.monotonicMs();
  }

  #send(message: CoordinatorMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

/** @returns undefined for a type of message that this version does not know. @throws MeshError `bad-request` */
export function parseMachineMessage(data: RawData, isBinary: boolean): MachineMessage | undefined {
  if (isBinary) throw new MeshError("bad-request", "control messages are JSON text");
  let value: unknown;
  try {
    value = JSON.parse(data.toString());
  } catch {
    throw new MeshError("bad-request", "the control message is not JSON");
  }
  const parsed = machineMessageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (typeof type === "string" && !KNOWN_TYPES.has(type)) return undefined;
  const issue = parsed.error.issues[0];
  throw new MeshError(
    "bad-request",
    `bad control message: ${issue?.path.join(".") || "message"}: ${issue?.message}`.slice(0, 300),
  );
}

const KNOWN_TYPES = new Set<string>(machineMessageSchema.options.flatMap(({ shape }) => [...shape.type.values]));
