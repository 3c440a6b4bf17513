import { describe, expect, it } from "vitest";
import { SimPair } from "./sim-pair.ts";

/** UDP loses data one way, SSH the other way. */
function apart(hasRelay: boolean, leader: 0 | 1): SimPair {
  const pair = new SimPair({
    leader,
    links: [
      { transport: "udp", rttMs: 20 },
      { transport: "ssh", rttMs: 24 },
      ...(hasRelay ? [{ transport: "relay", rttMs: 60 } as const] : []),
    ],
  });
  const [udp, ssh] = pair.links;
  pair.setOpen(ssh!, true);
  pair.connect(0);
  pair.flow(0, 10);
  pair.flow(1, 10);
  pair.time.run(5000);
  udp!.set({ dropsData: true }, [0]);
  ssh!.set({ dropsData: true }, [1]);
  return pair;
}

const transportsOf = (pair: SimPair) => pair.peers.map((peer) => peer.primaryLink?.transport);

describe.each([0, 1] as const)(
  "ends that keep to different paths, neither of which both can send by (leader %i)",
  (leader) => {
    it("take a third one, and mostly stay there", () => {
      const pair = apart(true, leader);
      pair.time.run(12_000);
      expect(transportsOf(pair)).toEqual(["relay", "relay"]);
      const before = pair.peers.map((peer) => peer.counts.decided);
      let [looks, apartLooks] = [0, 0];
      pair.time.every(100, () => {
        looks++;
        const [a, b] = transportsOf(pair);
        if (a !== b) apartLooks++;
      });
      pair.time.run(600_000);
      expect(apartLooks / looks).toBeLessThan(0.15);
      for (const [end, peer] of pair.peers.entries())
        expect(peer.counts.decided - before[end]!).toBeLessThanOrEqual(24);
      const reasons = pair.peers.flatMap(({ decisions }) => decisions.map(({ reason }) => reason));
      expect(reasons).toContainEqual(expect.stringMatching(/^the peer does not send by (SSH|UDP)$/));
      for (const link of pair.links) link.heal();
      pair.time.run(400_000);
      expect(transportsOf(pair)).toEqual(["udp", "udp"]);
    });

    it("stay apart where there is no third one: everything arrives", () => {
      const pair = apart(false, leader);
      pair.time.run(5000);
      const flows = [pair.flow(0, 10), pair.flow(1, 10)];
      const startMs = pair.time.nowMs;
      pair.time.run(60_000);
      expect(Math.max(...flows.map((flow) => flow.longestGapMs(startMs)))).toBeLessThan(1000);
    });
  },
);
