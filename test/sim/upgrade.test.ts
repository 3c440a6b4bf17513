import { describe, expect, it } from "vitest";
import type { LinkOptions } from "./link.ts";
import { SimPair } from "./sim-pair.ts";

const SEEDS = Array.from({ length: 10 }, (_, seed) => seed);

const RELAY: LinkOptions = { transport: "relay", rttMs: 60, jitterMs: 4 };
const UDP: LinkOptions = { transport: "udp", rttMs: 20, jitterMs: 3 };

function transports(pair: SimPair): (string | undefined)[] {
  return pair.peers.map((peer) => peer.primaryLink?.transport);
}

describe("an upgrade loses no packet", () => {
  it.each(SEEDS)("from the relay to UDP, under pings and bulk (seed %i)", (seed) => {
    const pair = new SimPair({ seed, links: [UDP, RELAY] });
    const [udp] = pair.links;
    udp!.set({ dropsAll: true });
    pair.connect(1);
    const flows = [pair.flow(0, 10), pair.flow(1, 10), pair.flow(0, 1, 1400), pair.flow(1, 3, 1400)];
    pair.time.run(3000 + 1000 * pair.random());
    expect(transports(pair)).toEqual(["relay", "relay"]);
    udp!.heal();
    pair.time.run(15_000);
    for (const flow of flows) flow.stop();
    pair.time.run(1000);
    expect(transports(pair)).toEqual(["udp", "udp"]);
    expect(pair.peers.map((peer) => peer.second)).toEqual([null, null]);
    expect(flows.map((flow) => flow.lost())).toEqual([0, 0, 0, 0]);
  });

  it("by SSH on the way", () => {
    const pair = new SimPair({ links: [UDP, RELAY, { transport: "ssh", rttMs: 25, jitterMs: 2 }] });
    const [udp] = pair.links;
    udp!.set({ dropsAll: true });
    pair.connect(1);
    const flows = [pair.flow(0, 5), pair.flow(1, 5, 1400)];
    pair.time.run(6000);
    expect(transports(pair)).toEqual(["ssh", "ssh"]);
    udp!.heal();
    pair.time.run(15_000);
    for (const flow of flows) flow.stop();
    pair.time.run(1000);
    expect(transports(pair)).toEqual(["udp", "udp"]);
    expect(flows.map((flow) => flow.lost())).toEqual([0, 0]);
  });

  it.each([{ dropsData: true }, { dropsLarge: true }])(
    "to a path that turns out to lose data (%o), and back",
    (trouble) => {
      const pair = new SimPair({ links: [UDP, RELAY] });
      const [udp] = pair.links;
      udp!.set(trouble);
      pair.connect(1);
      const flows = [pair.flow(0, 10, 1400), pair.flow(1, 10, 1400)];
      pair.time.run(120_000);
      for (const flow of flows) flow.stop();
      pair.time.run(1000);
      expect(transports(pair)).toEqual(["relay", "relay"]);
      expect(flows.map((flow) => flow.lost())).toEqual([0, 0]);
    },
  );

  it("to a nearer path of the same transport", () => {
    const pair = new SimPair({
      links: [
        { transport: "udp", rttMs: 40, label: "v4", jitterMs: 2 },
        { transport: "udp", rttMs: 15, label: "v6", jitterMs: 2 },
      ],
    });
    const [, v6] = pair.links;
    v6!.set({ dropsAll: true });
    pair.connect(0);
    const flows = [pair.flow(0, 5), pair.flow(1, 5)];
    pair.time.run(5000);
    expect(pair.peers.map((peer) => peer.primaryLink?.label)).toEqual(["v4", "v4"]);
    v6!.heal();
    pair.time.run(25_000);
    for (const flow of flows) flow.stop();
    pair.time.run(1000);
    expect(pair.peers.map((peer) => peer.primaryLink?.label)).toEqual(["v6", "v6"]);
    expect(flows.map((flow) => flow.lost())).toEqual([0, 0]);
  });
});
