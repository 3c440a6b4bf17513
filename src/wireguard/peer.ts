import type { Endpoint } from "../packet/endpoint.ts";
import type { CookieJar } from "./cookie.ts";
import type { EnginePeerConfig } from "./engine.ts";
import type { SentInitiation } from "./noise.ts";

/** A keypair that the data thread has, as the control thread remembers it. */
export interface Session {
  readonly slot: number;
  readonly localIndex: number;
  readonly isInitiator: boolean;
  readonly createdAtMs: number;
  /** The initiator's is at once, the responder's with the first data message. */
  isConfirmed: boolean;
  /** The data thread was told to forget it. */
  isRemoving: boolean;
}

/** A handshake that we initiated and that nobody has answered yet. */
export interface HandshakeAttempt {
  readonly initiation: SentInitiation;
  /** As it went out, MACs and all. */
  readonly bytes: Uint8Array;
  readonly localIndex: number;
  /** When a packet last asked for a session: the attempt goes on for Rekey-Attempt-Time from then. */
  wantedSinceMs: number;
  readonly retryAtMs: number;
}

export interface AnsweredInitiation {
  readonly timestamp: Uint8Array;
  readonly response: Uint8Array;
  readonly atMs: number;
  copies: number;
}

/** One peer in the engine. Times are monotonic; `-Infinity` stands for never. */
export class EnginePeer {
  readonly id: number;
  readonly publicKey: Uint8Array;
  readonly cookies: CookieJar;
  presharedKey: Uint8Array;
  candidates: readonly Endpoint[];
  persistentKeepaliveMs: number;
  /** Undefined when no handshake is possible: a key of low order, our own key, or no private key of ours. */
  staticStatic: Uint8Array | undefined;
  answersCopies: boolean;
  /** The last initiation that we answered, while copies of it may still come. */
  answered: AnsweredInitiation | undefined;
  endpoint: Endpoint | undefined;

  attempt: HandshakeAttempt | undefined;
  /** A handshake is wanted, but not before this time. */
  wantedAtMs: number | undefined;
  /** Drawn anew with every initiation. */
  jitterMs = 0;
  readonly sessions: Session[] = [];

  readonly addedAtMs: number;
  lastInitiationSentMs = Number.NEGATIVE_INFINITY;
  lastInitiationTakenMs = Number.NEGATIVE_INFINITY;
  /** Any authentic handshake message of the peer. */
  lastHandshakeMessageMs = Number.NEGATIVE_INFINITY;
  gaveUpAtMs = Number.NEGATIVE_INFINITY;
  /** When a session was last completed, by the wall clock; 0 for never. */
  lastHandshakeWallMs = 0;
  /** Sessions completed. */
  handshakes = 0;
  /** Handshake messages of this peer, on the wire; authentic ones only among the received. */
  handshakeRxBytes = 0;
  handshakeTxBytes = 0;
  /** The `firstUnacknowledgedReceivedMs` that a keepalive was asked for already. */
  keepaliveAskedForMs = 0;
  persistentKeepaliveAskedMs = Number.NEGATIVE_INFINITY;

  constructor(id: number, config: EnginePeerConfig, cookies: CookieJar, nowMs: number) {
    this.id = id;
    this.publicKey = new Uint8Array(config.publicKey);
    this.presharedKey = new Uint8Array(config.presharedKey);
    this.candidates = config.candidates;
    this.persistentKeepaliveMs = config.persistentKeepaliveSeconds * 1000;
    this.cookies = cookies;
    this.answersCopies = config.answersCopies ?? false;
    this.addedAtMs = nowMs;
  }

  /** The newest session that both sides can use, or undefined. */
  liveSession(nowMs: number, rejectAfterMs: number): Session | undefined {
    let newest: Session | undefined;
    for (const session of this.sessions) {
      const isLive = session.isConfirmed && !session.isRemoving && nowMs - session.createdAtMs < rejectAfterMs;
      if (isLive && (newest === undefined || session.createdAtMs >= newest.createdAtMs)) newest = session;
    }
    return newest;
  }

  /** Wipes what is secret here. */
  dispose(): void {
    this.attempt?.initiation.dispose();
    this.attempt = undefined;
    this.staticStatic?.fill(0);
    this.staticStatic = undefined;
    this.presharedKey.fill(0);
  }
}
