import type { HandshakeLimits } from "./limits.ts";

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * A token bucket for each source address: how many handshakes one machine may cost us while we are under load. Its
 * address is proven by then (MAC2). An IPv6 source counts by its /64, which is what one machine commands. Bounded: when
 * the table is full of sources that are still paying off, a further source is refused.
 */
export class SourceLimiter {
  readonly #limits: HandshakeLimits;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: HandshakeLimits) {
    this.#limits = limits;
  }

  admits(address: string, nowMs: number): boolean {
    const { sourceBurst, maxSources } = this.#limits;
    const source = sourceOf(address);
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      if (this.#buckets.size >= maxSources) this.#forgetFull(nowMs);
      if (this.#buckets.size >= maxSources) return false;
      bucket = { tokens: sourceBurst, filledAtMs: nowMs };
      this.#buckets.set(source, bucket);
    }
    bucket.tokens = this.#tokensAt(bucket, nowMs);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #tokensAt(bucket: Bucket, nowMs: number): number {
    const gained = ((nowMs - bucket.filledAtMs) / 1000) * this.#limits.sourceHandshakesPerSecond;
    return Math.min(this.#limits.sourceBurst, bucket.tokens + gained);
  }

  /** A bucket that is full again says no more than none. */
  #forgetFull(nowMs: number): void {
    for (const [source, bucket] of this.#buckets) {
      if (this.#tokensAt(bucket, nowMs) >= this.#limits.sourceBurst) this.#buckets.delete(source);
    }
  }
}

/** The IPv4 address itself, or the first four groups of an IPv6 address. */
function sourceOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = (address.split("%")[0] as string).split("::");
  const groups = head === "" ? [] : head.split(":");
  const tailGroups = tail === "" ? [] : tail.split(":");
  while (groups.length + tailGroups.length < 8) groups.push("0");
  return [...groups, ...tailGroups].slice(0, 4).join(":");
}
