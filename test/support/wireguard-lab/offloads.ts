import { existsSync } from "node:fs";
import { expect } from "vitest";
import type { TunnelInfo } from "../../../src/router/tunnel/tunnel-types.ts";
import type { StaticPeer } from "./static-peer.ts";
import { expectExactDelivery, leastUdpLoss, ping } from "./traffic.ts";
import { type Family, INNER, TunnelLab } from "./tunnel-lab.ts";
import type { WireGuardEnd } from "./wireguard-end.ts";

type Offload = keyof TunnelInfo["offloads"];

const MTU = 1420;
const VIRTIO_HEADER_BYTES = 10;
export const OFFLOADS_MISSING = "this kernel lacks offloads: throughput is lower";
export const OFFLOAD_LOST = "an offload turned out not to work: throughput is lower";
export const TUN_OFFLOADS: readonly Offload[] = ["checksum", "tcp4", "tcp6", "udp"];

/** A module to be loaded before ours, with which the system calls for these offloads fail. */
export function refusing(...calls: string[]): string {
  return new URL(`../lab/refuse-offloads.mjs?refuse=${calls.join(",")}`, import.meta.url).href;
}

/** TCP in both families and both ways at once, byte for byte; datagrams both ways; packets in fragments. */
export async function expectAllDelivered(first: WireGuardEnd, second: WireGuardEnd): Promise<void> {
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

/** What the kernel refuses, and what is missing then. */
export interface MissingOffloads {
  readonly refused: readonly string[];
  readonly lacks: readonly Offload[];
}

/** A tunnel to a stock peer on such a kernel: everything arrives, and it is said once. */
export async function expectGoesWithout({ refused, lacks }: MissingOffloads): Promise<void> {
  await using tunnel = await TunnelLab.withStock({ mtu: MTU, ours: { preload: refusing(...refused) } });
  const { first: ours, second: stock } = tunnel;
  await tunnel.connected();
  await expectAllDelivered(ours, stock);

  const { info, counters } = await ours.status();
  const missing = Object.entries(info.offloads).flatMap(([name, isThere]) => (isThere ? [] : [name]));
  expect(missing).toEqual(expect.arrayContaining([...lacks]));
  expect(ours.events).toEqual([{ event: "warning", message: OFFLOADS_MISSING, missing }]);
  // The offload is not only said to be off.
  if (!info.offloads.tcp4)
    expect(counters.tunBytesRead! / counters.tunFramesRead!).toBeLessThanOrEqual(MTU + VIRTIO_HEADER_BYTES);
  if (!info.offloads.udpGro) expect(counters.receiveCalls).toBeGreaterThanOrEqual(counters.datagramsReceived!);
  if (!info.offloads.udpGso) await expectDatagramsOneByOne(ours, 0);
}

/** What a tunnel says that has lost the segmentation of UDP. */
export function lostSegmentation(family: string) {
  return {
    event: "warning",
    message: OFFLOAD_LOST,
    offload: "udpGso",
    family,
    reason: expect.stringContaining("EIO"),
  };
}

const FAMILY_NAMES: Readonly<Record<Family, string>> = { v4: "IPv4", v6: "IPv6" };

/** Segmentation of UDP turns out not to work with the first row: nothing gets lost, and it is said once, at each of our ends. */
export async function expectSegmentationLost(outer: Family, other: "stock" | "ours"): Promise<void> {
  // Over UDP-Lite every kernel that has it answers so by itself; two of ours do not mind to speak that.
  const cause = other === "ours" && existsSync("/proc/net/udplite") ? "udp-lite" : "udp-gso-send";
  const options = { outer, ours: { preload: refusing(cause) } };
  if (other === "stock") {
    await using tunnel = await TunnelLab.withStock(options);
    await expectLossOnFirstRow(tunnel, [tunnel.first], FAMILY_NAMES[outer]);
  } else {
    await using tunnel = await TunnelLab.ofOurs(options);
    await expectLossOnFirstRow(tunnel, [tunnel.first, tunnel.second], FAMILY_NAMES[outer]);
  }
}

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
    expect(ours.events).toEqual([lostSegmentation(family)]);
    expect((await ours.status()).info.offloads.udpGso).toBe(false);
    await expectDatagramsOneByOne(ours, 1);
  }
}
