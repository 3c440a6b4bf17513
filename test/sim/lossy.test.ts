import { describe, expect, it } from "vitest";
import type { LinkOptions, Way } from "./link.ts";
import { figures, SimPair } from "./sim-pair.ts";

const FIVE_MINUTES_MS = 300_000;
const SEEDS = Array.from({ length: 3 }, (_, seed) => seed);

function pairOf(links: readonly LinkOptions[], seed: number): SimPair {
  const pair = new SimPair({ links, seed, leader: seed % 2 === 0 ? 0 : 1 });
  pair.connect(links.length - 1);
  return pair;
}

/** Two flows each way, of small messages and of large ones. */
const traffic = (pair: SimPair) => [pair.flow(0, 10), pair.flow(1, 10), pair.flow(0, 20, 1400), pair.flow(1, 20, 1400)];

const transportsOf = (pair: SimPair) => pair.peers.map((peer) => peer.primaryLink?.transport);
const switchesOf = (pair: SimPair) => Math.max(...pair.peers.map((peer) => peer.counts.decided));

interface Case {
  readonly name: string;
  readonly trouble: Partial<Way>;
  readonly ways: readonly (0 | 1)[];
  readonly leftWithinMs: number;
}

describe("a path that loses many messages, beside a clean one that is liked less", { timeout: 30_000 }, () => {
  it.for<Case>([
    { name: "20 % both ways", trouble: { loss: 0.2 }, ways: [0, 1], leftWithinMs: 5000 },
    { name: "20 % one way", trouble: { loss: 0.2 }, ways: [0], leftWithinMs: 8000 },
    { name: "half of everything", trouble: { loss: 0.5 }, ways: [0, 1], leftWithinMs: 3000 },
    { name: "half of it, one way", trouble: { loss: 0.5 }, ways: [1], leftWithinMs: 2000 },
    { name: "what goes faster than 50 a second", trouble: { maxPerSecond: 50 }, ways: [0, 1], leftWithinMs: 1000 },
  ])("$name: left, and not used again before it is whole", async ({ trouble, ways, leftWithinMs }, { annotate }) => {
    const leftMs: number[] = [];
    const gapsMs: number[] = [];
    const switches: number[] = [];
    for (const seed of SEEDS) {
      const pair = pairOf(
        [
          { transport: "udp", rttMs: 20, jitterMs: 2 },
          { transport: "relay", rttMs: 60, jitterMs: 2 },
        ],
        seed,
      );
      const [udp] = pair.links;
      const flows = traffic(pair);
      pair.time.run(10_000);
      const brokeMs = pair.time.nowMs;
      const before = switchesOf(pair);
      udp!.set(trouble, ways);
      pair.time.run(60_000);
      // Whoever sends into the trouble leaves the path; the other end follows.
      const left = pair.peers[ways[0]!].decisions.find(({ atMs }) => atMs > brokeMs)!;
      expect(left.reason).toMatch(/^UDP (loses \d+ % of what goes by it|was silent)/);
      expect(transportsOf(pair)).toEqual(["relay", "relay"]);
      leftMs.push(left.atMs - brokeMs);
      gapsMs.push(...flows.map((flow) => flow.longestGapMs(brokeMs)));
      switches.push(switchesOf(pair) - before);
      udp!.heal();
      pair.time.run(120_000);
      expect(transportsOf(pair)).toEqual(["udp", "udp"]);
    }
    await annotate(`left after ${figures(leftMs)}; gap ${figures(gapsMs)}; changes of path ${switches.join(", ")}`);
    expect(Math.max(...leftMs)).toBeLessThanOrEqual(leftWithinMs);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(1000);
    expect(Math.max(...switches)).toBeLessThanOrEqual(7);
  });

  it("is kept as long as it loses little", () => {
    const switches = SEEDS.map((seed) => {
      const pair = pairOf(
        [
          { transport: "udp", rttMs: 20, loss: 0.05 },
          { transport: "relay", rttMs: 60 },
        ],
        seed,
      );
      traffic(pair);
      pair.time.run(FIVE_MINUTES_MS);
      expect(transportsOf(pair)).toEqual(["udp", "udp"]);
      return switchesOf(pair);
    });
    expect(Math.max(...switches)).toBeLessThanOrEqual(2);
  });
});

describe("paths that all lose many messages", { timeout: 30_000 }, () => {
  it.for([
    { udp: 0.2, relay: 0.2 },
    { udp: 0.5, relay: 0.2 },
    { udp: 0.2, relay: 0.5 },
  ])("UDP $udp, relay $relay: the better one mostly, and little coming and going", async (loss, { annotate }) => {
    const wanted = loss.udp > loss.relay ? "relay" : "udp";
    const shares: number[] = [];
    const switches = SEEDS.map((seed) => {
      const pair = pairOf(
        [
          { transport: "udp", rttMs: 20, loss: loss.udp },
          { transport: "relay", rttMs: 60, loss: loss.relay },
        ],
        seed,
      );
      traffic(pair);
      pair.time.run(10_000);
      let [looks, hits] = [0, 0];
      pair.time.every(100, () => {
        looks += 2;
        hits += transportsOf(pair).filter((transport) => transport === wanted).length;
      });
      pair.time.run(FIVE_MINUTES_MS);
      shares.push(hits / looks);
      return switchesOf(pair);
    });
    const percent = shares.map((share) => Math.round(100 * share));
    await annotate(`changes of path in five minutes: ${switches.join(", ")}; by ${wanted} ${percent.join(", ")} %`);
    expect(Math.max(...switches)).toBeLessThanOrEqual(8);
    expect(Math.min(...shares)).toBeGreaterThan(0.6);
  });
});
