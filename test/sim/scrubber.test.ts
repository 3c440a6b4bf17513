import { describe, expect, it } from "vitest";
import { SimPair } from "./sim-pair.ts";

const RUNS = 8;

describe("UDP behind a scrubber that lets probes and a little data pass", { timeout: 30_000 }, () => {
  it("is not taken back for its probes: once it is left, nothing is lost any more", () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const pair = new SimPair({
        seed,
        links: [
          { transport: "udp", rttMs: 2, jitterMs: 1, label: "v4" },
          { transport: "udp", rttMs: 2, jitterMs: 1, label: "v6" },
          { transport: "ssh", rttMs: 3 },
          { transport: "relay", rttMs: 4 },
        ],
      });
      const [v4, v6] = pair.links;
      pair.connect(2);
      const flows = () => [pair.flow(0, 10), pair.flow(1, 10)];
      const before = flows();
      pair.time.run(10_000 + 1000 * pair.random());
      for (const link of [v4!, v6!]) link.set({ maxPerSecond: 60 });
      pair.time.run(5000);
      for (const flow of before) flow.stop();
      const after = flows();
      pair.time.run(30_000);
      for (const flow of after) flow.stop();
      pair.time.run(1000);
      expect(
        after.map((flow) => flow.lost()),
        `seed ${seed}`,
      ).toEqual([0, 0]);
      for (const link of [v4!, v6!]) link.heal();
      const healed = flows();
      pair.time.run(60_000);
      for (const flow of healed) flow.stop();
      pair.time.run(1000);
      expect(
        healed.map((flow) => flow.lost()),
        `seed ${seed}`,
      ).toEqual([0, 0]);
      for (const peer of pair.peers) expect(peer.linkOf(peer.primary)?.transport).toBe("udp");
    }
  });
});
