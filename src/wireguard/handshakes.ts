import { accountableSource, type Endpoint, isPipe, isSameRemote } from "../packet/endpoint.ts";
import { INITIATION_BYTES, MessageType, type WireGuardTimings } from "./constants.ts";
import { generateX25519Key, type HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import type { EngineAction } from "./engine.ts";
import type { Identity } from "./identity.ts";
import type { IndexTable, RandomFill } from "./index-table.ts";
import type { Initiator } from "./initiator.ts";
import type { HandshakeLimits } from "./limits.ts";
import { LoadMeter } from "./load.ts";
import { decodeCookieReply, decodeInitiation, decodeResponse, encodeResponse, messageTypeOf } from "./messages.ts";
import { ReceivedInitiation } from "./noise.ts";
import type { EnginePeer, Session } from "./peer.ts";
import type { PeerRegistry } from "./peer-registry.ts";
import { SessionBook } from "./session-book.ts";
import type { KeySlots } from "./shared-state.ts";
import { SourceLimiter } from "./source-limiter.ts";
import { TimestampMemory } from "./tai64n.ts";

/** Why a datagram came to nothing. */
export type HandshakeDrop =
  | "malformed"
  | "no-identity"
  | "bad-mac1"
  | "cookie-demanded"
  | "rate-limited"
  | "not-authentic"
  | "unknown-peer"
  | "unknown-index"
  | "replayed-initiation"
  | "flooding-initiation"
  | "bad-cookie"
  | "no-slot";

const EMPTY = new Uint8Array(0);
/** More than a peer has paths: what is answered is bounded, whoever sends the copies. */
const MAX_COPIES = 16;

interface HandshakesDeps {
  readonly crypto: HandshakeCrypto;
  readonly random: RandomFill;
  readonly wallMs: () => number;
  readonly slots: KeySlots;
  readonly peers: PeerRegistry;
  readonly indices: IndexTable<EnginePeer>;
  readonly initiator: Initiator;
}

/**
 * Takes the handshake messages of all peers, as the responder and as the initiator who is answered. A message is handled in this order: type and size, MAC1, load (MAC2 and
 * rate), and only then DH. Nothing about a peer changes before the message is proven to be its own.
 */
export class Handshakes {
  readonly drops: Record<HandshakeDrop, number> = {
    malformed: 0,
    "no-identity": 0,
    "bad-mac1": 0,
    "cookie-demanded": 0,
    "rate-limited": 0,
    "not-authentic": 0,
    "unknown-peer": 0,
    "unknown-index": 0,
    "replayed-initiation": 0,
    "flooding-initiation": 0,
    "bad-cookie": 0,
    "no-slot": 0,
  };
  identity: Identity | undefined;
  readonly #timings: WireGuardTimings;
  readonly #limits: HandshakeLimits;
  readonly #deps: HandshakesDeps;
  readonly #sessions: SessionBook;
  readonly #load: LoadMeter;
  readonly #sources: SourceLimiter;
  readonly #timestamps: TimestampMemory;

  constructor(options: { readonly timings: WireGuardTimings; readonly limits: HandshakeLimits }, deps: HandshakesDeps) {
    this.#timings = options.timings;
    this.#limits = options.limits;
    this.#deps = deps;
    this.#sessions = new SessionBook(deps.slots);
    this.#load = new LoadMeter(options.limits);
    this.#sources = new SourceLimiter(options.limits);
    this.#timestamps = new TimestampMemory(options.limits.maxRememberedTimestamps);
  }

  receive(datagram: Uint8Array, source: Endpoint, nowMs: number): EngineAction[] {
    const type = messageTypeOf(datagram);
    if (this.identity === undefined) return this.#drop("no-identity");
    switch (type) {
      case MessageType.initiation:
        return (
          this.#admit(this.identity, datagram, source, nowMs) ?? this.#respond(this.identity, datagram, source, nowMs)
        );
      case MessageType.response:
        return this.#admit(this.identity, datagram, source, nowMs) ?? this.#complete(datagram, source, nowMs);
      case MessageType.cookieReply:
        return this.#takeCookie(datagram, nowMs);
      default:
        return this.#drop("malformed");
    }
  }

  /** The data thread saw the initiator's first data message: the session that we responded with is up. */
  confirm(peer: EnginePeer, slot: number): EngineAction[] {
    const session = this.#sessions.find(peer, slot);
    if (session === undefined || session.isConfirmed) return [];
    session.isConfirmed = true;
    this.#noteCompleted(peer);
    return [];
  }

  zeroKeys(peer: EnginePeer, nowMs: number): EngineAction[] {
    return this.#removeSessions(peer, (session) => nowMs - session.createdAtMs >= this.#timings.zeroKeysAfterMs);
  }

  /** Gives up whatever there is with this peer: handshake and sessions. */
  abandon(peer: EnginePeer): EngineAction[] {
    this.#deps.initiator.endAttempt(peer);
    peer.wantedAtMs = undefined;
    return this.#removeSessions(peer, () => true);
  }

  /** The data thread has wiped the slot: slot and index are free again. */
  closeSlot(slot: number): void {
    const closed = this.#sessions.close(slot);
    if (closed === undefined) return;
    this.#deps.indices.free(closed.session.localIndex);
    this.#deps.peers.release(closed.peer);
  }

  /** Undefined when a handshake message may cost DH; else the actions that end its way here. */
  #admit(identity: Identity, message: Uint8Array, source: Endpoint, nowMs: number): EngineAction[] | undefined {
    const verdict = identity.cookies.check(message, source, nowMs);
    if (verdict === "invalid") return this.#drop("bad-mac1");
    if (!this.#load.noteAndJudge(nowMs)) return undefined;
    if (verdict === "mac1") {
      this.#drop("cookie-demanded");
      return [{ type: "send", bytes: identity.cookies.createReply(message, source, nowMs), destinations: [source] }];
    }
    return this.#sources.admits(accountableSource(source), nowMs) ? undefined : this.#drop("rate-limited");
  }

  #respond(identity: Identity, datagram: Uint8Array, source: Endpoint, nowMs: number): EngineAction[] {
    const initiation = decodeInitiation(datagram);
    const received = ReceivedInitiation.read(identity.noise, initiation);
    if (received === undefined) return this.#drop("not-authentic");
    try {
      return this.#respondTo(received, initiation.senderIndex, source, nowMs);
    } finally {
      received.dispose();
    }
  }

  #respondTo(received: ReceivedInitiation, remoteIndex: number, source: Endpoint, nowMs: number): EngineAction[] {
    const peer = this.#deps.peers.byKey(received.remoteStaticPublicKey);
    if (peer === undefined) return this.#drop("unknown-peer");
    const timestamp = received.readPayload(peer.staticStatic);
    if (timestamp === undefined) return this.#drop("not-authentic");
    if (!this.#timestamps.isLater(peer.publicKey, timestamp))
      return this.#answerCopy(peer, timestamp, source, nowMs) ?? this.#drop("replayed-initiation");
    if (nowMs - peer.lastInitiationTakenMs < this.#limits.initiationIntervalMs)
      return this.#drop("flooding-initiation");
    if (!this.#sessions.hasRoomFor(peer)) return this.#drop("no-slot");
    const ephemeral = generateX25519Key(this.#deps.crypto, this.#deps.random);
    const written = received.writeResponse(ephemeral, peer.presharedKey, EMPTY);
    if (written === undefined) return this.#drop("not-authentic");

    this.#timestamps.note(peer.publicKey, timestamp);
    peer.lastInitiationTakenMs = nowMs;
    const localIndex = this.#deps.indices.allocate(peer);
    const bytes = encodeResponse({ senderIndex: localIndex, receiverIndex: remoteIndex, ...written.fields });
    peer.cookies.stamp(bytes, nowMs);
    if (peer.answersCopies) peer.answered = { timestamp, response: bytes, atMs: nowMs, copies: 0 };
    peer.handshakeRxBytes += INITIATION_BYTES;
    peer.handshakeTxBytes += bytes.length;
    const session = this.#sessions.open(peer, written.keys, {
      localIndex,
      isInitiator: false,
      createdAtMs: nowMs,
      isConfirmed: false,
    });
    return [
      ...this.#noteAuthentic(peer, source, nowMs),
      installation(peer, session, remoteIndex),
      { type: "send", bytes, destinations: [source] },
    ];
  }

  /** The same initiation by another path: the same response, which is worth nothing to whoever cannot read the first. */
  #answerCopy(peer: EnginePeer, timestamp: Uint8Array, source: Endpoint, nowMs: number): EngineAction[] | undefined {
    const { answered } = peer;
    if (answered === undefined || Buffer.compare(answered.timestamp, timestamp) !== 0) return undefined;
    if (nowMs - answered.atMs > this.#timings.rekeyTimeoutMs || answered.copies >= MAX_COPIES) return undefined;
    answered.copies++;
    peer.handshakeTxBytes += answered.response.length;
    return [{ type: "send", bytes: answered.response, destinations: [source] }];
  }

  #complete(datagram: Uint8Array, source: Endpoint, nowMs: number): EngineAction[] {
    const response = decodeResponse(datagram);
    const peer = this.#deps.indices.get(response.receiverIndex);
    const attempt = peer?.attempt;
    if (peer === undefined || attempt?.localIndex !== response.receiverIndex) return this.#drop("unknown-index");
    const read = attempt.initiation.readResponse(response);
    if (read === undefined) return this.#drop("not-authentic");
    if (!this.#sessions.hasRoomFor(peer)) {
      read.keys.send.fill(0);
      read.keys.receive.fill(0);
      return this.#drop("no-slot");
    }
    peer.handshakeRxBytes += datagram.length;
    // The index goes over from the attempt to the session.
    attempt.initiation.dispose();
    peer.attempt = undefined;
    const session = this.#sessions.open(peer, read.keys, {
      localIndex: attempt.localIndex,
      isInitiator: true,
      createdAtMs: nowMs,
      isConfirmed: true,
    });
    this.#noteCompleted(peer);
    return [
      ...this.#noteAuthentic(peer, source, nowMs),
      installation(peer, session, response.senderIndex),
      { type: "send-staged", peer: peer.id },
    ];
  }

  /** Says nothing of where the peer is: a cookie reply is no reason to roam. */
  #takeCookie(datagram: Uint8Array, nowMs: number): EngineAction[] {
    const peer = this.#deps.indices.get(decodeCookieReply(datagram).receiverIndex);
    if (peer === undefined) return this.#drop("unknown-index");
    return peer.cookies.consume(datagram, nowMs) ? [] : this.#drop("bad-cookie");
  }

  #noteAuthentic(peer: EnginePeer, source: Endpoint, nowMs: number): EngineAction[] {
    peer.lastHandshakeMessageMs = nowMs;
    if (isSameEndpoint(peer.endpoint, source)) return [];
    peer.endpoint = source;
    return [{ type: "set-endpoint", peer: peer.id, endpoint: source }];
  }

  /** Whichever handshake came through, the peer has a session: no other one is wanted any more. */
  #noteCompleted(peer: EnginePeer): void {
    peer.lastHandshakeWallMs = this.#deps.wallMs();
    peer.handshakes++;
    peer.wantedAtMs = undefined;
    this.#deps.initiator.endAttempt(peer);
  }

  #removeSessions(peer: EnginePeer, isMeant: (session: Session) => boolean): EngineAction[] {
    const actions: EngineAction[] = [];
    for (const session of peer.sessions) {
      if (session.isRemoving || !isMeant(session)) continue;
      session.isRemoving = true;
      actions.push({ type: "remove-keypair", peer: peer.id, slot: session.slot });
    }
    return actions;
  }

  #drop(reason: HandshakeDrop): EngineAction[] {
    this.drops[reason]++;
    return [];
  }
}

function isSameEndpoint(a: Endpoint | undefined, b: Endpoint): boolean {
  if (a === undefined || !isSameRemote(a, b)) return false;
  return isPipe(a) || isPipe(b) || a.localAddress === b.localAddress;
}

function installation(peer: EnginePeer, session: Session, remoteIndex: number): EngineAction {
  const { slot, localIndex, isInitiator, createdAtMs } = session;
  return { type: "install-keypair", peer: peer.id, slot, localIndex, remoteIndex, isInitiator, createdAtMs };
}
