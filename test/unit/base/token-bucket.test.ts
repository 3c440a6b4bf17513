import fc from "fast-check";
import { expect, it } from "vitest";
import { TokenBucket } from "../../../src/base/token-bucket.ts";

it("a token bucket lets a burst through, then tells how long to wait", () => {
  const bucket = new TokenBucket(100, 10, 0);
  expect(bucket.spend(100, 0)).toBe(0);
  expect(bucket.spend(5, 0)).toBe(500);
  expect(bucket.spend(0, 500)).toBe(0);
  expect(bucket.spend(1, 500)).toBe(100);
  // Never more than the burst comes together, however long the rest.
  expect(bucket.spend(150, 1_000_000)).toBe(5000);
});

it("a token bucket lets no more through than burst and rate allow, for a client that waits as it is told", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (costs) => {
      const bucket = new TokenBucket(100, 1000, 0);
      let nowMs = 0;
      let spent = 0;
      for (const cost of costs) {
        nowMs += bucket.spend(cost, nowMs);
        spent += cost;
        expect(spent).toBeLessThanOrEqual(100 + nowMs + 1e-6);
      }
    }),
  );
});

it("a token bucket gives single ones as long as it has them, and never goes into debt for them", () => {
  const bucket = new TokenBucket(2, 10, 0);
  expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([true, true, false]);
  expect([bucket.take(50), bucket.take(100), bucket.take(100)]).toEqual([false, true, false]);
});
