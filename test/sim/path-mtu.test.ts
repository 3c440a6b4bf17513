import { describe, expect, it } from "vitest";
import { MtuPath, type MtuPathOptions } from "./mtu-path.ts";
import { figures } from "./sim-pair.ts";
import { seededRandom, VirtualTime } from "./virtual-time.ts";

const RUNS = 20;

function open(options: MtuPathOptions, seed = 1): { path: MtuPath; time: VirtualTime } {
  const time = new VirtualTime(0);
  return { path: new MtuPath(options, time, seededRandom(seed)), time };
}

/** Large messages all the time, while the clock runs to `untilMs`. */
function use(path: MtuPath, time: VirtualTime, untilMs: number): void {
  while (time.nowMs < untilMs) {
    path.sent++;
    time.run(10);
  }
}

describe("path MTU discovery (RFC 8899)", () => {
  it("asks once where the path carries what the interface takes", () => {
    const { path } = open({ mtuBytes: 1440, rttMs: 20 });
    expect(path.settle(1000)).toBeLessThanOrEqual(80);
    expect(path.search).toMatchObject({
      mtuBytes: 1420,
      carriesIpv6: true,
      reason: "whatever the interface takes passes",
    });
    expect(path.probes).toBe(2);
  });

  it.for([
    // The underlay's MTU less IP, UDP and WireGuard.
    { underlay: "1400 over IPv4", mtuBytes: 1340 },
    { underlay: "1400 over IPv6", mtuBytes: 1320 },
    { underlay: "1280 over IPv4", mtuBytes: 1220 },
    { underlay: "1280 over IPv6", mtuBytes: 1200 },
    { underlay: "1124 over IPv4", mtuBytes: 1064 },
    { underlay: "576 over IPv4", mtuBytes: 516 },
  ])("finds $mtuBytes exactly where the underlay has $underlay", async ({ mtuBytes }, { annotate }) => {
    const took: number[] = [];
    for (const rttMs of [1, 20, 100]) {
      const { path } = open({ mtuBytes, rttMs });
      took.push(path.settle(4000));
      expect(path.search).toMatchObject({ mtuBytes, carriesIpv6: true, reason: "larger ones do not pass" });
      expect(path.probeBytes).toBeLessThan(64 * 1024);
    }
    await annotate(`settled after: ${figures(took)}`);
    // Half of it is the patience for sizes that never answer.
    expect(took[0]).toBeLessThan(500);
  });

  it("is sure of half of what it looks for after one round", () => {
    const { path, time } = open({ mtuBytes: 1340, rttMs: 100 });
    time.run(100 + 100 + 200);
    time.run(110);
    expect(path.search.isSettled).toBe(false);
    expect(path.search.mtuBytes).toBeGreaterThan(1270);
  });

  it.each([0.02, 0.1])("is not led astray by a loss of %d", (loss) => {
    for (let seed = 0; seed < RUNS; seed++) {
      const { path, time } = open({ mtuBytes: 1340, rttMs: 20, loss }, seed);
      path.settle(10_000);
      expect(path.search.mtuBytes).toBeGreaterThan(1340 * 0.93);
      expect(path.search.mtuBytes).toBeLessThanOrEqual(1340);
      const settledMs = time.nowMs;
      use(path, time, settledMs + 20_000);
      expect(path.search.mtuBytes).toBeLessThanOrEqual(1340);
      expect(path.search.mtuBytes).toBeGreaterThan(1340 * 0.93);
    }
  });

  it("learns nothing from a path that is dead", () => {
    const { path, time } = open({ mtuBytes: 1340, rttMs: 20 });
    time.run(120);
    path.isDead = true;
    time.run(10_000);
    expect(path.search.isSettled).toBe(false);
    path.isDead = false;
    path.settle(1000);
    expect(path.search.mtuBytes).toBe(1340);
  });

  it("heeds what our own device refuses: larger sizes are not tried again", () => {
    const { path } = open({ mtuBytes: 1440, rttMs: 100, deviceBytes: 1340 });
    path.settle(2000);
    expect(path.search.mtuBytes).toBe(1340);
  });

  it("finds a black hole within 1 s while large messages go, and lowers the MTU", async ({ annotate }) => {
    const found: number[] = [];
    for (const rttMs of [1, 20, 100]) {
      for (let seed = 0; seed < RUNS; seed++) {
        const { path, time } = open({ mtuBytes: 1440, rttMs }, seed);
        path.settle(1000);
        use(path, time, 5000 + 13 * seed);
        path.mtuBytes = 1064;
        const brokeMs = time.nowMs;
        while (path.search.mtuBytes > 1064) use(path, time, time.nowMs + 10);
        found.push(time.nowMs - brokeMs);
        path.settle(3000);
        expect(path.search).toMatchObject({ mtuBytes: 1064, reason: "1420 bytes passed before" });
      }
    }
    await annotate(`not larger than the path any more after: ${figures(found)}`);
    expect(Math.max(...found)).toBeLessThan(1000);
  });

  it("costs nothing while nothing large is sent", () => {
    const { path, time } = open({ mtuBytes: 1440, rttMs: 20 });
    path.settle(1000);
    const before = path.probes;
    time.run(3_600_000);
    expect(path.probes).toBe(before);
  });

  it("looks for a larger one after ten minutes of use, and keeps what it has meanwhile", () => {
    const { path, time } = open({ mtuBytes: 1340, rttMs: 20 });
    path.settle(1000);
    path.mtuBytes = 1440;
    while (path.search.mtuBytes === 1340) {
      use(path, time, time.nowMs + 100);
      expect(path.search.isSettled).toBe(true);
      if (time.nowMs > 700_000) break;
    }
    expect(path.search.mtuBytes).toBe(1420);
    expect(time.nowMs).toBeGreaterThan(600_000);
  });

  it("measures anew when the network is another one", () => {
    const { path } = open({ mtuBytes: 1340, rttMs: 20 });
    path.settle(1000);
    path.mtuBytes = 1440;
    path.tell({ type: "restart" });
    expect(path.search.isSettled).toBe(false);
    path.settle(1000);
    expect(path.search.mtuBytes).toBe(1420);
  });

  it("knows whether IPv6's minimum gets through in fragments", () => {
    for (const fragments of [true, false]) {
      const { path } = open({ mtuBytes: 1064, rttMs: 20, fragments });
      path.settle(2000);
      expect(path.search).toMatchObject({ mtuBytes: 1064, carriesIpv6: fragments });
    }
    const { path } = open({ ceilingBytes: 1200, mtuBytes: 1064, rttMs: 20, fragments: false });
    path.settle(2000);
    // An interface without IPv6 asks nothing about it.
    expect(path.search).toMatchObject({ mtuBytes: 1064, carriesIpv6: true });
  });
});
