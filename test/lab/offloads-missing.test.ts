import { describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import {
  expectAllDelivered,
  expectGoesWithout,
  expectSegmentationLost,
  lostSegmentation,
  OFFLOAD_LOST,
  OFFLOADS_MISSING,
  refusing,
  TUN_OFFLOADS,
} from "../support/wireguard-lab/offloads.ts";
import { expectExactDelivery } from "../support/wireguard-lab/traffic.ts";
import { TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";

// One by one, and over the other families: test/soak/offloads-missing.test.ts.

describe("offloads that the kernel does not have", () => {
  it("none at all: everything arrives, and it is said once", () =>
    expectGoesWithout({
      refused: ["tun-header", "udp-gso", "udp-gro"],
      lacks: [...TUN_OFFLOADS, "udpGso", "udpGro"],
    }));
});

describe("segmentation of UDP that turns out not to work", () => {
  it("over IPv4: nothing gets lost, and it is said once", () => expectSegmentationLost("v4", "stock"));

  it("over IPv6 between two of ours, told by the kernel itself where it can be", () =>
    expectSegmentationLost("v6", "ours"));

  it("a device that computes no checksums: the kernel does it, or we are told", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock } = tunnel;
    await ours.host.must("ethtool", "-K", UNDERLAY, "tx", "off");
    await tunnel.connected();
    await expectAllDelivered(ours, stock);
    const { udpGso } = (await ours.status()).info.offloads;
    expect(ours.events).toEqual(udpGso ? [] : [lostSegmentation("IPv4")]);
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
    for (const words of [OFFLOADS_MISSING, OFFLOAD_LOST]) expect(alice.process.stderr.split(words)).toHaveLength(2);
    expect(await alice.stop()).toBe(0);
    expect(await bob.stop()).toBe(0);
  });
});
