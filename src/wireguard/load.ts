import type { HandshakeLimits } from "./limits.ts";

/**
 * Decides whether we are under load (whitepaper §5.3): more handshake messages with a valid MAC1 within a second than
 * we like to spend DH on; and for a while after, so that an attack is not met with on and off.
 */
export class LoadMeter {
  readonly #limits: HandshakeLimits;
  #secondStartedAtMs = Number.NEGATIVE_INFINITY;
  #inThisSecond = 0;
  #underLoadUntilMs = Number.NEGATIVE_INFINITY;

  constructor(limits: HandshakeLimits) {
    this.#limits = limits;
  }

  /** Counts one message and says whether it comes under load. */
  noteAndJudge(nowMs: number): boolean {
    if (nowMs - this.#secondStartedAtMs >= 1000) {
      this.#secondStartedAtMs = nowMs;
      this.#inThisSecond = 0;
    }
    this.#inThisSecond++;
    if (this.#inThisSecond > this.#limits.unloadedHandshakesPerSecond) {
      this.#underLoadUntilMs = nowMs + this.#limits.underLoadLingerMs;
    }
    return nowMs < this.#underLoadUntilMs;
  }
}
