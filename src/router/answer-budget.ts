/** A burst of answers, and how many come back each second: a flood of hopeless packets must not cost twice. */
const BURST = 50;
const PER_SECOND = 100;

/** Limits how many packets are answered by one of our own making. */
export class AnswerBudget {
  #tokens = BURST;
  #refilledAtMs = Number.NEGATIVE_INFINITY;

  /** True when one more may be answered now. */
  take(nowMs: number): boolean {
    const earned = ((nowMs - this.#refilledAtMs) / 1000) * PER_SECOND;
    this.#tokens = Math.min(BURST, this.#tokens + earned);
    this.#refilledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
