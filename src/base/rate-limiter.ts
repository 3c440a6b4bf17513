interface Bucket {
  tokens: number;
  atMs: number;
}

const MAX_BUCKETS = 16_384;

/**
 * Token buckets by source: each may spend `burst` at once and `perSecond` again every second. The number of sources
 * remembered is bounded; the one unused for longest is forgotten first.
 */
export class RateLimiter {
  #buckets = new Map<string, Bucket>();
  #burst: number;
  #perSecond: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
  }

  /** True when `source` may act now. */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: this.#burst, atMs: nowMs };
    const earned = (Math.max(0, nowMs - bucket.atMs) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(this.#burst, bucket.tokens + earned);
    bucket.atMs = nowMs;
    // Re-inserted, so that the map's order is the order of last use.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > MAX_BUCKETS) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) this.#buckets.delete(oldest.value);
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
