import { MeshError } from "../base/errors.ts";
import { type Endpoint, isSameRemote } from "../packet/endpoint.ts";
import { KEY_BYTES, WHITEPAPER_TIMINGS, type WireGuardTimings } from "./constants.ts";
import { CookieJar } from "./cookie.ts";
import type { HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import type { EngineAction, EngineEvent, EnginePeerConfig } from "./engine.ts";
import { Handshakes } from "./handshakes.ts";
import { Identity } from "./identity.ts";
import { IndexTable, type RandomFill } from "./index-table.ts";
import { Initiator } from "./initiator.ts";
import { HANDSHAKE_LIMITS, type HandshakeLimits } from "./limits.ts";
import { EnginePeer } from "./peer.ts";
import { PeerRegistry } from "./peer-registry.ts";
import { type KeySlots, PeerCell, type PeerCells } from "./shared-state.ts";
import { PEER_TIMERS, type PeerTimer, timerDeadlineMs } from "./timers.ts";

export interface DeviceOptions {
  /** X25519, 32 bytes; stays the caller's to wipe. Without one nothing is sent and nothing answered. */
  readonly privateKey?: Uint8Array;
  readonly timings?: WireGuardTimings;
  readonly handshakeLimits?: HandshakeLimits;
}

export interface DeviceDeps {
  readonly crypto: HandshakeCrypto;
  readonly random: RandomFill;
  /** Unix milliseconds: for TAI64N and for telling people when a handshake was. */
  readonly wallMs: () => number;
  readonly cells: PeerCells;
  readonly slots: KeySlots;
}

export interface EnginePeerStatus {
  readonly endpoint: Endpoint | undefined;
  /** When a session was last completed, Unix milliseconds; 0 for never. */
  readonly lastHandshakeWallMs: number;
  /** Sessions completed with it. */
  readonly handshakes: number;
  /** Age of the session in use; undefined when there is none. */
  readonly sessionAgeMs: number | undefined;
  readonly isHandshaking: boolean;
  /** Handshake messages on the wire. */
  readonly handshakeRxBytes: number;
  readonly handshakeTxBytes: number;
}

/** How often the cells that the data thread writes are looked at while there are sessions. */
const MAX_POLL_INTERVAL_MS = 1000;

/**
 * The control-plane half of WireGuard: handshakes, cookies and timers for all peers, without any I/O. Every call
 * returns what is to be done; `handle` never throws for what a datagram holds. Call it with `tick` when
 * `nextDeadlineMs()` has come; ask for the deadline again after every call.
 */
export class Device {
  readonly #deps: DeviceDeps;
  readonly #timings: WireGuardTimings;
  readonly #peers: PeerRegistry;
  readonly #initiator: Initiator;
  readonly #handshakes: Handshakes;
  #identity: Identity | undefined;
  #lastTickMs = 0;

  constructor(options: DeviceOptions, deps: DeviceDeps) {
    this.#deps = deps;
    this.#timings = options.timings ?? WHITEPAPER_TIMINGS;
    this.#peers = new PeerRegistry(deps.cells);
    const indices = new IndexTable<EnginePeer>(deps.random);
    this.#initiator = new Initiator(this.#timings, { ...deps, indices });
    this.#handshakes = new Handshakes(
      { timings: this.#timings, limits: options.handshakeLimits ?? HANDSHAKE_LIMITS },
      { ...deps, indices, peers: this.#peers, initiator: this.#initiator },
    );
    if (options.privateKey === undefined) return;
    assertKeyBytes("private key", options.privateKey);
    this.#setIdentity(options.privateKey);
  }

  /** 32 bytes; undefined without a private key. */
  get publicKey(): Uint8Array | undefined {
    return this.#identity?.publicKey;
  }

  /** Datagrams that came to nothing, by reason, since the start. */
  get drops(): Readonly<Handshakes["drops"]> {
    return this.#handshakes.drops;
  }

  handle(event: EngineEvent, nowMs: number): EngineAction[] {
    switch (event.type) {
      case "datagram":
        return this.#handshakes.receive(event.bytes, event.source, nowMs);
      case "need-handshake":
        return this.#withPeer(event.peer, (peer) => this.#initiator.want(peer, nowMs));
      case "promoted":
        return this.#withPeer(event.peer, (peer) => this.#handshakes.confirm(peer, event.slot));
      case "roamed":
        return this.#withPeer(event.peer, (peer) => {
          peer.endpoint = event.endpoint;
          return [];
        });
      case "slot-wiped":
        this.#handshakes.closeSlot(event.slot);
        return [];
      case "slept":
        return this.#wakeUp(event.ms, nowMs);
      case "tick":
        return this.#tick(nowMs);
    }
  }

  /**
   * Returns the peer's number. Throws MeshError `peer-is-self` for our own key, `bad-key` for a key that is not 32 bytes
   * or is a peer already, RangeError when `PeerCells` has no room. A key of low order is taken and stays silent.
   */
  addPeer(config: EnginePeerConfig, nowMs: number): number {
    assertKeyBytes("public key", config.publicKey);
    assertKeyBytes("preshared key", config.presharedKey);
    if (this.#isOwnKey(config.publicKey)) throw new MeshError("peer-is-self", "a machine cannot be a peer of its own");
    const cookies = new CookieJar({ crypto: this.#deps.crypto, timings: this.#timings }, config.publicKey);
    const peer = this.#peers.add((id) => new EnginePeer(id, config, cookies, nowMs), config.publicKey);
    this.#precompute(peer);
    return peer.id;
  }

  /**
   * Changes everything but the public key. A handshake under way goes to the candidates that are new at once; it begins
   * anew where the preshared key is another.
   */
  updatePeer(id: number, config: Omit<EnginePeerConfig, "publicKey">, nowMs: number): EngineAction[] {
    assertKeyBytes("preshared key", config.presharedKey);
    return this.#withPeer(id, (peer) => {
      const hasOtherKey = Buffer.compare(peer.presharedKey, config.presharedKey) !== 0;
      const isKnown = (candidate: Endpoint) => peer.candidates.some((known) => isSameRemote(known, candidate));
      const fresh = config.candidates.filter((candidate) => !isKnown(candidate));
      peer.presharedKey.fill(0);
      peer.presharedKey = new Uint8Array(config.presharedKey);
      peer.candidates = config.candidates;
      peer.persistentKeepaliveMs = config.persistentKeepaliveSeconds * 1000;
      peer.answersCopies = config.answersCopies ?? false;
      if (peer.attempt === undefined) return [];
      if (hasOtherKey) return this.#initiator.initiate(peer, nowMs, peer.attempt.wantedSinceMs);
      return this.#initiator.repeat(peer, fresh);
    });
  }

  /** A way to the peer that was closed has opened: a handshake under way goes there as well. */
  initiateBy(id: number, endpoint: Endpoint): EngineAction[] {
    return this.#withPeer(id, (peer) => this.#initiator.repeat(peer, [endpoint]));
  }

  /** The peer sends to us just now: so do we, to every candidate, and whatever NATs are on the way let both in. */
  punch(id: number, nowMs: number): EngineAction[] {
    return this.#withPeer(id, (peer) => {
      if (peer.attempt === undefined) return this.#initiator.want(peer, nowMs);
      return this.#initiator.repeat(peer, peer.candidates);
    });
  }

  /** The number is given out again only when the data thread has wiped every slot of the peer. */
  removePeer(id: number): EngineAction[] {
    return this.#withPeer(id, (peer) => {
      const actions = this.#handshakes.abandon(peer);
      this.#peers.remove(peer);
      peer.dispose();
      return actions;
    });
  }

  /**
   * Changes who we are: every session of the old key goes, and peers that were talked to get a new handshake at once.
   * `undefined` clears the key: silence from then on.
   */
  setPrivateKey(privateKey: Uint8Array | undefined, nowMs: number): EngineAction[] {
    if (privateKey !== undefined) assertKeyBytes("private key", privateKey);
    const actions: EngineAction[] = [];
    const wanting: EnginePeer[] = [];
    for (const peer of this.#peers) {
      if (peer.attempt !== undefined || this.#hasLiveSession(peer, nowMs)) wanting.push(peer);
      actions.push(...this.#handshakes.abandon(peer));
      peer.lastInitiationSentMs = Number.NEGATIVE_INFINITY;
    }
    this.#setIdentity(privateKey);
    for (const peer of wanting) actions.push(...this.#initiator.want(peer, nowMs));
    return actions;
  }

  /** When to call `handle` with `tick`, on the monotonic clock; `Infinity` when nothing is pending. */
  nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    let hasSessions = false;
    for (const peer of this.#peers) {
      hasSessions ||= peer.sessions.length > 0;
      for (const timer of PEER_TIMERS) {
        nextMs = Math.min(nextMs, timerDeadlineMs(timer, peer, this.#deps.cells, this.#timings));
      }
    }
    const pollMs = Math.min(MAX_POLL_INTERVAL_MS, this.#timings.keepaliveTimeoutMs / 10);
    return hasSessions ? Math.min(nextMs, this.#lastTickMs + pollMs) : nextMs;
  }

  peerStatus(id: number, nowMs: number): EnginePeerStatus | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const live = peer.liveSession(nowMs, this.#timings.rejectAfterMs);
    return {
      endpoint: peer.endpoint,
      lastHandshakeWallMs: peer.lastHandshakeWallMs,
      handshakes: peer.handshakes,
      sessionAgeMs: live === undefined ? undefined : nowMs - live.createdAtMs,
      isHandshaking: peer.attempt !== undefined,
      handshakeRxBytes: peer.handshakeRxBytes,
      handshakeTxBytes: peer.handshakeTxBytes,
    };
  }

  /** Sessions are renewed while they can still be used; what the peers take for expired is so for us as well. */
  #wakeUp(sleptMs: number, nowMs: number): EngineAction[] {
    const { rejectAfterMs } = this.#timings;
    const actions: EngineAction[] = [];
    for (const peer of this.#peers) {
      const session = peer.liveSession(nowMs, rejectAfterMs);
      if (session === undefined && peer.attempt === undefined) continue;
      const isOver = session !== undefined && nowMs - session.createdAtMs + sleptMs >= rejectAfterMs;
      if (isOver) actions.push(...this.#handshakes.abandon(peer));
      actions.push(...this.#initiator.initiate(peer, nowMs, nowMs));
    }
    return actions;
  }

  #tick(nowMs: number): EngineAction[] {
    this.#lastTickMs = nowMs;
    const actions: EngineAction[] = [];
    for (const peer of this.#peers) {
      for (const timer of PEER_TIMERS) {
        const isDue = timerDeadlineMs(timer, peer, this.#deps.cells, this.#timings) <= nowMs;
        if (isDue) actions.push(...this.#fire(timer, peer, nowMs));
      }
    }
    return actions;
  }

  #fire(timer: PeerTimer, peer: EnginePeer, nowMs: number): EngineAction[] {
    switch (timer) {
      case "retry-handshake":
        return this.#initiator.retry(peer, nowMs);
      case "start-handshake":
        peer.wantedAtMs = undefined;
        return this.#initiator.want(peer, nowMs);
      case "keepalive":
        peer.keepaliveAskedForMs = this.#deps.cells.get(peer.id, PeerCell.firstUnacknowledgedReceivedMs);
        return this.#hasLiveSession(peer, nowMs) ? [{ type: "send-keepalive", peer: peer.id }] : [];
      case "persistent-keepalive":
        peer.persistentKeepaliveAskedMs = nowMs;
        if (!this.#hasLiveSession(peer, nowMs)) return this.#initiator.want(peer, nowMs);
        return [{ type: "send-keepalive", peer: peer.id }];
      case "zero-keys":
        return this.#handshakes.zeroKeys(peer, nowMs);
    }
  }

  #hasLiveSession(peer: EnginePeer, nowMs: number): boolean {
    return peer.liveSession(nowMs, this.#timings.rejectAfterMs) !== undefined;
  }

  #setIdentity(privateKey: Uint8Array | undefined): void {
    this.#identity?.dispose();
    const deps = { crypto: this.#deps.crypto, random: this.#deps.random, timings: this.#timings };
    this.#identity = privateKey === undefined ? undefined : new Identity(deps, privateKey);
    this.#handshakes.identity = this.#identity;
    this.#initiator.identity = this.#identity;
    for (const peer of this.#peers) this.#precompute(peer);
  }

  #precompute(peer: EnginePeer): void {
    peer.staticStatic?.fill(0);
    const isMute = this.#identity === undefined || this.#isOwnKey(peer.publicKey);
    peer.staticStatic = isMute ? undefined : this.#identity?.staticKey.sharedSecret(peer.publicKey);
  }

  #isOwnKey(publicKey: Uint8Array): boolean {
    return this.#identity !== undefined && Buffer.compare(publicKey, this.#identity.publicKey) === 0;
  }

  /** A peer that is gone by the time an event of the data thread arrives asks for nothing. */
  #withPeer(id: number, act: (peer: EnginePeer) => EngineAction[]): EngineAction[] {
    const peer = this.#peers.get(id);
    return peer === undefined ? [] : act(peer);
  }
}

function assertKeyBytes(name: string, key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new MeshError("bad-key", `a ${name} has ${KEY_BYTES} bytes`);
}
