import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../support/lab/eventually.ts";
import type { LabHost } from "../../support/lab/lab-host.ts";
import { makeKeyPair } from "../../support/wireguard-lab/keys.ts";
import { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import { expectExactDelivery } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText } from "../../support/wireguard-lab/wireguard-end.ts";

/** Of the second tunnel, whose endpoints are the addresses in the first. */
const NESTED = ["10.98.0.1", "10.98.0.2"] as const;
const DEVICE = "wg1";
const PORT = 51821;
const MAX_GROWTH_KIB = 64 * 1024;

let tunnel: TunnelLab<StaticPeer, StaticPeer>;
let nested: StaticPeer;

beforeAll(async () => {
  tunnel = await TunnelLab.ofOurs();
  const [ours, theirs] = [makeKeyPair(), makeKeyPair()];
  const start = async (i: 0 | 1, host: LabHost, peer: { publicKey: string; allowedIps: string[] }) => {
    const endpoint = endpointText(INNER.v4[1 - i]!, PORT);
    return tunnel.lab.use(
      await StaticPeer.start(host, {
        ...(i === 0 ? ours : theirs),
        interfaceName: DEVICE,
        listenPort: PORT,
        addresses: [`${NESTED[i]}/24`],
        mtu: 1340,
        peers: [{ ...peer, endpoint }],
      }),
    );
  };
  // The first tunnel's endpoint too, should a route lead it here.
  const allowedIps = [`${NESTED[1]}/32`, `${OUTER.v4[1]}/32`];
  nested = await start(0, tunnel.first.host, { publicKey: theirs.publicKey, allowedIps });
  await start(1, tunnel.second.host, { publicKey: ours.publicKey, allowedIps: [`${NESTED[0]}/32`] });
  await tunnel.connected();
  await works();
});
afterAll(() => tunnel[Symbol.asyncDispose]());

const works = () =>
  eventually("the nested tunnel works", () => tunnel.first.host.pings(NESTED[1]), { timeoutMs: 20_000 });

describe("8: a tunnel in a tunnel", () => {
  it("carries what it is given, both ways at once", async () => {
    await expectExactDelivery(tunnel.first.host, tunnel.second.host, NESTED[1], { up: 1 << 20, down: 1 << 20 });
  });

  it("leads into itself when a route does: memory stays, both tunnels answer, and all is well without the route", async () => {
    const { host } = tunnel.first;
    const ends = [tunnel.first, nested];
    const residentKib = ends.map(residentKibOf);
    const before = await sentBytes(nested);
    const route = [OUTER.v4[1], "dev", DEVICE];
    await host.ip("route", "add", ...route);
    await host.run("ping", "-n", "-c", "1", "-W", "1", NESTED[1]);
    expect(await sentBytes(nested)).toBeGreaterThan(before + 10_000);
    for (const [i, end] of ends.entries()) expect(residentKibOf(end) - residentKib[i]!).toBeLessThan(MAX_GROWTH_KIB);
    await host.ip("route", "delete", ...route);
    await eventually("nothing goes round any more", async () => {
      const earlier = await sentBytes(nested);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return (await sentBytes(nested)) === earlier;
    });
    await works();
  });
});

async function sentBytes(end: StaticPeer): Promise<number> {
  return (await end.status()).peers[0]!.txBytes;
}

/** Resident memory of the tunnel's process. */
function residentKibOf({ process }: StaticPeer): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8"))?.[1]);
}
