import { type Endpoint, isPipe, isSameRemote } from "../packet/endpoint.ts";
import type { WireGuardTimings } from "./constants.ts";
import { generateX25519Key, type HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import type { EngineAction } from "./engine.ts";
import type { Identity } from "./identity.ts";
import type { IndexTable, RandomFill } from "./index-table.ts";
import { encodeInitiation } from "./messages.ts";
import { SentInitiation } from "./noise.ts";
import type { EnginePeer } from "./peer.ts";
import { TimestampSource } from "./tai64n.ts";

interface InitiatorDeps {
  readonly crypto: HandshakeCrypto;
  readonly random: RandomFill;
  readonly wallMs: () => number;
  readonly indices: IndexTable<EnginePeer>;
}

/** Decides when an initiation is sent, where to, and how long it is pursued (whitepaper §6.2–6.4). */
export class Initiator {
  identity: Identity | undefined;
  readonly #timings: WireGuardTimings;
  readonly #deps: InitiatorDeps;
  readonly #timestamps = new TimestampSource();

  constructor(timings: WireGuardTimings, deps: InitiatorDeps) {
    this.#timings = timings;
    this.#deps = deps;
  }

  /** Starts a handshake unless one is under way; later when one was sent, or is about to be confirmed, just now. */
  want(peer: EnginePeer, nowMs: number): EngineAction[] {
    if (peer.staticStatic === undefined) return [];
    if (peer.attempt !== undefined) {
      peer.attempt.wantedSinceMs = nowMs;
      return [];
    }
    const earliestMs = this.#earliestMs(peer);
    if (earliestMs > nowMs) {
      peer.wantedAtMs = earliestMs;
      return [];
    }
    return this.initiate(peer, nowMs, nowMs);
  }

  /** Sends an initiation; one that is under way is given up for it. */
  initiate(peer: EnginePeer, nowMs: number, wantedSinceMs: number): EngineAction[] {
    const { crypto, random, wallMs, indices } = this.#deps;
    this.endAttempt(peer);
    if (this.identity === undefined) return [];
    const remote = {
      staticPublicKey: peer.publicKey,
      staticStatic: peer.staticStatic,
      presharedKey: peer.presharedKey,
    };
    const timestamp = this.#timestamps.next(wallMs());
    const written = SentInitiation.write(this.identity.noise, remote, generateX25519Key(crypto, random), timestamp);
    if (written === undefined) return [];
    const localIndex = indices.allocate(peer);
    const bytes = encodeInitiation({ senderIndex: localIndex, ...written.fields });
    peer.cookies.stamp(bytes, nowMs);
    peer.jitterMs = this.#drawJitterMs();
    peer.lastInitiationSentMs = nowMs;
    peer.wantedAtMs = undefined;
    peer.attempt = {
      initiation: written.initiation,
      bytes,
      localIndex,
      wantedSinceMs,
      retryAtMs: nowMs + this.#timings.rekeyTimeoutMs + peer.jitterMs,
    };
    const destinations = this.#destinations(peer, nowMs, wantedSinceMs < nowMs);
    peer.handshakeTxBytes += bytes.length * destinations.length;
    return [{ type: "send", bytes, destinations }];
  }

  /**
   * Sends the initiation that is under way to further places. It stays the same one: a new one would make the answer to the
   * first worthless, and be taken for a flood where that has arrived.
   */
  repeat(peer: EnginePeer, destinations: readonly Endpoint[]): EngineAction[] {
    const { attempt } = peer;
    if (attempt === undefined || destinations.length === 0) return [];
    peer.handshakeTxBytes += attempt.bytes.length * destinations.length;
    return [{ type: "send", bytes: attempt.bytes, destinations }];
  }

  /** Nobody answered within Rekey-Timeout. */
  retry(peer: EnginePeer, nowMs: number): EngineAction[] {
    if (peer.attempt === undefined) return [];
    const { wantedSinceMs } = peer.attempt;
    if (nowMs - wantedSinceMs < this.#timings.rekeyAttemptMs)
      return [...this.#forgetLocalAddress(peer), ...this.initiate(peer, nowMs, wantedSinceMs)];
    this.endAttempt(peer);
    peer.gaveUpAtMs = nowMs;
    return [{ type: "drop-staged", peer: peer.id }];
  }

  /** Silence may mean that no way leads from our former address any more: the kernel is to choose again. */
  #forgetLocalAddress(peer: EnginePeer): EngineAction[] {
    if (peer.endpoint === undefined || isPipe(peer.endpoint) || peer.endpoint.localAddress === undefined) return [];
    const { address, port } = peer.endpoint;
    peer.endpoint = { address, port };
    return [{ type: "set-endpoint", peer: peer.id, endpoint: peer.endpoint }];
  }

  /** Forgets the initiation under way, its index and its secrets. */
  endAttempt(peer: EnginePeer): void {
    if (peer.attempt === undefined) return;
    this.#deps.indices.free(peer.attempt.localIndex);
    peer.attempt.initiation.dispose();
    peer.attempt = undefined;
  }

  /**
   * Not within Rekey-Timeout of the last initiation; and when the peer has just initiated, its confirmation is given the
   * same time, so that both sides do not renew one session.
   */
  #earliestMs(peer: EnginePeer): number {
    let basisMs = peer.lastInitiationSentMs;
    for (const session of peer.sessions) {
      if (!session.isConfirmed && !session.isRemoving) basisMs = Math.max(basisMs, session.createdAtMs);
    }
    return basisMs + this.#timings.rekeyTimeoutMs;
  }

  /** The address that is known to work; every candidate as well when it may work no longer, or none is known. */
  #destinations(peer: EnginePeer, nowMs: number, isRepeated: boolean): Endpoint[] {
    const { endpoint } = peer;
    const isLive = peer.liveSession(nowMs, this.#timings.rejectAfterMs) !== undefined;
    if (endpoint !== undefined && isLive && !isRepeated) return [endpoint];
    const destinations = endpoint === undefined ? [] : [endpoint];
    for (const candidate of peer.candidates) {
      if (!destinations.some((listed) => isSameRemote(listed, candidate))) destinations.push(candidate);
    }
    return destinations;
  }

  #drawJitterMs(): number {
    const bytes = new Uint8Array(2);
    this.#deps.random(bytes);
    return (((bytes[0] as number) * 256 + (bytes[1] as number)) / 0xffff) * this.#timings.rekeyJitterMs;
  }
}
