import { TokenBucket } from "./token-bucket.ts";

const MAX_BUCKETS = 16_384;

/**
 * Token buckets by source: each may spend `burst` at once and `perSecond` again every second. The number of sources
 * remembered is bounded; the one unused for longest is forgotten first.
 */
export class RateLimiter {
  #buckets = new Map<string, TokenBucket>();
  #burst: number;
  #perSecond: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
  }

  /** True when `source` may act now. */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? new TokenBucket(this.#burst, this.#perSecond, nowMs);
    // Re-inserted, so that the map's order is the order of last use.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > MAX_BUCKETS) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) this.#buckets.delete(oldest.value);
    }
    return bucket.take(nowMs);
  }
}
