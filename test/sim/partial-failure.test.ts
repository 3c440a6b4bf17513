import { describe, expect, it } from "vitest";
import type { Way } from "./link.ts";
import { figures, SimPair } from "./sim-pair.ts";

const RUNS = 10;

interface Case {
  readonly name: string;
  readonly trouble: Partial<Way>;
  readonly ways: readonly (0 | 1)[];
}

const CASES: readonly Case[] = [
  { name: "one direction drops everything", trouble: { dropsAll: true }, ways: [0] },
  { name: "the other direction drops everything", trouble: { dropsAll: true }, ways: [1] },
  { name: "data is dropped while probes pass", trouble: { dropsData: true }, ways: [0, 1] },
  { name: "data is dropped one way while probes pass", trouble: { dropsData: true }, ways: [0] },
  { name: "large messages are dropped while small ones pass", trouble: { dropsLarge: true }, ways: [0, 1] },
  { name: "large messages are dropped one way", trouble: { dropsLarge: true }, ways: [1] },
];

describe("a path that fails in part", () => {
  it.for(CASES)("$name: found and left within 1 s", async ({ trouble, ways }, { annotate }) => {
    const gaps: number[] = [];
    const left: number[] = [];
    for (const rttMs of [1, 20, 100]) {
      for (let seed = 0; seed < RUNS; seed++) {
        const pair = new SimPair({
          seed,
          links: [
            { transport: "udp", rttMs },
            { transport: "relay", rttMs: rttMs + 20 },
          ],
        });
        const [udp, relay] = pair.links;
        pair.connect(1);
        const small = [pair.flow(0, 10), pair.flow(1, 10)];
        const large = [pair.flow(0, 15, 1400), pair.flow(1, 15, 1400)];
        pair.time.run(10_000 + 1000 * pair.random());
        const brokeMs = pair.time.nowMs;
        udp!.set(trouble, ways);
        pair.time.run(1000);
        // Whoever sends into the trouble has left the path; the other end follows.
        const sufferers = trouble.dropsAll ? pair.peers : ways.map((way) => pair.peers[way]);
        for (const peer of sufferers) {
          const decision = peer.decisions.at(-1)!;
          expect(peer.linkOf(decision.to)).toBe(relay);
          left.push(decision.atMs - brokeMs);
        }
        gaps.push(...[...small, ...large].map((flow) => flow.longestGapMs(brokeMs)));
        pair.time.run(3000);
        expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([relay, relay]);
      }
    }
    await annotate(`left after: ${figures(left)}; gap: ${figures(gaps)}`);
    expect(Math.max(...left)).toBeLessThanOrEqual(1000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1000);
  });

  it("so are all paths of its kind that fail with it: data goes by another transport at once", async ({ annotate }) => {
    const gaps: number[] = [];
    for (let seed = 0; seed < 3 * RUNS; seed++) {
      const pair = new SimPair({
        seed,
        links: [
          { transport: "udp", rttMs: 20, jitterMs: 2, label: "v4" },
          { transport: "udp", rttMs: 20, jitterMs: 2, label: "v6" },
          { transport: "relay", rttMs: 60 },
        ],
      });
      const [v4, v6, relay] = pair.links;
      pair.connect(2);
      const flows = [pair.flow(0, 10), pair.flow(1, 10)];
      pair.time.run(10_000 + 1000 * pair.random());
      const brokeMs = pair.time.nowMs;
      for (const link of [v4!, v6!]) link.set({ dropsData: true });
      pair.time.run(3000);
      expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([relay, relay]);
      gaps.push(...flows.map((flow) => flow.longestGapMs(brokeMs)));
    }
    await annotate(`gap: ${figures(gaps)}`);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(500);
  });

  it("is left alone for longer each time, tried beside the path in use, and taken back when it is whole", () => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: 20 },
        { transport: "relay", rttMs: 60 },
      ],
    });
    const [udp, relay] = pair.links;
    pair.connect(1);
    const flows = [pair.flow(0, 10), pair.flow(1, 10)];
    pair.time.run(10_000);
    udp!.set({ dropsData: true });
    const tries: number[] = [];
    let wasUsed = true;
    for (const brokeMs = pair.time.nowMs; pair.time.nowMs < brokeMs + 120_000; pair.time.run(10)) {
      const [alice] = pair.peers;
      const isUsed = [alice.primary, alice.second].some((id) => alice.linkOf(id) === udp);
      if (isUsed && !wasUsed) tries.push(pair.time.nowMs - brokeMs);
      wasUsed = isUsed;
      if (pair.time.nowMs > brokeMs + 1000) expect(alice.primaryLink).toBe(relay);
    }
    expect(tries).toHaveLength(3);
    const waits = tries.map((atMs, i) => Math.round((atMs - (tries[i - 1] ?? 0)) / 10_000) * 10);
    expect(waits).toEqual([10, 20, 40]);
    udp!.heal();
    const healedMs = pair.time.nowMs;
    pair.time.run(90_000);
    expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([udp, udp]);
    expect(Math.max(...flows.map((flow) => flow.longestGapMs(healedMs)))).toBeLessThan(60);
  });
});
