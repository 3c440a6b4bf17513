import { describe, it } from "vitest";
import { expectExactDelivery } from "../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../support/wireguard-lab/tunnel-lab.ts";

describe("with wireguard-go at the other end", () => {
  it.each([
    { mtu: 1420, outer: "v4", underlayMtu: 1500 },
    { mtu: 1281, outer: "v4", underlayMtu: 1500 },
    { mtu: 577, outer: "v4", underlayMtu: 1500 },
    { mtu: 8920, outer: "v6", underlayMtu: 9000 },
  ] as const)("50 MB each way arrive byte for byte, MTU $mtu over $outer", async (options) => {
    await using tunnel = await TunnelLab.withStock(options);
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    const families = options.mtu < 1280 ? (["v4"] as const) : (["v4", "v6"] as const);
    const bytes = Math.ceil(50e6 / families.length);
    for (const family of families)
      await expectExactDelivery(ours.host, stock.host, INNER[family][1], { up: bytes, down: bytes });
  });
});
