import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabHost } from "../../support/lab/lab-host.ts";
import { makeRouter } from "../../support/lab/lab-router.ts";
import type { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import type { StockPeer } from "../../support/wireguard-lab/stock-peer.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { INTERFACE } from "../../support/wireguard-lab/wireguard-end.ts";

// A host behind the tunnel's own, which translates its address into that of the tunnel:
//
//   inside 10.1.0.2 ── 10.1.0.1 ours 10.99.0.1 ══ tunnel ══ 10.99.0.2 stock

/** In the tunnel's network, and no peer's. */
const NOBODY = { v4: "10.99.0.77", v6: "fd99::77" } as const;

let tunnel: TunnelLab<StaticPeer, StockPeer>;
let inside: LabHost;

beforeAll(async () => {
  tunnel = await TunnelLab.withStock();
  const { host } = tunnel.first;
  inside = await tunnel.lab.host("inside");
  await tunnel.lab.connect(
    { host: inside, device: "eth0", addresses: ["10.1.0.2/24", "fd01::2/64"] },
    { host, device: "lan", addresses: ["10.1.0.1/24", "fd01::1/64"] },
  );
  await inside.ip("route", "add", "default", "via", "10.1.0.1");
  await inside.ip("route", "add", "default", "via", "fd01::1");
  await makeRouter(host, { nat: "none", outside: INTERFACE, inside: "lan" });
  const hook = "type nat hook postrouting priority srcnat;";
  await host.must("nft", `table inet nat { chain leaving { ${hook} oifname "${INTERFACE}" masquerade; }; }`);
  await tunnel.connected();
});
afterAll(() => tunnel[Symbol.asyncDispose]());

/** What a program inside hears of a datagram to `address`: the kernel tells it only of errors about its very own packet. */
async function fateOfDatagram(address: string): Promise<string> {
  const program = `
    const socket = require("node:dgram").createSocket(${address.includes(":") ? '"udp6"' : '"udp4"'});
    const end = (fate) => { console.log(fate); socket.close(); };
    socket.on("error", ({ code }) => end(code));
    socket.connect(9, "${address}", () => socket.send("x"));
    setTimeout(() => end("silence"), 5000).unref();`;
  return (await inside.must(process.execPath, "-e", program)).trim();
}

describe("13: what is told of a packet whose source was translated on its way into the tunnel", () => {
  it.each(["v4", "v6"] as const)("%s: reaches the host that sent it", async (family) => {
    // Translation is at work: the far end sees the tunnel's address, and answers come back.
    expect(await ping(inside, INNER[family][1])).toBe(3);
    // Told by us: there is no such peer.
    expect(await inside.run("ping", "-n", "-c", "1", "-W", "5", NOBODY[family])).toMatchObject({
      stdout: expect.stringMatching(
        /icmp_seq=1 Destination (?:Net|Host) Unreachable|unreachable: (?:No route|Address)/,
      ),
    });
    // Told at the far end, and carried back by the tunnel: nothing listens there.
    expect(await fateOfDatagram(INNER[family][1])).toBe("ECONNREFUSED");
  });
});
