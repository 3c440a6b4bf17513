import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { NarrowNetwork } from "../support/lab/narrow-network.ts";
import { expectLowered, expectPathMtu, expectTransfers, OVERHEAD_BYTES } from "../support/lab/path-mtu.ts";
import { ping } from "../support/wireguard-lab/traffic.ts";

// Every MTU of the underlay with every transport, IPv4 and IPv6 inside, in front of routers that say what they drop and of
// routers that do not. IPv6 goes outside as well, except where its minimum does not fit.

const TRANSPORTS = ["udp", "ssh", "relay"] as const;
const UNDERLAYS = [1500, 1400, 1280, 1124].flatMap((mtu) => [
  { mtu, icmp: false, routers: "silent" },
  { mtu, icmp: true, routers: "telling" },
]);
const SETUP_MS = 120_000;

/** One datagram of iperf3 with DF, in an IPv4 packet of this size, and what iperf3 says when its host refuses to send it. */
async function sendsWhole(from: MeshPeer, to: MeshPeer, packetBytes: number): Promise<string> {
  const { ip4 } = (await to.status()).self!;
  const serving = await to.host.start("iperf3", ["-s", "-1", "--forceflush"]);
  await serving.waitForOutput(/Server listening/);
  const args = ["-u", "-4", "-b", "200K", "-t", "1", "-l", String(packetBytes - 28), "--dont-fragment", "-c", ip4];
  const { stdout, stderr } = await from.host.run("iperf3", ...args);
  await serving.kill();
  return `${stdout}${stderr}`;
}

describe.each(UNDERLAYS)("an underlay of $mtu bytes, $routers routers", (underlay) => {
  let network: NarrowNetwork;
  beforeAll(async () => {
    network = await NarrowNetwork.open(underlay);
  }, SETUP_MS);
  afterAll(() => network?.[Symbol.asyncDispose]());

  it.for(TRANSPORTS)("%s carries 1 MiB both ways, IPv4 and IPv6", async (transport, { annotate }) => {
    await network.only(transport);
    const [v4, v6] = await expectTransfers(network);
    await annotate(`${transport}, ${underlay.mtu}, ${underlay.routers}: IPv4 ${v4} ms, IPv6 ${v6} ms`);
    for (const peer of [network.alice, network.bob])
      expect((await peer.status()).peers[0]?.path?.transport).toBe(transport);
  });

  it("UDP carries to the byte what it says, and the host hears of the rest", async () => {
    const { alice, bob } = network;
    await network.only("udp");
    await expectPathMtu(network, underlay.mtu);
    const fits = (await alice.peer("bob"))!.path!.mtu!;
    const { ip4, ip6 } = (await bob.status()).self!;
    expect(await ping(alice.host, ip4, { packetBytes: fits, dontFragment: true })).toBe(3);
    expect(await ping(alice.host, ip6, { packetBytes: Math.max(1280, fits), dontFragment: true })).toBe(3);
    expect(await ping(alice.host, ip4, { packetBytes: fits + 1, dontFragment: true })).toBe(0);
    expect(await ping(alice.host, ip6, { packetBytes: Math.max(1280, fits) + 1, dontFragment: true })).toBe(0);
    expect(await sendsWhole(alice, bob, fits)).not.toMatch(/too long/);
    expect(await sendsWhole(alice, bob, fits + 1)).toMatch(/Message too long/);
  });
});

describe("an underlay that narrows silently under large packets", () => {
  it("is found out within 1 s, ten times over", async ({ annotate }) => {
    await using network = await NarrowNetwork.open({ mtu: 1500 });
    await network.only("udp");
    const took: number[] = [];
    for (let round = 0; round < 10; round++) {
      took.push(await expectLowered(network, 1400 - 16 * round));
      await expectTransfers(network);
    }
    await annotate(`known after ${took.join(" ")} ms`);
    expect(Math.max(...took)).toBeLessThan(1000);
  }, 300_000);
});

describe("an interface of 8900 bytes, for networks with jumbo frames", () => {
  it("carries as much where the underlay does not, by every transport", async () => {
    await using network = await NarrowNetwork.open({ mtu: 1500, args: ["--mtu", "8900"] });
    for (const transport of TRANSPORTS) {
      await network.only(transport);
      await expectTransfers(network);
      if (transport === "udp") await expectPathMtu(network, 1500, 8900);
    }
  }, 120_000);
});

describe("an underlay that drops fragments as well", () => {
  it("IPv6's minimum goes by a byte stream, and UDP says why it is not used", async () => {
    await using network = await NarrowNetwork.open({ mtu: 1280, dropsFragments: true });
    const { alice, bob } = network;
    const { ip4, ip6 } = (await bob.status()).self!;
    await expect.poll(() => ping(alice.host, ip4), { timeout: 20_000 }).toBe(3);
    const reason = "UDP does not carry IPv6's minimum of 1280 bytes";
    const udpDetails = async () =>
      (await alice.peer("bob"))!.paths.filter(({ transport }) => transport === "udp").map(({ detail }) => detail);
    await expect.poll(udpDetails, { timeout: 20_000 }).toContain(reason);
    expect(await ping(alice.host, ip6, { packetBytes: 1280, dontFragment: true })).toBe(3);
    await expectTransfers(network);
    const { path, paths } = (await alice.peer("bob"))!;
    expect(["ssh", "relay"]).toContain(path?.transport);
    expect(paths.find(({ transport }) => transport === "udp")?.mtu).toBe(1280 - OVERHEAD_BYTES.v4);
  }, 120_000);
});
