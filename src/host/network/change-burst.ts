import { TokenBucket } from "../../base/token-bucket.ts";

export interface BurstTimings {
  /** A burst is over when nothing has come for so long, … */
  readonly quietMs: number;
  /** … or when it has lasted for so long. */
  readonly maxMs: number;
  /** On a host that is never quiet: so many reports in a row, and so many a second after that. */
  readonly reports: number;
  readonly reportsPerSecond: number;
}

/** One change of network is a dozen messages: makes one report of them. Sans-IO: the owner keeps the timer. */
export class ChangeBurst {
  readonly #timings: BurstTimings;
  readonly #reports: TokenBucket;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(timings: BurstTimings, nowMs: number) {
    this.#timings = timings;
    this.#reports = new TokenBucket(timings.reports, timings.reportsPerSecond, nowMs);
  }

  note(nowMs: number): void {
    this.#firstMs = Math.min(this.#firstMs, nowMs);
    this.#lastMs = nowMs;
  }

  /** When to ask `take`; infinity while there is nothing to report. */
  get dueAtMs(): number {
    if (this.#firstMs === Number.POSITIVE_INFINITY) return this.#firstMs;
    const { quietMs, maxMs } = this.#timings;
    return Math.max(Math.min(this.#firstMs + maxMs, this.#lastMs + quietMs), this.#notBeforeMs);
  }

  /** True when it is time to report what was noted; it counts as reported then. */
  take(nowMs: number): boolean {
    if (nowMs < this.dueAtMs) return false;
    this.#firstMs = Number.POSITIVE_INFINITY;
    this.#notBeforeMs = nowMs + this.#reports.spend(1, nowMs);
    return true;
  }
}
