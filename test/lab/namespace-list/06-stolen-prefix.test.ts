import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../support/wireguard-lab/keys.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";

describe("6: a more specific prefix of another peer", () => {
  it("takes the address away from the wider one, in both directions, until it goes", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, settings } = tunnel;
    const wide = { ...settings[0], allowedIps: ["10.99.0.0/24", "fd99::/64"] };
    const thief = { publicKey: makeKeyPair().publicKey, allowedIps: [`${INNER.v4[1]}/32`, `${INNER.v6[1]}/128`] };
    await ours.setPeers([wide]);
    await tunnel.connected(stock);

    await ours.setPeers([wide, thief]);
    const before = await ours.drops();
    for (const family of ["v4", "v6"] as const) expect(await ping(stock.host, INNER[family][0], { count: 2 })).toBe(0);
    const after = await ours.drops();
    expect(after["in-spoofed-source"] - before["in-spoofed-source"]).toBe(4);
    expect(await ping(ours.host, INNER.v4[1], { count: 1 })).toBe(0);

    await ours.setPeers([wide]);
    for (const family of ["v4", "v6"] as const) expect(await ping(stock.host, INNER[family][0])).toBe(3);
    expect((await ours.drops())["in-spoofed-source"]).toBe(after["in-spoofed-source"]);
  });
});
