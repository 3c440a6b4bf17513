import { describe, expect, it } from "vitest";
import { figures, SimPair } from "./sim-pair.ts";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const RELAY_RTTS_MS = [1, 5, 40, 100, 200, 400];
/** Other than the number of every `Flow`. */
const FIRST_BYTE = -1;

describe("two peers meet", () => {
  it.each(RELAY_RTTS_MS)(
    "relay at %i ms: the first byte is there within 1.5 relay round trips + 20 ms of the dial, and nothing is lost on the way to direct",
    (rttMs) => {
      for (const seed of SEEDS) {
        const pair = new SimPair({
          seed,
          links: [
            { transport: "udp", rttMs: rttMs / 2 },
            { transport: "relay", rttMs },
          ],
        });
        const [udp, relay] = pair.links;
        // Each NAT lets in what its own host has sent to: nothing, before the peers know of each other.
        udp!.set({ dropsAll: true });
        const dialMs = pair.time.nowMs;
        pair.peers[0].sendData(FIRST_BYTE, 0, 1);
        pair.peers[0].dial();
        const flows = [pair.flow(0, 5), pair.flow(1, 5)];
        pair.time.run(1.5 * rttMs + 20);
        const [first] = pair.peers[1].delivered;
        expect(first).toMatchObject({ flow: FIRST_BYTE });
        expect(first!.atMs - dialMs).toBeLessThanOrEqual(1.5 * rttMs + 20);
        expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([relay, relay]);
        udp!.heal();
        pair.time.run(6000);
        for (const flow of flows) flow.stop();
        pair.time.run(rttMs + 100);
        expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([udp, udp]);
        expect(flows.map((flow) => flow.lost())).toEqual([0, 0]);
        expect(pair.peers[1].delivered.filter(({ flow }) => flow === FIRST_BYTE)).toHaveLength(1);
      }
    },
  );

  it.each(RELAY_RTTS_MS)("relay at %i ms: the answer to the first byte is back after one more way", (rttMs) => {
    const pair = new SimPair({ links: [{ transport: "relay", rttMs }] });
    const [alice, bob] = pair.peers;
    alice.sendData(FIRST_BYTE, 0, 1);
    alice.dial();
    pair.time.run(1.5 * rttMs + 20);
    expect(bob.delivered).toHaveLength(1);
    bob.sendData(FIRST_BYTE, 0, 1);
    pair.time.run(0.5 * rttMs + 20);
    expect(alice.delivered).toHaveLength(1);
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
