import { describe, expect, it } from "vitest";
import { ChangeBurst } from "../../../../src/host/network/change-burst.ts";

const TIMINGS = { quietMs: 50, maxMs: 250, reports: 3, reportsPerSecond: 1 };

/** Notes at the given times, and when it reports, asked at every millisecond. */
function reports(notedAtMs: readonly number[], untilMs = 10_000): number[] {
  const burst = new ChangeBurst(TIMINGS, 0);
  const reported: number[] = [];
  for (let nowMs = 0; nowMs < untilMs; nowMs++) {
    for (const atMs of notedAtMs) if (atMs === nowMs) burst.note(nowMs);
    if (burst.take(nowMs)) reported.push(nowMs);
  }
  return reported;
}

const every = (gapMs: number, untilMs: number) => Array.from({ length: untilMs / gapMs }, (_, i) => i * gapMs);

describe("a burst of changes", () => {
  it("is one report, when it has been quiet for a while", () => {
    expect(reports([100, 110, 140, 180])).toEqual([230]);
  });

  it("is not waited for longer than its limit", () => {
    expect(reports(every(20, 320))).toEqual([250, 350]);
  });

  it("is reported apart from the next one", () => {
    expect(reports([0, 1000])).toEqual([50, 1050]);
  });

  it("that never ends is reported now and then", () => {
    const reported = reports(every(20, 10_000));
    expect(reported.slice(0, 3)).toEqual([250, 510, 770]);
    expect(reported.length).toBeLessThan(16);
    // None is lost: the last note is reported too.
    expect(reports([0, 300, 600, 900, 1200]).at(-1)).toBeGreaterThanOrEqual(1250);
  });

  it("has no deadline while there is nothing to report", () => {
    const burst = new ChangeBurst(TIMINGS, 0);
    expect(burst.dueAtMs).toBe(Number.POSITIVE_INFINITY);
    burst.note(7);
    expect(burst.dueAtMs).toBe(57);
    expect(burst.take(56)).toBe(false);
    expect(burst.take(57)).toBe(true);
    expect(burst.dueAtMs).toBe(Number.POSITIVE_INFINITY);
  });
});
