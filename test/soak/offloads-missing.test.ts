import { describe, it } from "vitest";
import { expectGoesWithout, expectSegmentationLost, TUN_OFFLOADS } from "../support/wireguard-lab/offloads.ts";

describe("an offload that the kernel does not have", () => {
  it.each([
    { what: "TUN without virtio headers", refused: ["tun-header"], lacks: TUN_OFFLOADS },
    { what: "TUN with headers and no offload", refused: ["tun-checksum"], lacks: TUN_OFFLOADS },
    { what: "TUN without TCP segmentation", refused: ["tun-tso"], lacks: ["tcp4", "tcp6", "udp"] },
    { what: "TUN without UDP segmentation", refused: ["tun-uso"], lacks: ["udp"] },
    { what: "UDP without segmentation", refused: ["udp-gso"], lacks: ["udpGso"] },
    { what: "UDP without receive offload", refused: ["udp-gro"], lacks: ["udpGro"] },
  ] as const)("$what: everything arrives, and it is said once", expectGoesWithout);
});

describe("segmentation of UDP that turns out not to work", () => {
  it("over IPv6: nothing gets lost, and it is said once", () => expectSegmentationLost("v6", "stock"));
  it("over IPv4 between two of ours", () => expectSegmentationLost("v4", "ours"));
});
