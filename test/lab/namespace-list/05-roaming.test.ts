import { describe, expect, it } from "vitest";
import { Capture } from "../../support/wireguard-lab/capture.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText, LISTEN_PORT, peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

const ELSEWHERE = { v4: ["192.0.2.71", "192.0.2.72"], v6: ["2001:db8::71", "2001:db8::72"] } as const;
const PREFIX = { v4: "24", v6: "64" } as const;
const OTHER_PORT = 51999;

describe("5: roaming", () => {
  it.each(["v4", "v6"] as const)("over %s: either end moves, and the session goes on", async (outer) => {
    await using tunnel = await TunnelLab.withStock({ outer });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    await using capture = await Capture.start(stock.host, UNDERLAY, "udp");
    const move = async (end: typeof ours | typeof stock, from: string, to: string) => {
      // Else the second IPv4 address would go with the first one of its network.
      await end.host.sysctl("net.ipv4.conf.all.promote_secondaries", 1);
      await end.host.ip("address", "add", `${to}/${PREFIX[outer]}`, "dev", UNDERLAY);
      await end.host.ip("address", "delete", `${from}/${PREFIX[outer]}`, "dev", UNDERLAY);
    };
    const ourEndpoint = async () => (await peerOf(stock, ours.publicKey)).endpoint;
    const theirEndpoint = async () => (await peerOf(ours, stock.publicKey)).endpoint;

    await move(ours, OUTER[outer][0], ELSEWHERE[outer][0]);
    expect(await ping(ours.host, INNER.v4[1])).toBe(3);
    expect(await ourEndpoint()).toBe(endpointText(ELSEWHERE[outer][0]));

    await stock.set("listen-port", String(OTHER_PORT));
    expect(await ping(stock.host, INNER.v4[0])).toBe(3);
    expect(await theirEndpoint()).toBe(endpointText(OUTER[outer][1], OTHER_PORT));
    expect(await ping(ours.host, INNER.v6[1])).toBe(3);

    await move(stock, OUTER[outer][1], ELSEWHERE[outer][1]);
    // wireguard-go stays with a source address that is gone, on kernels that say ENETUNREACH; a new port frees it.
    await stock.set("listen-port", String(LISTEN_PORT));
    expect(await ping(stock.host, INNER.v6[0])).toBe(3);
    expect(await theirEndpoint()).toBe(endpointText(ELSEWHERE[outer][1]));
    expect(await ping(ours.host, INNER.v4[1])).toBe(3);

    // Every datagram since the first handshake is a data message.
    const types = new Set(capture.datagrams().map(({ payload }) => payload[0]));
    expect(types).toEqual(new Set([4]));
  });

  it("from one family to the other", async () => {
    await using tunnel = await TunnelLab.withStock({ outer: "v4" });
    const { first: ours, second: stock, settings } = tunnel;
    await tunnel.connected();
    const { lastHandshakeSeconds } = await peerOf(ours, stock.publicKey);
    await stock.setPeers([{ ...settings[1], endpoint: endpointText(OUTER.v6[0]) }]);
    expect(await ping(stock.host, INNER.v4[0])).toBe(3);
    expect((await peerOf(ours, stock.publicKey)).endpoint).toBe(endpointText(OUTER.v6[1]));
    expect(await ping(ours.host, INNER.v4[1])).toBe(3);
    expect((await peerOf(ours, stock.publicKey)).lastHandshakeSeconds).toBe(lastHandshakeSeconds);
  });
});
