import { describe, expect, it } from "vitest";
import type { Flow } from "./sim-pair.ts";
import { figures, median, SimPair } from "./sim-pair.ts";

const RUNS = 12;
const SEEDS = Array.from({ length: RUNS }, (_, seed) => seed);

/** A path that carries a flow each way dies without a word at a random moment: the gaps of both directions. */
function gapsAtBlackhole(rttMs: number, seed: number, startFlows: (pair: SimPair) => readonly [Flow, Flow]): number[] {
  const pair = new SimPair({
    seed,
    links: [
      { transport: "udp", rttMs, jitterMs: rttMs / 20 },
      { transport: "relay", rttMs: rttMs * 1.5, jitterMs: rttMs / 20 },
    ],
  });
  const [udp, relay] = pair.links;
  pair.connect(1);
  const flows = startFlows(pair);
  pair.time.run(10_000 + pair.random() * 1000);
  expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([udp, udp]);
  const diedMs = pair.time.nowMs;
  udp!.set({ dropsAll: true });
  pair.time.run(5000);
  expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([relay, relay]);
  return flows.map((flow) => flow.longestGapMs(diedMs));
}

const pings = (pair: SimPair) => [pair.flow(0, 10), pair.flow(1, 10)] as const;
const bulk = (pair: SimPair) => [pair.flow(0, 1, 1400), pair.flow(1, 4)] as const;

describe("a path in use is blackholed while data flows", () => {
  it.for([1, 20, 100, 300])(
    "round trip %i ms: the gap is at most max(250 ms, 3 × RTT)",
    async (rttMs, { annotate }) => {
      const gaps = SEEDS.flatMap((seed) => gapsAtBlackhole(rttMs, seed, pings));
      await annotate(`RTT ${rttMs} ms, 10 ms pings, gap: ${figures(gaps)}`);
      expect(median(gaps)).toBeLessThanOrEqual(Math.max(250, 3 * rttMs));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(Math.max(500, 4 * rttMs));
    },
  );

  it("so it is under bulk traffic", async ({ annotate }) => {
    const gaps = SEEDS.flatMap((seed) => gapsAtBlackhole(20, seed, bulk));
    await annotate(`RTT 20 ms, bulk, gap: ${figures(gaps)}`);
    expect(median(gaps)).toBeLessThanOrEqual(250);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(500);
  });
});

/** Everything that is UDP dies at once, some time after the first contact: while the ends still agree on a path, perhaps. */
function gapsWhenAllUdpDies(seed: number): number[] {
  const pair = new SimPair({
    seed,
    leader: seed % 2 === 0 ? 0 : 1,
    links: [
      { transport: "udp", rttMs: 1, jitterMs: 2, label: "v4" },
      { transport: "udp", rttMs: 1, jitterMs: 2, label: "v6" },
      { transport: "relay", rttMs: 3, jitterMs: 1 },
    ],
  });
  const [v4, v6] = pair.links;
  // Each end first hears the other by another path.
  for (const [end, peer] of pair.peers.entries()) peer.comeUp(peer.idOf((seed + end) % 2));
  const flows = pings(pair);
  pair.time.run(500 + 2500 * pair.random());
  const diedMs = pair.time.nowMs;
  v4!.set({ dropsAll: true });
  v6!.set({ dropsAll: true });
  pair.time.run(3000);
  return flows.map((flow) => flow.longestGapMs(diedMs));
}

it("all UDP paths die at once, at any time after the first contact", async ({ annotate }) => {
  const gaps = Array.from({ length: 300 }, (_, seed) => gapsWhenAllUdpDies(seed)).flat();
  await annotate(`gap: ${figures(gaps)}`);
  expect(median(gaps)).toBeLessThanOrEqual(250);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(500);
});

it("UDP, then SSH, then the relay, and back, and no path ever shows twice on the way", () => {
  const pair = new SimPair({
    links: [
      { transport: "udp", rttMs: 20 },
      { transport: "ssh", rttMs: 24 },
      { transport: "relay", rttMs: 60 },
    ],
  });
  const [udp, ssh] = pair.links;
  pair.connect(2);
  const flows = [pair.flow(0, 10), pair.flow(1, 10)];
  const step = (act: () => void) => {
    act();
    const fromMs = pair.time.nowMs;
    pair.time.run(20_000);
    return Math.max(...flows.map((flow) => flow.longestGapMs(fromMs)));
  };
  const gaps = [
    step(() => {}),
    step(() => udp!.set({ dropsAll: true })),
    step(() => ssh!.set({ dropsAll: true })),
    step(() => udp!.heal()),
  ];
  for (const peer of pair.peers)
    expect(peer.decisions.map(({ to }) => peer.linkOf(to)?.transport)).toEqual([
      "relay",
      "udp",
      "relay",
      "ssh",
      "relay",
      "udp",
    ]);
  expect(gaps[0]).toBeLessThan(120);
  expect(gaps[1]).toBeLessThan(250);
  expect(gaps[2]).toBeLessThan(250);
  expect(gaps[3]).toBeLessThan(60);
});

it("data that begins on a path that died while nobody used it goes by another one at once", async ({ annotate }) => {
  const gaps = SEEDS.map((seed) => {
    const pair = new SimPair({
      seed,
      links: [
        { transport: "udp", rttMs: 20 },
        { transport: "relay", rttMs: 60 },
      ],
    });
    pair.connect(1);
    pair.time.run(120_000);
    // Just after a probe, so that nobody knows.
    pair.links[0]!.set({ dropsAll: true });
    pair.time.run(5000 * pair.random());
    const startMs = pair.time.nowMs;
    const flow = pair.flow(0, 10);
    pair.time.run(2000);
    return flow.longestGapMs(startMs, startMs + 1500);
  });
  await annotate(`first delivery: ${figures(gaps)}`);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(250);
});

it("a roaming peer goes on by the relay at once, and directly again", async ({ annotate }) => {
  const gaps = SEEDS.flatMap((seed) => {
    const pair = new SimPair({
      seed,
      links: [
        { transport: "udp", rttMs: 20 },
        { transport: "relay", rttMs: 60 },
      ],
    });
    pair.connect(1);
    const flows = pings(pair);
    pair.time.run(10_000 + 1000 * pair.random());
    // The old address is gone; the new one works as soon as somebody asks there.
    const roamedMs = pair.time.nowMs;
    pair.links[0]!.set({ dropsAll: true });
    pair.time.run(200);
    pair.links[0]!.heal();
    pair.peers[0].tell({ type: "network-changed" });
    pair.time.run(5000);
    expect(pair.peers.map((peer) => peer.primaryLink?.transport)).toEqual(["udp", "udp"]);
    return flows.map((flow) => flow.longestGapMs(roamedMs));
  });
  await annotate(`gap at a roam: ${figures(gaps)}`);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1000);
});
