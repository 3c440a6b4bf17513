import { describe, expect, it } from "vitest";
import { countPackets } from "../../support/wireguard-lab/packet-counter.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../../support/wireguard-lab/tunnel-lab.ts";
import { LISTEN_PORT, peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

const FWMARK = 0x77;
const TABLE = "200";
const SECOND = {
  v4: { device: "eth1", ours: "198.51.100.1/24", theirs: "198.51.100.2/24", gateway: "198.51.100.2" },
  v6: { device: "eth1", ours: "2001:db8:1::1/64", theirs: "2001:db8:1::2/64", gateway: "2001:db8:1::2" },
} as const;

describe("10: another way to the same endpoint", () => {
  it.each(["v4", "v6"] as const)(
    "%s: rules for the mark, routes and devices count from the next packet on",
    async (outer) => {
      await using tunnel = await TunnelLab.withStock({ outer, ours: { fwmark: FWMARK } });
      const { first: ours, second: stock } = tunnel;
      const { device, gateway } = SECOND[outer];
      await tunnel.lab.connect(
        { host: ours.host, device, addresses: [SECOND[outer].ours] },
        { host: stock.host, device, addresses: [SECOND[outer].theirs] },
      );
      await tunnel.connected();
      const { lastHandshakeSeconds } = await peerOf(ours, stock.publicKey);
      const ofTunnel = `udp dport ${LISTEN_PORT}`;
      const leaving = (name: string) => countPackets(ours.host, "postrouting", `oifname "${name}" ${ofTunnel}`);
      const ways = [
        { name: UNDERLAY, packets: await leaving(UNDERLAY) },
        { name: device, packets: await leaving(device) },
      ];
      const [family, target, way] = [outer === "v6" ? "-6" : "-4", OUTER[outer][1], ["via", gateway, "dev", device]];

      /** Sends through the tunnel and says which devices that took. */
      const devicesUsed = async () => {
        const before = await Promise.all(ways.map(({ packets }) => packets()));
        expect(await ping(ours.host, INNER.v4[1], { count: 5 })).toBe(5);
        const after = await Promise.all(ways.map(({ packets }) => packets()));
        return ways.filter((_, i) => after[i]! > before[i]!).map(({ name }) => name);
      };

      expect(await devicesUsed()).toEqual([UNDERLAY]);
      await ours.host.ip(family, "route", "add", target, ...way, "table", TABLE);
      await ours.host.ip(family, "rule", "add", "fwmark", String(FWMARK), "lookup", TABLE);
      expect(await devicesUsed()).toEqual([device]);
      await ours.host.ip(family, "rule", "delete", "fwmark", String(FWMARK));
      expect(await devicesUsed()).toEqual([UNDERLAY]);

      await ours.host.ip(family, "route", "add", target, ...way);
      expect(await devicesUsed()).toEqual([device]);
      await ours.host.ip("link", "set", device, "down");
      expect(await devicesUsed()).toEqual([UNDERLAY]);
      expect((await peerOf(ours, stock.publicKey)).lastHandshakeSeconds).toBe(lastHandshakeSeconds);
    },
  );
});
