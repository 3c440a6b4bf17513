import { describe, expect, it } from "vitest";
import { leastUdpLoss, ping, tcpThroughput } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";

const MEGABYTE = 1e6;

describe("2: ping and throughput between two of ours", () => {
  it("both families: ping, TCP both ways and over 4, 5 and 50 flows, UDP", async () => {
    await using tunnel = await TunnelLab.ofOurs();
    const [first, second] = [tunnel.first.host, tunnel.second.host];
    await tunnel.connected();
    for (const family of ["v4", "v6"] as const) {
      expect(await ping(first, INNER[family][1], { count: 100, intervalSeconds: 0.002 })).toBe(100);
      expect(await ping(second, INNER[family][0], { count: 100, intervalSeconds: 0.002, packetBytes: 1400 })).toBe(100);
      const runs = [{}, { reverse: true }, { streams: family === "v4" ? 4 : 5 }, { streams: 50, reverse: true }];
      for (const options of runs) {
        const run = await tcpThroughput(first, second, INNER[family][1], options);
        expect(run.receivedBytes).toBeGreaterThan(20 * MEGABYTE);
        // One segment in a hundred and fifty, a megabyte being some 730.
        expect(run.retransmitsPerMegabyte).toBeLessThan(5);
      }
      const flow = { megabitsPerSecond: 50, packetBytes: 1200, lostPercent: 1 };
      const udp = await leastUdpLoss(first, second, INNER[family][1], flow);
      expect(udp.packets).toBeGreaterThan(4000);
      expect(udp.lostPercent).toBeLessThan(1);
    }
    for (const end of [tunnel.first, tunnel.second]) {
      const drops = await end.drops();
      expect({ malformed: drops["in-malformed"], forged: drops["in-forged"], replayed: drops["in-replayed"] }).toEqual({
        malformed: 0,
        forged: 0,
        replayed: 0,
      });
    }
  });
});
