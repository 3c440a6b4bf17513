import { describe, expect, it } from "vitest";
import { eventually } from "../../support/lab/eventually.ts";
import { Lab } from "../../support/lab/lab.ts";
import type { LabHost } from "../../support/lab/lab-host.ts";
import { makeRouter } from "../../support/lab/lab-router.ts";
import { makeKeyPair } from "../../support/wireguard-lab/keys.ts";
import { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import { StockPeer } from "../../support/wireguard-lab/stock-peer.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText, LISTEN_PORT, peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

const OUTSIDE = "192.0.2.2";
const UDP_TIMEOUT_SECONDS = 2;
const KEEPALIVE_BYTES = 32;

describe("9: source NAT that forgets UDP fast", () => {
  it("stays open by persistent keepalives; without them the mapping goes, and our next packet makes another", async () => {
    await using lab = await Lab.open();
    const [inside, router, outside] = [await lab.host("inside"), await lab.host("router"), await lab.host("outside")];
    await lab.connect(
      { host: inside, device: "eth0", addresses: ["10.1.0.2/24"] },
      { host: router, device: "lan", addresses: ["10.1.0.1/24"] },
    );
    await lab.connect(
      { host: router, device: "wan", addresses: ["192.0.2.1/24"] },
      { host: outside, device: "eth0", addresses: [`${OUTSIDE}/24`] },
    );
    await inside.ip("route", "add", "default", "via", "10.1.0.1");
    await makeRouter(router, {
      nat: "port-restricted",
      outside: "wan",
      inside: "lan",
      udpTimeoutSeconds: UDP_TIMEOUT_SECONDS,
      udpStreamTimeoutSeconds: UDP_TIMEOUT_SECONDS,
    });
    const [ourKeys, theirKeys] = [makeKeyPair(), makeKeyPair()];
    const them = {
      publicKey: theirKeys.publicKey,
      allowedIps: [`${INNER.v4[1]}/32`],
      endpoint: endpointText(OUTSIDE),
      persistentKeepaliveSeconds: 1,
    };
    const stock = lab.use(
      await StockPeer.start(outside, {
        ...theirKeys,
        addresses: [`${INNER.v4[1]}/24`],
        mtu: 1420,
        peers: [{ publicKey: ourKeys.publicKey, allowedIps: [`${INNER.v4[0]}/32`] }],
      }),
    );
    const ours = lab.use(
      await StaticPeer.start(inside, { ...ourKeys, addresses: [`${INNER.v4[0]}/24`], mtu: 1420, peers: [them] }),
    );
    const received = async () => (await peerOf(stock, ours.publicKey)).rxBytes;

    // The first keepalive makes the session, nobody having sent a packet.
    await eventually("a session", async () => (await peerOf(stock, ours.publicKey)).lastHandshakeSeconds > 0);
    const startBytes = await received();
    await eventually(
      "keepalives for twice the time that the mapping lives",
      async () => (await received()) >= startBytes + (2 * UDP_TIMEOUT_SECONDS + 1) * KEEPALIVE_BYTES,
      { timeoutMs: 15_000 },
    );
    expect(await ping(stock.host, INNER.v4[0])).toBe(3);

    await ours.setPeers([{ ...them, persistentKeepaliveSeconds: 0 }]);
    await eventually("the mapping is forgotten", async () => !(await hasMapping(router)), { timeoutMs: 15_000 });
    expect(await ping(stock.host, INNER.v4[0], { count: 1 })).toBe(0);
    expect(await ping(ours.host, INNER.v4[1])).toBe(3);
    expect(await ping(stock.host, INNER.v4[0])).toBe(3);
  });
});

async function hasMapping(router: LabHost): Promise<boolean> {
  return (await router.must("cat", "/proc/net/nf_conntrack")).includes(`sport=${LISTEN_PORT} dport=${LISTEN_PORT}`);
}
