import { describe, expect, it } from "vitest";
import { expectExactDelivery, ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";

describe("3: IPv4 and IPv6 outside, normal and large MTU", () => {
  it.each([
    { outer: "v4", mtu: 1420, underlayMtu: 1500 },
    { outer: "v6", mtu: 1420, underlayMtu: 1500 },
    { outer: "v4", mtu: 8940, underlayMtu: 9000 },
    { outer: "v6", mtu: 8920, underlayMtu: 9000 },
  ] as const)("over $outer, MTU $mtu in $underlayMtu", async (options) => {
    await using tunnel = await TunnelLab.ofOurs(options);
    const [first, second] = [tunnel.first.host, tunnel.second.host];
    await tunnel.connected();
    for (const family of ["v4", "v6"] as const) {
      const full = { packetBytes: options.mtu, dontFragment: true };
      expect(await ping(first, INNER[family][1], full)).toBe(3);
      expect(await ping(second, INNER[family][0], full)).toBe(3);
      await expectExactDelivery(first, second, INNER[family][1], { up: 20_000_003, down: 20_000_001 });
    }
  });

  it("an underlay too small for the tunnel's MTU still carries everything", async () => {
    await using tunnel = await TunnelLab.ofOurs({ mtu: 1420, underlayMtu: 1400 });
    const [first, second] = [tunnel.first.host, tunnel.second.host];
    await tunnel.connected();
    expect(await ping(first, INNER.v4[1], { packetBytes: 1420 })).toBe(3);
    await expectExactDelivery(first, second, INNER.v4[1], { up: 2_000_003, down: 2_000_001 });
  });
});
