import { expect } from "vitest";
import { expectExactDelivery } from "../wireguard-lab/traffic.ts";
import { eventually } from "./eventually.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import type { NarrowNetwork } from "./narrow-network.ts";

const MEBIBYTE = 2 ** 20;
/** Of the interface, unless `mesh join` is told otherwise. */
const DEFAULT_MTU = 1420;
/** IP, UDP and WireGuard. */
export const OVERHEAD_BYTES = { v4: 60, v6: 80 } as const;
export function overheadOf({ endpoint }: { readonly endpoint: string }): number {
  return OVERHEAD_BYTES[endpoint.startsWith("[") ? "v6" : "v4"];
}
/** What arrives in this time was not held up by anything that had to be found out again and again. */
const TRANSFER_MS = 5000;

/** Carries 1 MiB both ways over IPv4 and IPv6 inside the tunnel, in good time; says how long each took. */
export async function expectTransfers({ alice, bob }: NarrowNetwork): Promise<number[]> {
  const { ip4, ip6 } = (await bob.status()).self!;
  const took: number[] = [];
  for (const address of [ip4, ip6]) {
    const startMs = performance.now();
    await expectExactDelivery(alice.host, bob.host, address, { up: MEBIBYTE, down: MEBIBYTE });
    took.push(Math.round(performance.now() - startMs));
  }
  expect(Math.max(...took)).toBeLessThan(TRANSFER_MS);
  return took;
}

/** Both peers know what the UDP path in use carries in an underlay of `underlayMtu`. */
export async function expectPathMtu(
  { alice, bob }: NarrowNetwork,
  underlayMtu: number,
  interfaceMtu = DEFAULT_MTU,
): Promise<void> {
  const knows = (peer: MeshPeer, name: string) =>
    eventually(`${peer.host.label} knows what its path to ${name} carries`, async () => {
      const path = (await peer.peer(name))?.path;
      if (path === undefined || path === null) return undefined;
      return path.mtu === Math.min(interfaceMtu, underlayMtu - overheadOf(path)) ? true : undefined;
    });
  await Promise.all([knows(alice, "bob"), knows(bob, "alice")]);
}

/** The underlay narrows under a stream of large packets: how long it takes until alice knows, milliseconds. */
export async function expectLowered(network: NarrowNetwork, underlayMtu: number): Promise<number> {
  const { alice, bob } = network;
  const { ip4 } = (await bob.status()).self!;
  const flow = await alice.host.start("ping", ["-n", "-i", "0.02", "-s", String(underlayMtu), ip4]);
  await flow.waitForOutput(/time=/);
  const startMs = Date.now();
  await network.narrow({ mtu: underlayMtu });
  // Whichever family the path in use is of: only there do large packets go.
  const { v4, v6 } = OVERHEAD_BYTES;
  const found = await alice.process.waitForOutput(
    new RegExp(
      `^(\\S+) info  path MTU found peer=bob path="udp (?:\\[.*mtu=${underlayMtu - v6}|\\d.*mtu=${underlayMtu - v4}) `,
      "m",
    ),
    20_000,
  );
  await flow.stop();
  return Date.parse(found[1]!) - startMs;
}
