import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RELAY_FRAME_HEADER_BYTES } from "../../../src/api/relay-frame.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import type { RawRelayClient } from "../../support/relay/raw-relay-client.ts";
import { RelayFixture, type TestClient } from "../../support/relay/relay-fixture.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

const KIB = 1024;
/** A quarter of the usual rates: the relay, the pair and the measurement share one thread here. */
const LIMITS = {
  queueBytes: 256 * KIB,
  bufferBytes: 64 * KIB,
  burstBytes: 4_000_000,
  bytesPerSecond: 16_000_000,
  burstFrames: 2_500,
  framesPerSecond: 12_500,
};
const FLOODER = new URL("../../support/relay/flooder.mjs", import.meta.url);

describe("a flood through a relay", () => {
  let relay: RelayFixture;
  const flooders: Worker[] = [];
  beforeEach(async () => {
    relay = await RelayFixture.start(LIMITS);
  });
  afterEach(async () => {
    for (const flooder of flooders.splice(0)) await flooder.terminate();
    await relay[Symbol.asyncDispose]();
  });

  async function pair(): Promise<{ alice: TestClient; bob: TestClient }> {
    const alice = relay.client(relay.policy.add("alice"));
    const bob = relay.client(relay.policy.add("bob"));
    await soon(() => expect(alice.isConnected && bob.isConnected).toBe(true));
    return { alice, bob };
  }

  /** A hostile peer that sends as much as it can to `to`; resolves when the flood is under way. */
  async function flood(to: string, datagramBytes: number): Promise<void> {
    const keys = relay.policy.add("mallory");
    const { machineKey } = keys;
    const workerData = { url: relay.url, machineKey, machineSeed: keys.exportMachineSeed(), to, datagramBytes };
    const flooder = new Worker(FLOODER, { workerData });
    flooders.push(flooder);
    let sent = 0;
    flooder.on("message", (count: number) => {
      sent = count;
    });
    await soon(() => expect(sent).toBeGreaterThan(20_000));
  }

  /** Round trips from alice to bob and back, one after the other; ms. Fails when a datagram is lost. */
  async function roundTrips({ alice, bob }: { alice: TestClient; bob: TestClient }, count: number): Promise<number[]> {
    const datagram = Buffer.alloc(1200);
    const waiting = new Map<number, (atMs: number) => void>();
    bob.onDatagram = (from, received) => {
      if (from === alice.key) bob.send(alice, received);
    };
    alice.onDatagram = (_, received) => waiting.get(Buffer.from(received).readUInt32BE())?.(performance.now());
    const times: number[] = [];
    for (let number = 0; number < count; number++) {
      datagram.writeUInt32BE(number);
      const startMs = performance.now();
      const endMs = await new Promise<number>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`datagram ${number} was lost`)), 5_000);
        waiting.set(number, (atMs) => {
          clearTimeout(timer);
          resolve(atMs);
        });
        alice.send(bob, datagram);
      });
      waiting.delete(number);
      times.push(endMs - startMs);
    }
    return times.sort((a, b) => a - b);
  }

  it.each([
    { what: "tiny frames to a peer that is not there", datagramBytes: 1, target: "absent" },
    { what: "large frames to a third peer", datagramBytes: 1420, target: "carol" },
    { what: "tiny frames to the same peer", datagramBytes: 1, target: "bob" },
  ])(
    "does not harm a pair beside it: $what",
    async ({ datagramBytes, target }) => {
      const { alice, bob } = await pair();
      const carol = relay.client(relay.policy.add("carol"));
      carol.onDatagram = () => {};
      await soon(() => expect(carol.isConnected).toBe(true));
      const before = await roundTrips({ alice, bob }, 500);
      const keys: Record<string, string> = { absent: makeKeys().wireguardKey, carol: carol.key, bob: bob.key };
      await flood(keys[target] as string, datagramBytes);
      const during = await roundTrips({ alice, bob }, 2000);
      expect(relay.relay.stats.throttled).toBeGreaterThan(0);
      expect(alice.transport.stats.droppedDatagrams + bob.transport.stats.droppedDatagrams).toBe(0);
      const figures = `median ${median(before)} ms before, ${median(during)} ms during, p95 ${during[1900]} ms`;
      expect(median(during), figures).toBeLessThan(20);
    },
    60_000,
  );

  it("pushes out its own frames at a slow reader, not those of others", async () => {
    const { alice } = await pair();
    const slow = await slowReader();
    await flood(slow.keys.wireguardKey, 1400);
    await soon(() => expect(relay.relay.stats.droppedOverflow).toBeGreaterThan(1000));
    for (let number = 0; number < 10; number++) alice.transport.send(slow.keys.wireguardKey, Buffer.from([number]));
    await soon(() => expect(alice.transport.stats.sentDatagrams).toBe(10));
    const { droppedOverflow } = relay.relay.stats;
    await soon(() => expect(relay.relay.stats.droppedOverflow).toBeGreaterThan(droppedOverflow + 1000));
    slow.raw.webSocket.resume();
    const fromAlice = () => slow.raw.frames.filter((frame) => frame.toString("base64", 1, 33) === alice.key);
    await soon(() => expect(fromAlice()).toHaveLength(10));
    expect(fromAlice().map((frame) => frame[RELAY_FRAME_HEADER_BYTES])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("costs a bounded amount of memory at a slow reader, and a pair beside it nothing", async () => {
    const { alice, bob } = await pair();
    const slow = await slowReader();
    const beforeBytes = process.memoryUsage().arrayBuffers;
    await flood(slow.keys.wireguardKey, 1400);
    await soon(() => expect(relay.relay.stats.droppedOverflow).toBeGreaterThan(50_000));
    const { waitingBytes } = relay.relay.stats;
    expect(waitingBytes).toBeGreaterThan(LIMITS.queueBytes / 2);
    expect(waitingBytes).toBeLessThan(LIMITS.queueBytes + 2 * LIMITS.bufferBytes);
    // 70 MB went by; buffers of the pool and of reads in flight are left to the collector's mood.
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(50_000_000);
    await roundTrips({ alice, bob }, 20);
  });

  it("of pings fills no memory with pongs", async () => {
    const { raw } = await slowReader();
    for (let i = 0; i < 50_000; i++) raw.webSocket.ping(Buffer.alloc(125));
    await soon(() => expect(raw.webSocket.bufferedAmount).toBe(0));
    await soon(() => expect(relay.relay.stats.waitingBytes).toBeLessThan(2 * LIMITS.bufferBytes));
    raw.webSocket.resume();
    await raw.until("a pong", () => raw.pongs > 0);
  });

  /** A peer that reads nothing until it is told to. */
  async function slowReader(): Promise<{ raw: RawRelayClient; keys: { readonly wireguardKey: string } }> {
    const keys = makeKeys();
    relay.policy.addKeys("slow", keys);
    const raw = relay.raw();
    await raw.authenticate(keys);
    await raw.welcomed();
    raw.webSocket.pause();
    return { raw, keys };
  }
});

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] as number;
}

describe("a client whose relay reads slowly", () => {
  it("drops the oldest datagrams, counts them, and keeps its memory bounded", async () => {
    // One frame a second: the relay hardly reads.
    await using relay = await RelayFixture.start({ framesPerSecond: 1, burstFrames: 5, turnFrames: 5 });
    const bob = relay.client(relay.policy.add("bob"));
    const alice = relay.client(relay.policy.add("alice"), { limits: { queueBytes: 64 * KIB, bufferBytes: 32 * KIB } });
    await soon(() => expect(alice.isConnected && bob.isConnected).toBe(true));
    const datagram = Buffer.alloc(1400);
    let sent = 0;
    await soon(() => {
      for (let i = 0; i < 1000; i++, sent++) alice.send(bob, datagram);
      expect(alice.transport.stats.droppedDatagrams).toBeGreaterThan(1000);
    });
    const { sentDatagrams, droppedDatagrams } = alice.transport.stats;
    const waiting = sent - sentDatagrams - droppedDatagrams;
    expect(waiting).toBeGreaterThan(0);
    expect(waiting * datagram.length).toBeLessThanOrEqual(64 * KIB);
  });
});
