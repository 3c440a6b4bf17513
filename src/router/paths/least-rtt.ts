import { PATH_TIMINGS } from "./timings.ts";

/**
 * The least round trip of late, ms: what the way itself takes, without the queues and stalls of single answers. The minimum
 * over two stretches of `leastRttMs` each, the second of which is under way.
 */
export class LeastRtt {
  #formerMs = Number.POSITIVE_INFINITY;
  #presentMs = Number.POSITIVE_INFINITY;
  #sinceMs = 0;

  /** Infinity while there has been no answer. */
  get valueMs(): number {
    return Math.min(this.#formerMs, this.#presentMs);
  }

  take(rttMs: number, nowMs: number): void {
    if (nowMs - this.#sinceMs >= PATH_TIMINGS.leastRttMs) {
      this.#formerMs = this.#presentMs;
      this.#presentMs = Number.POSITIVE_INFINITY;
      this.#sinceMs = nowMs;
    }
    this.#presentMs = Math.min(this.#presentMs, rttMs);
  }

  reset(): void {
    this.#formerMs = Number.POSITIVE_INFINITY;
    this.#presentMs = Number.POSITIVE_INFINITY;
  }
}
