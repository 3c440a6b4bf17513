import { describe, expect, it } from "vitest";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

function connected(rttMs = 20, leads = true, candidates = [UDP, RELAY]): Bench {
  const bench = Bench.connected(candidates, leads);
  for (const path of candidates) bench.answer(path, path === RELAY ? 60 : rttMs);
  return bench;
}

const latest = (gaps: readonly number[]) => [...new Set(gaps.slice(-3).map((gap) => Math.round(gap)))];

describe("how often paths are probed", () => {
  it.each([
    [1, 50],
    [100, 50],
    [400, 100],
  ])("while data flows, round trip %i ms: the path in use every %i ms, the backup once a second", (rttMs, everyMs) => {
    const bench = connected(rttMs);
    bench.dataEveryMs = 20;
    bench.run(20_000);
    const sinceMs = bench.nowMs - 5000;
    expect(latest(bench.gapsOf(UDP, sinceMs))).toEqual([everyMs]);
    expect(latest(bench.gapsOf(RELAY, sinceMs))).toEqual([1000]);
  });

  it("data that only comes in is data, too", () => {
    const bench = connected();
    bench.run(20_000);
    for (let i = 0; i < 10; i++) {
      bench.lastDataReceivedMs = bench.nowMs;
      bench.tell({ type: "tick" });
      bench.run(100);
    }
    expect(latest(bench.gapsOf(UDP, bench.nowMs - 500))).toEqual([50]);
  });

  it("less often in the 45 s after the last data", () => {
    const bench = connected();
    bench.dataEveryMs = 20;
    bench.run(10_000);
    bench.dataEveryMs = undefined;
    bench.run(3000);
    const sinceMs = bench.nowMs;
    bench.run(30_000);
    expect(latest(bench.gapsOf(UDP, sinceMs))).toEqual([1000]);
    expect(latest(bench.gapsOf(RELAY, sinceMs))).toEqual([5000]);
  });

  it("hardly when idle: every 20–25 s for the NAT mappings, the leading end first", () => {
    for (const [leads, everyMs] of [
      [true, 20_000],
      [false, 23_000],
    ] as const) {
      const bench = connected(20, leads);
      bench.run(290_000);
      const sinceMs = bench.nowMs - 190_000;
      expect(latest(bench.gapsOf(UDP, sinceMs))).toEqual([everyMs]);
      expect(Math.min(...bench.gapsOf(RELAY, sinceMs))).toBeGreaterThanOrEqual(120_000);
      expect(bench.paths.nextDeadlineMs()).toBeGreaterThan(bench.nowMs);
    }
  });

  it("not at all by the end that follows, as long as the leading one asks", () => {
    const bench = connected(20, false);
    bench.run(60_000);
    const sinceMs = bench.nowMs;
    for (let i = 0; i < 30; i++) {
      bench.tell({ type: "request", id: UDP.id, isTheirPrimary: true });
      bench.run(20_000);
    }
    expect(bench.actions("probe", sinceMs + 25_000).filter(({ id }) => id === UDP.id)).toEqual([]);
  });

  it("a path that never answered: a burst, then every 5–10 s while there is data, then ever more slowly", () => {
    // Between two calls to the other end, with which a burst begins again.
    const quietMs = 37_000;
    const bench = connected(20, true, [UDP, SSH]);
    bench.mute(UDP);
    bench.dataEveryMs = 20;
    bench.run(7000);
    expect(bench.gapsOf(UDP, 0).map((gap) => Math.round(gap))).toEqual([50, 100, 200, 400, 800, 1600, 3200]);
    bench.run(90_000);
    const withData = bench.gapsOf(UDP, bench.nowMs - quietMs);
    expect(Math.min(...withData)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...withData)).toBeLessThanOrEqual(10_000);
    bench.dataEveryMs = undefined;
    bench.run(1_000_000);
    expect(latest(bench.gapsOf(UDP, bench.nowMs - 300_000))).toEqual([60_000]);
  });

  it("one that would not be used even if it answered, hardly ever", () => {
    const bench = connected(20, true, [UDP, UDP6, SSH]);
    bench.mute(UDP6);
    bench.run(3_600_000);
    expect(latest(bench.gapsOf(UDP6, bench.nowMs - 1_800_000))).toEqual([300_000]);
  });

  it("not at all after five minutes without data, when there is a relay to be woken by", () => {
    const bench = connected();
    bench.run(400_000);
    const sinceMs = bench.nowMs;
    bench.run(3_600_000);
    expect(bench.actions("probe", sinceMs)).toEqual([]);
    // Data begins: by the path of before, of which nobody knows whether it still is one, and by the relay.
    bench.mute(UDP);
    bench.tell({ type: "active" });
    expect([bench.primary, bench.second]).toEqual([UDP.id, RELAY.id]);
  });

  it("not while asleep, when it is looked every minute whether there still is a session, whatever else happens", () => {
    const bench = connected();
    bench.run(400_000);
    const [sinceMs, ticks] = [bench.nowMs, bench.ticks];
    for (let i = 0; i < 15; i++) {
      bench.run(20_000);
      bench.tell({ type: "callable" });
    }
    expect(bench.ticks - ticks).toBe(5);
    expect(bench.actions("probe", sinceMs)).toEqual([]);
  });

  it("again while asleep, once the relay is gone", () => {
    const bench = connected();
    bench.run(400_000);
    bench.tell({ type: "open", id: RELAY.id, isOpen: false });
    const sinceMs = bench.nowMs;
    bench.run(300_000);
    expect(latest(bench.gapsOf(UDP, sinceMs))).toEqual([20_000]);
  });

  it("at once when the peer was heard by it, though not at every message", () => {
    const bench = connected();
    bench.mute(UDP);
    bench.run(100_000);
    const sinceMs = bench.nowMs;
    for (let i = 0; i < 100; i++) {
      bench.tell({ type: "request", id: UDP.id, isTheirPrimary: false });
      bench.run(10);
    }
    const probes = bench.actions("probe", sinceMs).filter(({ id }) => id === UDP.id);
    expect(probes[0]!.atMs).toBe(sinceMs);
    expect(probes.length).toBeLessThanOrEqual(6);
  });

  it("again soon when an answer is overdue, however idle", () => {
    const bench = connected();
    bench.run(200_000);
    bench.mute(UDP);
    while (bench.primary === UDP.id) bench.run(100);
    const probes = bench.actions("probe").filter(({ id }) => id === UDP.id);
    const [first] = probes.slice(-8);
    expect(bench.nowMs - first!.atMs).toBeLessThan(1500);
  });

  it("says by which path we send", () => {
    const bench = connected();
    bench.dataEveryMs = 20;
    bench.run(5000);
    const late = bench.actions("probe", bench.nowMs - 2000);
    expect(late.every(({ id, isPrimary }) => isPrimary === (id === UDP.id))).toBe(true);
    expect(new Set(late.map(({ sequence }) => sequence)).size).toBe(late.length);
  });
});

it("the deadline is always in the future, whatever happens", () => {
  const bench = connected();
  bench.dataEveryMs = 7;
  for (let i = 0; i < 500; i++) {
    bench.run(13);
    expect(bench.paths.nextDeadlineMs()).toBeGreaterThan(bench.nowMs - 1);
    if (i % 50 === 0) bench.tell({ type: "network-changed" });
    if (i % 70 === 0) bench.mute(UDP);
    if (i % 70 === 35) bench.answer(UDP, 20);
  }
  // No timer fires twice for nothing.
  expect(bench.ticks).toBeLessThan((500 * 13) / 10);
});
