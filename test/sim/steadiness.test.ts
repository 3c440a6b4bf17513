import { describe, expect, it } from "vitest";
import type { LinkOptions } from "./link.ts";
import { SimPair } from "./sim-pair.ts";

const TEN_MINUTES_MS = 600_000;

/** Changes of the path in use, of both ends, after the first ten seconds. */
function switches(links: readonly LinkOptions[], seed: number): number[] {
  const pair = new SimPair({ seed, links });
  pair.connect(links.length - 1);
  pair.flow(0, 10);
  pair.flow(1, 10, 1200);
  pair.time.run(10_000);
  const before = pair.peers.map((peer) => peer.counts.decided);
  pair.time.run(TEN_MINUTES_MS);
  expect(pair.peers[0].primaryLink?.transport).toBe("udp");
  return pair.peers.map((peer, end) => peer.counts.decided - before[end]!);
}

describe("ten minutes without a reason to change", { timeout: 30_000 }, () => {
  const loss = 0.05;
  it.for<{ readonly name: string; readonly links: readonly LinkOptions[] }>([
    {
      name: "5 % loss on every path",
      links: [
        { transport: "udp", rttMs: 20, loss },
        { transport: "relay", rttMs: 60, loss },
      ],
    },
    {
      name: "5 % loss and a near relay",
      links: [
        { transport: "udp", rttMs: 1, loss },
        { transport: "relay", rttMs: 2 },
      ],
    },
    {
      name: "5 % loss and much jitter on a far path",
      links: [
        { transport: "udp", rttMs: 150, jitterMs: 60, loss },
        { transport: "relay", rttMs: 200, jitterMs: 60, loss },
      ],
    },
    {
      name: "two UDP paths of about the same round trip, and jitter",
      links: [
        { transport: "udp", rttMs: 20, jitterMs: 8, loss, label: "v4" },
        { transport: "udp", rttMs: 21, jitterMs: 8, loss, label: "v6" },
        { transport: "relay", rttMs: 60 },
      ],
    },
  ])("$name: at most 2 switches", async ({ links }, { annotate }) => {
    const counts = [1, 2].flatMap((seed) => switches(links, seed));
    await annotate(`switches: ${counts.join(", ")}`);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2);
  });

  it("a path that comes and goes is trusted later each time", () => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: 20 },
        { transport: "relay", rttMs: 60 },
      ],
    });
    const [udp] = pair.links;
    pair.connect(1);
    pair.flow(0, 10);
    pair.flow(1, 10);
    pair.time.run(5000);
    const before = pair.peers[0].counts.decided;
    for (let minute = 0; minute < 10; minute++) {
      for (let cycle = 0; cycle < 12; cycle++) {
        udp!.set({ dropsAll: true });
        pair.time.run(2000);
        udp!.heal();
        pair.time.run(3000);
      }
    }
    // 120 failures, each worth two switches for who trusts at once.
    expect(pair.peers[0].counts.decided - before).toBeLessThan(30);
    pair.time.run(30_000);
    expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([udp, udp]);
  });
});
