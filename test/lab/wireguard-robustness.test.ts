import { randomBytes, randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  COOKIE_REPLY_BYTES,
  DATA_OVERHEAD_BYTES,
  INITIATION_BYTES,
  MessageType,
  RESPONSE_BYTES,
} from "../../src/wireguard/constants.ts";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { Capture, type CapturedDatagram } from "../support/wireguard-lab/capture.ts";
import { type Shower, shower } from "../support/wireguard-lab/datagram-source.ts";
import { messageOfNoise, responseOfNoise } from "../support/wireguard-lab/forged-messages.ts";
import type { StaticPeer } from "../support/wireguard-lab/static-peer.ts";
import { expectExactDelivery, ping } from "../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";
import { endpointText, LISTEN_PORT, peerOf } from "../support/wireguard-lab/wireguard-end.ts";

const mangler = fileURLToPath(new URL("../support/wireguard-lab/mangle-datagrams.mjs", import.meta.url));

/** A rate that no socket buffer on the way overflows at, so that every datagram can be accounted for. */
const PER_SECOND = 4000;
const TOTAL = 2000;

const noise = () => Array.from({ length: 400 }, (_, i) => new Uint8Array(randomBytes(1 + ((i * 7) % 1400))));

/** Right types with wrong sizes, wrong types with right sizes, reserved bytes that are not zero. */
function misshapen(): Uint8Array[] {
  const messages = [];
  for (const type of [MessageType.initiation, MessageType.response, MessageType.cookieReply])
    for (let i = 0; i < 100; i++) messages.push(messageOfNoise(type, 1 + ((i * 13) % 300)));
  for (const sizeBytes of [INITIATION_BYTES, RESPONSE_BYTES, COOKIE_REPLY_BYTES, 1, 3, 4, 8, DATA_OVERHEAD_BYTES - 1])
    for (const type of [0, 5, 0x101, 0x04000000, 0xffffffff]) messages.push(messageOfNoise(type, sizeBytes));
  return messages.filter(({ length }) => ![INITIATION_BYTES, RESPONSE_BYTES, COOKIE_REPLY_BYTES].includes(length));
}

describe("datagrams of strangers", () => {
  it("of every kind are counted, change nothing, and the tunnel works on under them", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, stranger } = tunnel;
    await using capture = await Capture.start(
      ours.host,
      UNDERLAY,
      `udp dst port ${LISTEN_PORT} and dst ${OUTER.v4[0]}`,
    );
    await tunnel.connected(stock);
    expect(await ping(stock.host, INNER.v4[0], { count: 50, intervalSeconds: 0.005 })).toBe(50);
    const recorded = capture.datagrams();
    const data = recorded.filter(isOfType(MessageType.data)).map(({ payload }) => payload);
    const initiations = recorded.filter(isOfType(MessageType.initiation)).map(({ payload }) => payload);
    expect({ data: data.length > 50, initiations: initiations.length }).toEqual({ data: true, initiations: 1 });

    const kinds: readonly [string, readonly Uint8Array[], readonly string[]][] = [
      ["noise", noise(), ["in-unknown-message"]],
      ["misshapen messages", misshapen(), ["in-unknown-message"]],
      ["cut short", recorded.flatMap(cutShort), ["in-unknown-message", "in-forged", "in-replayed"]],
      ["handshakes without MAC1", handshakesOfNoise(), ["in-bad-mac1"]],
      [
        "answers to nothing",
        [responseOfNoise(ours.publicKey)],
        ["handshake-unknown-index", "handshake-cookie-demanded", "in-queue-full-response"],
      ],
      ["cookies for nothing", cookiesOfNoise(), ["handshake-unknown-index", "in-queue-full-cookie"]],
      ["data for nobody", dataOfNoise(), ["in-unknown-receiver"]],
      ["replayed data", data, ["in-replayed"]],
      [
        "replayed initiations",
        initiations,
        ["handshake-replayed-initiation", "handshake-cookie-demanded", "in-queue-full-initiation"],
      ],
      ["forged data", data.map(forge), ["in-forged"]],
      ["data with counters of the far future", data.map(fromTheFuture), ["in-forged", "in-replayed"]],
    ];
    const { endpoint, lastHandshakeSeconds } = await peerOf(ours, stock.publicKey);
    for (const [kind, datagrams, reasons] of kinds) {
      const before = await ours.drops();
      await shower(stranger, datagrams, showerOf({}));
      await eventually(`${kind}: every datagram is counted`, async () => {
        return sum(droppedSince(before, await ours.drops())) >= TOTAL;
      });
      const dropped = droppedSince(before, await ours.drops());
      expect({ kind, total: sum(dropped) }).toEqual({ kind, total: TOTAL });
      expect({ kind, strange: [...dropped.keys()].filter((reason) => !reasons.includes(reason)) }).toEqual({
        kind,
        strange: [],
      });
    }
    const { txBytes } = await peerOf(stock, ours.publicKey);
    expect(await peerOf(ours, stock.publicKey)).toMatchObject({ endpoint, lastHandshakeSeconds, rxBytes: txBytes });

    // All of it at once and as fast as it goes, from the peer's own address, while echo requests pass.
    const everything = kinds.flatMap(([, datagrams]) => datagrams);
    await spoofPeer(stranger);
    const flood = shower(stranger, everything, { ...showerOf({ localPort: 4000 }), total: 60_000, perSecond: 20_000 });
    expect(await ping(ours.host, INNER.v4[1], { count: 100 })).toBe(100);
    await flood;
    expect(await ping(stock.host, INNER.v6[0], { count: 10 })).toBe(10);
    expect(await peerOf(ours, stock.publicKey)).toMatchObject({ endpoint, lastHandshakeSeconds });
    expect(ours.events).toEqual([]);
  });

  it("reordered, doubled, corrupted, cut and late: every packet arrives once and whole", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, stranger, settings } = tunnel;
    const network = await stranger.start(process.execPath, [mangler, String(LISTEN_PORT), OUTER.v4[0], OUTER.v4[1]]);
    await network.waitForOutput(/listening/);
    const endpoint = endpointText(OUTER.v4[2]);
    await stock.setPeers([{ ...settings[1], endpoint }]);
    await ours.setPeers([{ ...settings[0], endpoint }]);
    await tunnel.connected();
    expect(await ping(ours.host, INNER.v4[1], { count: 300, intervalSeconds: 0.01 })).toBe(300);
    await expectExactDelivery(ours.host, stock.host, INNER.v6[1], { up: 5_000_003, down: 5_000_001 });
    const drops = await ours.drops();
    for (const reason of ["in-replayed", "in-forged", "in-unknown-message"] as const)
      expect(drops[reason]).toBeGreaterThan(10);
    // What was authentic was also well formed.
    expect({ malformed: drops["in-malformed"], spoofed: drops["in-spoofed-source"] }).toEqual({
      malformed: 0,
      spoofed: 0,
    });
  });
});

function showerOf(more: Partial<Shower>): Shower {
  return { address: OUTER.v4[0], port: LISTEN_PORT, total: TOTAL, perSecond: PER_SECOND, ...more };
}

type Drops = Awaited<ReturnType<StaticPeer["drops"]>>;

/** What came from the network and to nothing, by reason. */
function droppedSince(before: Drops, after: Drops): Map<string, number> {
  const reasons = Object.keys(after) as (keyof Drops)[];
  const inbound = reasons.filter((reason) => !reason.startsWith("out-") && after[reason] > before[reason]);
  return new Map(inbound.map((reason) => [reason, after[reason] - before[reason]]));
}

function sum(counts: Map<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

function isOfType(type: number): (datagram: CapturedDatagram) => boolean {
  return ({ payload }) => payload[0] === type;
}

function cutShort({ payload }: CapturedDatagram): Uint8Array[] {
  return [payload.slice(0, 1 + randomInt(payload.length - 1)), payload.slice(0, payload.length - 1)];
}

function handshakesOfNoise(): Uint8Array[] {
  return Array.from({ length: 200 }, (_, i) =>
    i % 2 === 0
      ? messageOfNoise(MessageType.initiation, INITIATION_BYTES)
      : messageOfNoise(MessageType.response, RESPONSE_BYTES),
  );
}

function cookiesOfNoise(): Uint8Array[] {
  return Array.from({ length: 200 }, () => messageOfNoise(MessageType.cookieReply, COOKIE_REPLY_BYTES));
}

function dataOfNoise(): Uint8Array[] {
  return Array.from({ length: 200 }, (_, i) => messageOfNoise(MessageType.data, DATA_OVERHEAD_BYTES + i * 5));
}

/** The same session, a counter that was not used yet, and contents that nobody sealed. */
function forge(payload: Uint8Array): Uint8Array {
  const forged = new Uint8Array(payload);
  new DataView(forged.buffer).setBigUint64(8, 1000n + BigInt(randomInt(1000)), true);
  return forged;
}

function fromTheFuture(payload: Uint8Array, i: number): Uint8Array {
  const forged = new Uint8Array(payload);
  new DataView(forged.buffer).setBigUint64(8, 2n ** 64n - 1n - BigInt(i), true);
  return forged;
}

/** Everything that `host` sends from port 4000 seems to come from the second end's WireGuard socket. */
async function spoofPeer(host: LabHost): Promise<void> {
  await host.must(
    "nft",
    `table ip spoof {
       chain out { type nat hook postrouting priority srcnat; udp sport 4000 snat to ${OUTER.v4[1]}:${LISTEN_PORT}; }
     }`,
  );
}
