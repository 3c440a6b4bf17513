import { describe, expect, it } from "vitest";
import { expectExactDelivery, ping } from "../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";
import { INTERFACE } from "../support/wireguard-lab/wireguard-end.ts";

describe("a host with IPv6 switched off", () => {
  it("has a tunnel over IPv4, and nothing to complain about", async () => {
    await using tunnel = await TunnelLab.withStock({ withoutIpv6: true });
    const { first: ours, second: stock } = tunnel;
    const { info } = await ours.status();
    expect(info).toMatchObject({ ipv4: true, ipv6: false });
    await tunnel.connected();
    expect(await ping(ours.host, INNER.v4[1], { count: 10 })).toBe(10);
    expect(await ping(stock.host, INNER.v4[0], { count: 10 })).toBe(10);
    await expectExactDelivery(ours.host, stock.host, INNER.v4[1], { up: 5_000_003, down: 5_000_001 });
    expect(ours.events).toEqual([]);
  });

  it("says that it has IPv6 from the moment on when it has", async () => {
    await using tunnel = await TunnelLab.withStock({ withoutIpv6: true });
    const { host } = tunnel.first;
    const { info } = await tunnel.first.status();
    expect(info.ipv6).toBe(false);
    // The tunnel's own address reaches nobody but through the tunnel.
    await host.sysctl(`net.ipv6.conf.${INTERFACE}.disable_ipv6`, 0);
    await host.ip("address", "add", `${INNER.v6[0]}/64`, "dev", INTERFACE);
    expect((await tunnel.first.status()).info.ipv6).toBe(false);
    await host.sysctl(`net.ipv6.conf.${UNDERLAY}.disable_ipv6`, 0);
    await host.ip("address", "add", `${OUTER.v6[0]}/64`, "dev", UNDERLAY);
    expect((await tunnel.first.status()).info.ipv6).toBe(true);
  });

  it("between two of ours: initiations to an IPv6 candidate harm nothing", async () => {
    await using tunnel = await TunnelLab.ofOurs({ withoutIpv6: true });
    const { first, settings } = tunnel;
    await first.setPeers([{ ...settings[0], endpoint: "[2001:db8::2]:51820" }]);
    expect(await ping(first.host, INNER.v4[1], { count: 1 })).toBe(0);
    await first.setPeers(settings.slice(0, 1));
    await tunnel.connected();
  });
});
