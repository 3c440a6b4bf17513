import { describe, expect, it } from "vitest";
import { Capture } from "../../support/wireguard-lab/capture.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText, peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

/** Not the address that the kernel would choose by itself. */
const SECOND_ADDRESS = { v4: "192.0.2.101", v6: "2001:db8::101" } as const;
const PREFIX = { v4: 24, v6: 64 } as const;

describe("14: a responder with several addresses", () => {
  it.each(["v4", "v6"] as const)("answers from the %s address that was spoken to", async (outer) => {
    await using tunnel = await TunnelLab.withStock({ outer });
    const { first: ours, second: stock, settings } = tunnel;
    const spokenTo = SECOND_ADDRESS[outer];
    // Deprecated: the kernel prefers the other one for IPv6 too.
    const lifetime = outer === "v6" ? ["preferred_lft", "0"] : [];
    await ours.host.ip("address", "add", `${spokenTo}/${PREFIX[outer]}`, "dev", UNDERLAY, ...lifetime);
    await using capture = await Capture.start(ours.host, UNDERLAY, "udp port 51820");
    await stock.setPeers([{ ...settings[1], endpoint: endpointText(spokenTo) }]);

    // Handshake response, echo replies, and the answer to a renewed handshake.
    expect(await ping(stock.host, INNER.v4[0], { count: 5, intervalSeconds: 0.05 })).toBe(5);
    expect(await ping(ours.host, INNER.v6[1], { count: 5, intervalSeconds: 0.05 })).toBe(5);
    await stock.setPeers([]);
    await stock.setPeers([{ ...settings[1], endpoint: endpointText(spokenTo) }]);
    expect(await ping(stock.host, INNER.v6[0], { count: 5, intervalSeconds: 0.05 })).toBe(5);

    await capture.seen("handshake response", ({ payload }) => payload[0] === 2, 2);
    const sent = capture.datagrams().filter(({ source }) => source !== OUTER[outer][1]);
    expect(sent.length).toBeGreaterThan(10);
    expect(new Set(sent.map(({ source }) => source))).toEqual(new Set([spokenTo]));
    expect((await peerOf(stock, ours.publicKey)).endpoint).toBe(endpointText(spokenTo));
  });

  it("leaves an address that is gone, and goes on from another", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, settings } = tunnel;
    await ours.host.ip("address", "add", `${SECOND_ADDRESS.v4}/24`, "dev", UNDERLAY);
    await stock.setPeers([{ ...settings[1], endpoint: endpointText(SECOND_ADDRESS.v4) }]);
    await tunnel.connected(stock);
    await ours.host.ip("address", "delete", `${SECOND_ADDRESS.v4}/24`, "dev", UNDERLAY);
    expect(await ping(ours.host, INNER.v4[1])).toBe(3);
    expect((await peerOf(stock, ours.publicKey)).endpoint).toBe(settings[1].endpoint);
  });
});
