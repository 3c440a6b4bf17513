import { type KeyObject, randomBytes, randomUUID } from "node:crypto";
import type { ChallengeResponse } from "../../api/registration.ts";
import { MeshError } from "../../base/errors.ts";
import { generateEphemeralKey } from "./proofs.ts";

export interface Challenge {
  readonly nonce: string;
  readonly ephemeralKey: string;
  readonly ephemeralPrivateKey: KeyObject;
  readonly expiresAtMs: number;
}

/** Challenges that wait to be answered: each once, for a minute, and only so many. */
export class Challenges {
  #outstanding = new Map<string, Challenge>();
  #lifetimeMs: number;
  #capacity: number;

  constructor(lifetimeMs: number, capacity: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#capacity = capacity;
  }

  issue(nowMs: number): ChallengeResponse {
    this.#dropExpired(nowMs);
    const oldest = this.#outstanding.keys().next();
    if (this.#outstanding.size >= this.#capacity && oldest.done !== true) this.#outstanding.delete(oldest.value);
    const challengeId = randomUUID();
    const ephemeral = generateEphemeralKey();
    const nonce = randomBytes(32).toString("base64");
    const expiresAtMs = nowMs + this.#lifetimeMs;
    this.#outstanding.set(challengeId, {
      nonce,
      ephemeralKey: ephemeral.publicKey,
      ephemeralPrivateKey: ephemeral.privateKey,
      expiresAtMs,
    });
    return { challengeId, nonce, ephemeralKey: ephemeral.publicKey, expiresAt: new Date(expiresAtMs).toISOString() };
  }

  /** Takes the challenge out, whatever comes of the answer. @throws MeshError `challenge-unknown` */
  take(challengeId: string, nowMs: number): Challenge {
    const challenge = this.#outstanding.get(challengeId);
    this.#outstanding.delete(challengeId);
    if (challenge === undefined || challenge.expiresAtMs <= nowMs) {
      throw new MeshError("challenge-unknown", "this challenge is unknown, used or expired");
    }
    return challenge;
  }

  /** All live equally long, so the oldest are at the front. */
  #dropExpired(nowMs: number): void {
    for (const [id, challenge] of this.#outstanding) {
      if (challenge.expiresAtMs > nowMs) return;
      this.#outstanding.delete(id);
    }
  }
}
