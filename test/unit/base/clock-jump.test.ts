import { describe, expect, it } from "vitest";
import { ClockJumps, type ClockReading } from "../../../src/base/clock-jump.ts";

const START: ClockReading = { monotonicMs: 5000, bootMs: 90_000, wallMs: 1_700_000_000_000 };

/** `START`, and by how much each clock has moved. */
function moved(monotonicMs: number, bootMs: number, wallMs: number): ClockReading {
  return {
    monotonicMs: START.monotonicMs + monotonicMs,
    bootMs: START.bootMs + bootMs,
    wallMs: START.wallMs + wallMs,
  };
}

const jumpTo = (reading: ClockReading) => new ClockJumps(START).observe(reading);

describe("a jump of the clocks", () => {
  it("is none while they run together, and late timers are none", () => {
    const jumps = new ClockJumps(START);
    for (let ms = 1000; ms < 60_000; ms += 1000) expect(jumps.observe(moved(ms, ms, ms))).toBeUndefined();
    expect(jumps.observe(moved(65_000, 65_000.4, 64_999))).toBeUndefined();
  });

  it("is sleep when the time since boot goes on alone, and is told once", () => {
    const jumps = new ClockJumps(START);
    expect(jumps.observe(moved(700, 3_600_700, 3_600_700))).toEqual({ kind: "slept", ms: 3_600_000 });
    expect(jumps.observe(moved(1700, 3_601_700, 3_601_700))).toBeUndefined();
  });

  it("is sleep whatever the wall clock says", () => {
    expect(jumpTo(moved(500, 5000, 0))).toEqual({ kind: "slept", ms: 4500 });
    expect(jumpTo(moved(500, 1200, 1200))).toBeUndefined();
  });

  it("is a stop of our own when all clocks ran and we did not", () => {
    expect(jumpTo(moved(30_000, 30_000, 30_000))).toEqual({ kind: "stopped", ms: 30_000 });
  });

  it("is a clock set ahead, but not one set back or put right by little", () => {
    expect(jumpTo(moved(1000, 1000, 601_000))).toEqual({ kind: "set", ms: 600_000 });
    expect(jumpTo(moved(1000, 1000, -600_000))).toBeUndefined();
    expect(jumpTo(moved(1000, 1000, 3000))).toBeUndefined();
  });
});
