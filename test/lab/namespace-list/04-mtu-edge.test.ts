import { describe, expect, it } from "vitest";
import { Capture } from "../../support/wireguard-lab/capture.ts";
import { countPackets } from "../../support/wireguard-lab/packet-counter.ts";
import { expectExactDelivery, ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab, UNDERLAY } from "../../support/wireguard-lab/tunnel-lab.ts";
import { INTERFACE } from "../../support/wireguard-lab/wireguard-end.ts";

/** Outer IP header, UDP header, data message header and tag. */
const OVERHEAD = { v4: 20 + 8 + 32, v6: 40 + 8 + 32 } as const;
const FRAGMENT = { v4: "ip frag-off & 0x3fff != 0", v6: "exthdr frag exists" } as const;

describe("4: padding at the edge of the MTU", () => {
  it.each([
    { outer: "v4", mtu: 1440 },
    { outer: "v6", mtu: 1420 },
    { outer: "v4", mtu: 1307 },
    { outer: "v6", mtu: 1299 },
  ] as const)(
    "packets of $mtu bytes and a little less pass over $outer whole, and no outer packet is larger",
    async ({ outer, mtu }) => {
      await using tunnel = await TunnelLab.ofOurs({ outer, mtu });
      const [first, second] = [tunnel.first.host, tunnel.second.host];
      await tunnel.connected();
      const fragments = await countPackets(second, "prerouting", FRAGMENT[outer]);
      const largestBytes = mtu + OVERHEAD[outer];
      {
        await using capture = await Capture.start(second, UNDERLAY, "udp port 51820");
        for (let packetBytes = mtu; packetBytes > mtu - 18; packetBytes--) {
          const inner = INNER[packetBytes % 2 === 0 ? "v4" : "v6"][1];
          expect(await ping(first, inner, { count: 1, packetBytes, dontFragment: true })).toBe(1);
        }
        const sizes = (await capture.seen("echo packet", ({ payload }) => payload[0] === 4, 36)).map(
          ({ packetBytes }) => packetBytes,
        );
        expect(Math.max(...sizes)).toBe(largestBytes);
        // Padded to 16, but for those that the MTU cuts short.
        const isPadded = (sizeBytes: number) => (sizeBytes - OVERHEAD[outer]) % 16 === 0 || sizeBytes === largestBytes;
        expect(sizes.filter((sizeBytes) => !isPadded(sizeBytes))).toEqual([]);
      }
      await expectExactDelivery(first, second, INNER.v4[1], { up: 5_000_003, down: 5_000_001 });
      expect(await fragments()).toBe(0);
    },
  );

  it("a route's smaller MTU holds inside the tunnel", async () => {
    await using tunnel = await TunnelLab.ofOurs({ mtu: 1420 });
    const [first, second] = [tunnel.first.host, tunnel.second.host];
    await tunnel.connected();
    await first.ip("route", "add", `${INNER.v4[1]}/32`, "dev", INTERFACE, "mtu", "1299");
    await second.ip("route", "add", `${INNER.v4[0]}/32`, "dev", INTERFACE, "mtu", "1299");
    // A packet of 1299 bytes is padded to 1312: the tunnel knows of its own MTU only, and there it may.
    const tooLarge = await countPackets(second, "prerouting", "udp dport 51820 meta length > 1372");
    for (const packetBytes of [1299, 1298, 1297, 1296, 1281])
      expect(await ping(first, INNER.v4[1], { count: 1, packetBytes, dontFragment: true })).toBe(1);
    expect(await ping(first, INNER.v4[1], { count: 1, packetBytes: 1300, dontFragment: true })).toBe(0);
    expect(await tooLarge()).toBe(0);
    await expectExactDelivery(first, second, INNER.v4[1], { up: 2_000_003, down: 2_000_001 });
  });
});
