import { describe, expect, it } from "vitest";
import { figures, SimPair } from "./sim-pair.ts";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

describe("two peers meet", () => {
  it.each([5, 40, 200])("relay at %i ms: the first byte is there within 1.5 relay round trips + 20 ms", (rttMs) => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: rttMs / 2 },
        { transport: "relay", rttMs },
      ],
    });
    // No hole yet, or no UDP at all.
    pair.links[0]!.set({ dropsAll: true });
    const dialMs = pair.time.nowMs;
    pair.peers[0].sendData(0, 0, 100);
    pair.peers[0].dial();
    pair.time.run(5000);
    expect(pair.peers[1].delivered[0]!.atMs - dialMs).toBeLessThanOrEqual(1.5 * rttMs + 20);
  });

  it("goes direct without loss as soon as a hole is open", async ({ annotate }) => {
    const direct: number[] = [];
    for (const seed of SEEDS) {
      const pair = new SimPair({
        seed,
        links: [
          { transport: "udp", rttMs: 30 },
          { transport: "relay", rttMs: 50 },
        ],
      });
      const [udp] = pair.links;
      udp!.set({ dropsAll: true });
      pair.peers[0].dial();
      pair.time.run(100);
      const flows = [pair.flow(0, 10), pair.flow(1, 10)];
      pair.time.run(1000 * pair.random());
      udp!.heal();
      const openMs = pair.time.nowMs;
      pair.time.run(8000);
      for (const flow of flows) flow.stop();
      pair.time.run(500);
      expect(flows.map((flow) => flow.lost())).toEqual([0, 0]);
      for (const peer of pair.peers) {
        const last = peer.decisions.at(-1)!;
        expect(peer.linkOf(last.to)).toBe(udp);
        direct.push(last.atMs - openMs);
      }
    }
    await annotate(`direct after the hole opened: ${figures(direct)}`);
    expect(Math.max(...direct)).toBeLessThanOrEqual(2000);
  });

  it("by UDP at once where it is open, without a turn by the relay", () => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: 10 },
        { transport: "relay", rttMs: 40 },
      ],
    });
    pair.peers[0].dial();
    pair.time.run(10_000);
    for (const peer of pair.peers) expect(peer.decisions.map(({ to }) => peer.linkOf(to)?.transport)).toEqual(["udp"]);
  });

  it("without relay and UDP, SSH is asked for and takes the peers together", () => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: 30 },
        { transport: "ssh", rttMs: 30 },
      ],
    });
    pair.links[0]!.set({ dropsAll: true });
    const [alice] = pair.peers;
    alice.tell({ type: "active" });
    pair.time.run(1000);
    expect(pair.links[1]!.isOpen).toBe(true);
    alice.dial();
    pair.time.run(5000);
    expect(pair.peers.map((peer) => peer.primaryLink?.transport)).toEqual(["ssh", "ssh"]);
  });
});
