import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NarrowNetwork } from "../support/lab/narrow-network.ts";
import { expectLowered, expectPathMtu, expectTransfers, overheadOf } from "../support/lab/path-mtu.ts";
import { ping } from "../support/wireguard-lab/traffic.ts";

// Two sites with a narrow cable between them, and routers that swallow what is too big without a word. `npm run soak` has
// every MTU with every transport, and routers that speak.

const UNDERLAY_MTU = 1280;
const NARROWER = 1124;

let network: NarrowNetwork;

beforeAll(async () => {
  network = await NarrowNetwork.open({ mtu: UNDERLAY_MTU });
});
afterAll(() => network?.[Symbol.asyncDispose]());

describe("an underlay that swallows what is too big", () => {
  it.each(["relay", "ssh", "udp"] as const)("carries 1 MiB both ways, IPv4 and IPv6, by %s", async (transport) => {
    await network.only(transport);
    await expectTransfers(network);
    if (transport === "udp") await expectPathMtu(network, UNDERLAY_MTU);
  });

  it("that narrows while it is used is found out within 1 s", async () => {
    expect(await expectLowered(network, NARROWER)).toBeLessThan(1000);
    await expectTransfers(network);
    await expectPathMtu(network, NARROWER);
  });

  it("makes us tell the host what is too big, carry what fits, and fragment what may be", async () => {
    const { alice, bob } = network;
    const { ip4, ip6 } = (await bob.status()).self!;
    const fits = NARROWER - overheadOf((await alice.peer("bob"))!.path!);
    const told = async (payloadBytes: number, address: string) =>
      (await alice.host.run("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", String(payloadBytes), address))
        .stdout;
    expect(await ping(alice.host, ip4, { packetBytes: fits, dontFragment: true })).toBe(3);
    // In the words of who has just heard it, or of who knew from TCP.
    expect(await told(fits - 28 + 1, ip4)).toMatch(new RegExp(`mtu ?[=:] ?${fits}`));
    expect(await told(1280 - 48 + 1, ip6)).toMatch(/mtu ?[=:] ?1280/);
    // IPv6's minimum goes in fragments of the underlay.
    expect(await ping(alice.host, ip6, { packetBytes: 1280, dontFragment: true })).toBe(3);
    expect((await alice.host.run("ping", "-n", "-c", "1", "-M", "dont", "-s", "8000", ip4)).status).toBe(0);
  });
});
