import { describe, expect, it } from "vitest";
import { eventually } from "../../support/lab/eventually.ts";
import { countPackets } from "../../support/wireguard-lab/packet-counter.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText } from "../../support/wireguard-lab/wireguard-end.ts";

/** Every point of Curve25519 whose order divides 8, and their forms that are not reduced modulo 2^255 − 19 (RFC 7748 §6.1). */
const LOW_ORDER_POINTS = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Buffer.from(hex, "hex").toString("base64"));

describe("16: keys that must stay silent", () => {
  it("a peer with a key of low order, or with our own, is sent nothing", async () => {
    await using tunnel = await TunnelLab.ofOurs();
    const { first, settings } = tunnel;
    await first.setPeers([]);
    const sent = await countPackets(first.host, "output", "udp sport 51820");
    const silent = [...LOW_ORDER_POINTS, first.publicKey].map((publicKey, i) => ({
      publicKey,
      allowedIps: [`10.99.0.${100 + i}/32`],
      endpoint: endpointText(OUTER.v4[1]),
      persistentKeepaliveSeconds: 1,
    }));
    await first.setPeers(silent);
    // Long enough for every keepalive to be due, which the echo requests wait for.
    const pings = silent.map((_, i) => ping(first.host, `10.99.0.${100 + i}`, { count: 5, intervalSeconds: 0.3 }));
    expect(await Promise.all(pings)).toEqual(silent.map(() => 0));
    expect(await sent()).toBe(0);
    // Ours is refused, the others are taken and stay mute.
    expect((await first.peers()).map(({ publicKey }) => publicKey)).toEqual(LOW_ORDER_POINTS);

    await first.setPeers([...silent, settings[0]]);
    await tunnel.connected();
    expect(await sent()).toBeGreaterThan(0);
  });

  it("with its private key cleared the tunnel neither sends nor answers, and a new key ends that", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, keys } = tunnel;
    await tunnel.connected();
    await ours.setKeys(undefined);
    const sent = await countPackets(ours.host, "output", "udp sport 51820");
    const heard = await countPackets(ours.host, "prerouting", "udp dport 51820");
    const [outward, inward] = await Promise.all([
      ping(ours.host, INNER.v4[1], { count: 5, intervalSeconds: 0.3 }),
      ping(stock.host, INNER.v4[0], { count: 5, intervalSeconds: 0.3 }),
    ]);
    expect({ outward, inward }).toEqual({ outward: 0, inward: 0 });
    await eventually("they speak to us", async () => (await heard()) > 0);
    expect(await sent()).toBe(0);
    await ours.setKeys(keys[0]);
    await tunnel.connected();
  });
});
