import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { NarrowNetwork } from "../support/lab/narrow-network.ts";
import { expectExactDelivery, ping } from "../support/wireguard-lab/traffic.ts";

// Two sites with a cable between them that grows narrow, and routers that say nothing about it.

const MEBIBYTE = 2 ** 20;
/** UDP and WireGuard, and the IP header around them. */
const OVERHEAD_BYTES = { v4: 60, v6: 80 } as const;
/** What arrives in this time was not held up by anything that had to be found out again and again. */
const TRANSFER_MS = 5000;

let network: NarrowNetwork;
let alice: MeshPeer;
let bob: MeshPeer;
let inner: { readonly v4: string; readonly v6: string };

beforeAll(async () => {
  network = await NarrowNetwork.open({ mtu: 1500 });
  ({ alice, bob } = network);
  const { ip4, ip6 } = (await bob.status()).self!;
  inner = { v4: ip4, v6: ip6 };
  await network.only("udp");
});
afterAll(() => network?.[Symbol.asyncDispose]());

/** The MTU of the path in use at `peer` fits an underlay of `underlayMtu`. */
function settlesFor(peer: MeshPeer, name: string, underlayMtu: number): Promise<unknown> {
  return eventually(`${peer.host.label} knows what its path to ${name} carries`, async () => {
    const path = (await peer.peer(name))?.path;
    if (path === undefined || path === null) return undefined;
    const family = path.endpoint.startsWith("[") ? "v6" : "v4";
    return path.mtu === Math.min(1420, underlayMtu - OVERHEAD_BYTES[family]) ? true : undefined;
  });
}

describe("UDP over an underlay that swallows what is too big", () => {
  it("asks for no more than the interface takes", async () => {
    await Promise.all([settlesFor(alice, "bob", 1500), settlesFor(bob, "alice", 1500)]);
  });

  it.each([1400, 1280, 1124])("carries 1 MiB both ways when it narrows to %i, and knows its MTU then", async (mtu) => {
    await network.narrow({ mtu });
    for (const address of [inner.v4, inner.v6]) {
      const startMs = performance.now();
      await expectExactDelivery(alice.host, bob.host, address, { up: MEBIBYTE, down: MEBIBYTE });
      expect(performance.now() - startMs).toBeLessThan(TRANSFER_MS);
    }
    await Promise.all([settlesFor(alice, "bob", mtu), settlesFor(bob, "alice", mtu)]);
  });

  it("tells the host what is too big, carries what fits, and fragments what may be", async () => {
    const fits = 1124 - OVERHEAD_BYTES.v4;
    const told = (packetBytes: number, address: string) =>
      alice.host.run("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", String(packetBytes), address);
    // The host may know already, from TCP.
    expect((await told(fits - 28 + 1, inner.v4)).stdout).toMatch(/Frag needed and DF set \(mtu = 1064\)|mtu=1064/);
    expect(await ping(alice.host, inner.v4, { packetBytes: fits, dontFragment: true })).toBe(3);
    expect((await told(1280 - 48 + 1, inner.v6)).stdout).toMatch(/Packet too big: mtu=1280|mtu: 1280/);
    // IPv6's minimum goes in fragments of the underlay.
    expect(await ping(alice.host, inner.v6, { packetBytes: 1280, dontFragment: true })).toBe(3);
    expect((await alice.host.run("ping", "-n", "-c", "1", "-M", "dont", "-s", "8000", inner.v4)).status).toBe(0);
  });
});
