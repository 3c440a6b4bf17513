import { describe, expect, it } from "vitest";
import { RekeySchedule } from "../../../../src/transports/ssh/rekey-schedule.ts";

const LIMITS = { afterBytes: 1000, afterMs: 60_000, stallMs: 500 };

describe("when new keys are due (RFC 4253 §9)", () => {
  it("after so many bytes, or so long", () => {
    const byBytes = new RekeySchedule(LIMITS, 0);
    byBytes.count(999);
    expect(byBytes.isDue(0)).toBe(false);
    byBytes.count(1);
    expect(byBytes.isDue(0)).toBe(true);
    const byTime = new RekeySchedule(LIMITS, 0);
    expect(byTime.isDue(59_999)).toBe(false);
    expect(byTime.isDue(60_000)).toBe(true);
  });

  it("not while they are exchanged, and from then on anew, whoever began", () => {
    const schedule = new RekeySchedule(LIMITS, 0);
    schedule.count(5000);
    schedule.begin(10, 0);
    expect(schedule.isDue(10)).toBe(false);
    schedule.done(20);
    expect(schedule.isDue(60_019)).toBe(false);
    expect(schedule.isDue(60_020)).toBe(true);
    schedule.done(60_020);
    expect(schedule.isDue(60_020)).toBe(false);
  });

  it("an exchange that takes too long, or in which too much else comes, is told", () => {
    const schedule = new RekeySchedule(LIMITS, 0);
    expect([schedule.isStalled(1e9), schedule.isAbused(1e9)]).toEqual([false, false]);
    schedule.begin(1000, 5_000_000);
    expect([schedule.isStalled(1499), schedule.isStalled(1500)]).toEqual([false, true]);
    expect([schedule.isAbused(7_000_000), schedule.isAbused(10_000_000)]).toEqual([false, true]);
    schedule.done(1600);
    expect([schedule.isStalled(1e9), schedule.isAbused(1e9)]).toEqual([false, false]);
  });
});
