import { describe, expect, it } from "vitest";
import { Backoff } from "../../../src/base/backoff.ts";

describe("waiting times between attempts", () => {
  it("double up to the cap and start over after a reset", () => {
    const backoff = new Backoff(500, 30_000, () => 1);
    expect(Array.from({ length: 9 }, () => backoff.nextMs())).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(500);
  });

  it("keep to a lower cap where one is given, and go on from there", () => {
    const backoff = new Backoff(500, 30_000, () => 1);
    expect(Array.from({ length: 6 }, () => backoff.nextMs(4000))).toEqual([500, 1000, 2000, 4000, 4000, 4000]);
    expect(backoff.nextMs()).toBe(30_000);
  });

  it("are spread over the upper half of the step", () => {
    const lowest = new Backoff(500, 30_000, () => 0);
    expect(lowest.nextMs()).toBe(250);
    for (let attempt = 0; attempt < 100; attempt++) expect(new Backoff(500, 30_000).nextMs()).toBeLessThanOrEqual(500);
  });
});
