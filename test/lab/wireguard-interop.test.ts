import { describe, expect, it } from "vitest";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makePresharedKey } from "../support/wireguard-lab/keys.ts";
import type { StaticPeer } from "../support/wireguard-lab/static-peer.ts";
import { expectExactDelivery, leastUdpLoss, ping, tcpThroughput } from "../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../support/wireguard-lab/tunnel-lab.ts";
import { peerOf } from "../support/wireguard-lab/wireguard-end.ts";

const MEGABYTE = 1e6;

describe("our tunnel and wireguard-go", () => {
  it.each([
    { outer: "v4", knowing: "first", who: "we initiate" },
    { outer: "v4", knowing: "second", who: "they initiate" },
    { outer: "v6", knowing: "first", who: "we initiate" },
    { outer: "v6", knowing: "second", who: "they initiate" },
  ] as const)("$who over $outer, with a preshared key: packets of both families pass both ways", async (options) => {
    await using tunnel = await TunnelLab.withStock({ ...options, presharedKey: makePresharedKey() });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected(options.knowing === "first" ? ours : stock);
    for (const family of ["v4", "v6"] as const) {
      expect(await ping(ours.host, INNER[family][1], { count: 10 })).toBe(10);
      expect(await ping(stock.host, INNER[family][0], { count: 10 })).toBe(10);
    }
    const [ourView, theirView] = [await peerOf(ours, stock.publicKey), await peerOf(stock, ours.publicKey)];
    expect(ourView.lastHandshakeSeconds).toBeGreaterThan(0);
    expect(Math.abs(ourView.lastHandshakeSeconds - theirView.lastHandshakeSeconds)).toBeLessThanOrEqual(1);
  });

  it("two different preshared keys do not meet", async () => {
    await using tunnel = await TunnelLab.withStock({ presharedKey: makePresharedKey() });
    const { first: ours, second: stock, settings } = tunnel;
    await ours.setPeers([{ ...settings[0], presharedKey: makePresharedKey() }]);
    expect(await ping(ours.host, INNER.v4[1], { count: 2 })).toBe(0);
    expect((await peerOf(ours, stock.publicKey)).lastHandshakeSeconds).toBe(0);
    await ours.setPeers(settings.slice(0, 1));
    await tunnel.connected();
  });

  it.each(["v4", "v6"] as const)("iperf3 over %s: TCP both ways, four flows, UDP", async (outer) => {
    await using tunnel = await TunnelLab.withStock({ outer });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    const inner = INNER[outer === "v4" ? "v6" : "v4"][1];
    for (const streams of [1, 4]) {
      // Their socket buffer is the system's default, too small for a row of ours: what they lose there is not ours.
      const up = await tcpThroughput(ours.host, stock.host, inner, { streams });
      expect(up.receivedBytes).toBeGreaterThan(10 * MEGABYTE);
      const down = await tcpThroughput(ours.host, stock.host, inner, { streams, reverse: true });
      expect(down.receivedBytes).toBeGreaterThan(10 * MEGABYTE);
      expect(down.retransmitsPerMegabyte).toBeLessThan(20);
    }
    // What iperf3 leaves behind, resets and last acknowledgements, is still on its way: the two agree once it has come.
    await expect.poll(() => unaccountedDatagrams(ours, stock.host), { timeout: 10_000, interval: 100 }).toBe(0);
    const lost = Object.entries(await ours.drops()).filter(([reason, count]) => count > 0 && reason !== "out-no-route");
    expect(lost).toEqual([]);
    for (const reverse of [false, true]) {
      const flow = { reverse, megabitsPerSecond: 20, packetBytes: 1200, lostPercent: 1 };
      const run = await leastUdpLoss(ours.host, stock.host, INNER.v4[1], flow);
      expect(run.packets).toBeGreaterThan(1000);
      expect(run.lostPercent).toBeLessThan(1);
    }
  });

  // At other MTUs: test/soak/wireguard-interop.test.ts.
  it("50 MB each way arrive byte for byte, MTU 1419 over v6", async () => {
    await using tunnel = await TunnelLab.withStock({ mtu: 1419, outer: "v6" });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    for (const family of ["v4", "v6"] as const)
      await expectExactDelivery(ours.host, stock.host, INNER[family][1], { up: 25_000_000, down: 25_000_000 });
  });
});

/** Datagrams that our end has sent and that never came to the sockets of `host`, the only one it sends to. */
async function unaccountedDatagrams(ours: StaticPeer, host: LabHost): Promise<number> {
  const arrived = await udpArrivals(host);
  const { datagramsSent = Number.NaN } = (await ours.status()).counters;
  return datagramsSent - arrived.taken - arrived.overflowed;
}

/** Datagrams of both families that came to the sockets of `host`, and those that found their buffer full. */
async function udpArrivals(host: LabHost): Promise<{ taken: number; overflowed: number }> {
  const [names, values] = (await host.must("grep", "^Udp:", "/proc/net/snmp"))
    .split("\n")
    .map((line) => line.split(" "));
  const v4 = new Map(names?.map((name, i) => [name, Number(values?.[i])]));
  const v6 = new Map(
    (await host.must("grep", "^Udp6", "/proc/net/snmp6")).split("\n").map((line) => {
      const [name = "", value] = line.split(/\s+/);
      return [name, Number(value)];
    }),
  );
  return {
    taken: (v4.get("InDatagrams") ?? 0) + (v6.get("Udp6InDatagrams") ?? 0),
    overflowed: (v4.get("RcvbufErrors") ?? 0) + (v6.get("Udp6RcvbufErrors") ?? 0),
  };
}
