import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { TunnelInfo } from "../../src/router/tunnel-types.ts";
import { eventually } from "../support/lab/eventually.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import type { StaticPeer } from "../support/wireguard-lab/static-peer.ts";
import { expectExactDelivery, leastUdpLoss, ping } from "../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";
import type { WireGuardEnd } from "../support/wireguard-lab/wireguard-end.ts";

type Offload = keyof TunnelInfo["offloads"];

const MTU = 1420;
const VIRTIO_HEADER_BYTES = 10;
const MISSING = "this kernel lacks offloads: throughput is lower";
const LOST = "an offload turned out not to work: throughput is lower";
const TUN_OFFLOADS: readonly Offload[] = ["checksum", "tcp4", "tcp6", "udp"];

/** A module to be loaded before ours, with which the system calls for these offloads fail. */
function refusing(...calls: string[]): string {
  return new URL(`../support/lab/refuse-offloads.mjs?refuse=${calls.join(",")}`, import.meta.url).href;
}

/** TCP in both families and both ways at once, byte for byte; datagrams both ways; packets in fragments. */
async function expectAllDelivered(first: WireGuardEnd, second: WireGuardEnd): Promise<void> {
  for (const family of ["v4", "v6"] as const) {
    const bytes = { up: 6_000_007, down: 6_000_003 };
    await expectExactDelivery(first.host, second.host, INNER[family][1], bytes);
    expect(await ping(first.host, INNER[family][1], { count: 10, packetBytes: 4000 })).toBe(10);
  }
  for (const reverse of [false, true]) {
    const flow = { reverse, megabitsPerSecond: 20, packetBytes: 1200, lostPercent: 1 };
    const run = await leastUdpLoss(first.host, second.host, INNER.v6[1], flow);
    expect(run.packets).toBeGreaterThan(1000);
    expect(run.lostPercent).toBeLessThan(1);
  }
}

/** Sends that failed are one call for each datagram that was not sent; so was the one that told of the loss. */
async function expectDatagramsOneByOne(ours: StaticPeer, refusedRows: 0 | 1): Promise<void> {
  const { sendCalls, datagramsSent, sendFailures } = (await ours.status()).counters;
  expect(datagramsSent).toBeGreaterThan(5000);
  expect(sendCalls! - sendFailures!).toBe(datagramsSent! + refusedRows);
}

describe("an offload that the kernel does not have", () => {
  it.each([
    { what: "TUN without virtio headers", refused: ["tun-header"], lacks: TUN_OFFLOADS },
    { what: "TUN with headers and no offload", refused: ["tun-checksum"], lacks: TUN_OFFLOADS },
    { what: "TUN without TCP segmentation", refused: ["tun-tso"], lacks: ["tcp4", "tcp6", "udp"] },
    { what: "TUN without UDP segmentation", refused: ["tun-uso"], lacks: ["udp"] },
    { what: "UDP without segmentation", refused: ["udp-gso"], lacks: ["udpGso"] },
    { what: "UDP without receive offload", refused: ["udp-gro"], lacks: ["udpGro"] },
    {
      what: "none at all",
      refused: ["tun-header", "udp-gso", "udp-gro"],
      lacks: [...TUN_OFFLOADS, "udpGso", "udpGro"],
    },
  ] as const)("$what: everything arrives, and it is said once", async ({ refused, lacks }) => {
    await using tunnel = await TunnelLab.withStock({ mtu: MTU, ours: { preload: refusing(...refused) } });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    await expectAllDelivered(ours, stock);

    const { info, counters } = await ours.status();
    const missing = Object.entries(info.offloads).flatMap(([name, isThere]) => (isThere ? [] : [name]));
    expect(missing).toEqual(expect.arrayContaining([...lacks]));
    expect(ours.events).toEqual([{ event: "warning", message: MISSING, missing }]);
    // The offload is not only said to be off.
    if (!info.offloads.tcp4)
      expect(counters.tunBytesRead! / counters.tunFramesRead!).toBeLessThanOrEqual(MTU + VIRTIO_HEADER_BYTES);
    if (!info.offloads.udpGro) expect(counters.receiveCalls).toBeGreaterThanOrEqual(counters.datagramsReceived!);
    if (!info.offloads.udpGso) await expectDatagramsOneByOne(ours, 0);
  });
});

describe("segmentation of UDP that turns out not to work", () => {
  const lost = (family: string) => ({
    event: "warning",
    message: LOST,
    offload: "udpGso",
    family,
    reason: expect.stringContaining("EIO"),
  });

  async function expectLossOnFirstRow(
    tunnel: TunnelLab<StaticPeer, WireGuardEnd>,
    ends: readonly StaticPeer[],
    family: string,
  ): Promise<void> {
    await tunnel.connected();
    for (const ours of ends) {
      expect((await ours.status()).info.offloads.udpGso).toBe(true);
      expect(ours.events).toEqual([]);
    }
    await expectAllDelivered(tunnel.first, tunnel.second);
    for (const ours of ends) {
      expect(ours.events).toEqual([lost(family)]);
      expect((await ours.status()).info.offloads.udpGso).toBe(false);
      await expectDatagramsOneByOne(ours, 1);
    }
  }

  it.each([
    { outer: "v4", family: "IPv4" },
    { outer: "v6", family: "IPv6" },
  ] as const)("over $family: nothing gets lost, and it is said once", async ({ outer, family }) => {
    await using tunnel = await TunnelLab.withStock({ outer, ours: { preload: refusing("udp-gso-send") } });
    await expectLossOnFirstRow(tunnel, [tunnel.first], family);
  });

  it.each([
    { outer: "v4", family: "IPv4" },
    { outer: "v6", family: "IPv6" },
  ] as const)("over $family between two of ours, told by the kernel itself where it can be", async (options) => {
    const { outer, family } = options;
    // Over UDP-Lite every kernel that has it answers so by itself; two of ours do not mind to speak that.
    const cause = existsSync("/proc/net/udplite") ? "udp-lite" : "udp-gso-send";
    await using tunnel = await TunnelLab.ofOurs({ outer, ours: { preload: refusing(cause) } });
    await expectLossOnFirstRow(tunnel, [tunnel.first, tunnel.second], family);
  });

  it("a device that computes no checksums: the kernel does it, or we are told", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock } = tunnel;
    await ours.host.must("ethtool", "-K", UNDERLAY, "tx", "off");
    await tunnel.connected();
    await expectAllDelivered(ours, stock);
    const { udpGso } = (await ours.status()).info.offloads;
    expect(ours.events).toEqual(udpGso ? [] : [lost("IPv4")]);
  });
});

describe("a daemon whose kernel lacks offloads", () => {
  it("says so once in its log, and `mesh status` shows it", async () => {
    await using network = await SmallNetwork.open("alice", "bob");
    // One family, or it would be chance whose socket loses it.
    await network.host("alice").must("ip", "-6", "address", "flush", "dev", "eth0");
    const env = { NODE_OPTIONS: `--import=${refusing("tun-uso", "udp-gso-send")}` };
    const alice = await network.join("alice", { env });
    const bob = await network.join("bob");
    const { ip4 } = await alice.reaches("bob");
    const before = await alice.status();
    expect(before.dataPlane?.offloads).toMatchObject({ tcp4: true, udp: false, udpGso: true });
    expect(before.warnings).toEqual([]);

    await expectExactDelivery(alice.host, bob.host, ip4, { up: 6_000_007, down: 6_000_003 });
    const after = await eventually("the status shows the loss", async () => {
      const status = await alice.status();
      return status.warnings.length > 0 && status;
    });
    expect(after.warnings).toEqual([expect.stringMatching(/^UDP over IPv4 goes without udpGso.*EIO/)]);
    expect(after.dataPlane?.offloads).toMatchObject({ udp: false, udpGso: false });
    const { stdout } = await runMesh(alice.host, alice.home, "status");
    expect(stdout).toMatch(/offloads .*\(missing: udp udpGso\)/);
    expect(stdout).toMatch(/warning:.* UDP over IPv4 goes without udpGso/);
    for (const words of [MISSING, LOST]) expect(alice.process.stderr.split(words)).toHaveLength(2);
    expect(await alice.stop()).toBe(0);
    expect(await bob.stop()).toBe(0);
  });
});
