import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../src/transports/pipe/pipe-transport.ts";
import { RelayFixture, type TestClient } from "../../support/relay/relay-fixture.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

describe("a relay and its clients", () => {
  let relay: RelayFixture;
  beforeEach(async () => {
    relay = await RelayFixture.start();
  });
  afterEach(() => relay[Symbol.asyncDispose]());

  async function connected(...names: string[]): Promise<TestClient[]> {
    const clients = names.map((name) => relay.client(relay.policy.add(name)));
    await soon(() => expect(clients.every((client) => client.isConnected)).toBe(true));
    return clients;
  }

  it("carries datagrams both ways, each with the key of its sender", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    expect(alice.transport.isOpenTo(bob.key)).toBe(true);
    expect(alice.transport.addressOf(bob.key)).toBe(relay.url);
    expect(alice.send(bob, "to bob")).toBe(true);
    await soon(() => expect(bob.received).toEqual([{ from: alice.key, datagram: Buffer.from("to bob") }]));
    bob.send(alice, "to alice");
    await soon(() => expect(alice.received).toEqual([{ from: bob.key, datagram: Buffer.from("to alice") }]));
    expect(alice.transport.stats).toMatchObject({
      sentDatagrams: 1,
      sentBytes: 6,
      receivedDatagrams: 1,
      receivedBytes: 8,
    });
    expect(relay.relay.stats).toMatchObject({ clients: 2, forwardedFrames: 2, waitingBytes: 0 });
  });

  it("carries the largest datagram whole, and drops a larger one and an empty one without a word", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    const largest = Buffer.alloc(MAX_PIPE_DATAGRAM_BYTES, 7);
    expect(alice.send(bob, Buffer.alloc(MAX_PIPE_DATAGRAM_BYTES + 1))).toBe(false);
    expect(alice.send(bob, new Uint8Array(0))).toBe(false);
    expect(alice.transport.send("no key", largest)).toBe(false);
    expect(alice.send(bob, largest)).toBe(true);
    await soon(() => expect(bob.received.map(({ datagram }) => datagram)).toEqual([largest]));
    expect(alice.transport.stats.droppedDatagrams).toBe(3);
  });

  it("keeps the bytes of a datagram whose buffer is used again at once", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    const buffer = Buffer.alloc(4);
    for (let i = 0; i < 100; i++) {
      buffer.writeUInt32BE(i);
      alice.send(bob, buffer);
    }
    await soon(() => expect(bob.received).toHaveLength(100));
    expect(bob.received.map(({ datagram }) => datagram.readUInt32BE())).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it("tells that a peer is not there, and when it comes", async () => {
    const [alice] = (await connected("alice")) as [TestClient];
    const bobsKeys = relay.policy.add("bob");
    expect(alice.transport.isOpenTo(bobsKeys.wireguardKey)).toBe(true);
    alice.send(bobsKeys, "too early");
    await soon(() => expect(alice.changes).toEqual([{ peer: bobsKeys.wireguardKey, isOpen: false }]));
    expect(alice.send(bobsKeys, "no use")).toBe(false);
    expect(alice.transport.addressOf(bobsKeys.wireguardKey)).toBeNull();

    const bob = relay.client(bobsKeys);
    await soon(() => expect(alice.changes.at(-1)).toEqual({ peer: bob.key, isOpen: true }));
    alice.send(bob, "now");
    await soon(() => expect(bob.texts).toEqual(["now"]));
    expect(relay.relay.stats).toMatchObject({ droppedAbsent: 1, forwardedFrames: 1 });
  });

  it("tells a peer that leaves as gone with the next datagram to it", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    await bob.transport.close();
    await soon(() => expect(relay.relay.stats.clients).toBe(1));
    alice.send(bob, "anybody there");
    await soon(() => expect(alice.transport.isOpenTo(bob.key)).toBe(false));
  });

  it("connects again by itself, and says so for the peers that a way was wanted to", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    alice.transport.want(bob.key);
    await relay.stop();
    await soon(() => expect(alice.changes).toEqual([{ peer: bob.key, isOpen: false }]));
    expect(alice.send(bob, "into the void")).toBe(false);
    expect(alice.transport.stats.droppedDatagrams).toBe(1);
    await soon(() => expect(alice.transport.state.error?.code).toBe("relay-unreachable"));
    await relay.startAgain();
    await soon(() => expect(alice.changes.at(-1)).toEqual({ peer: bob.key, isOpen: true }));
    await soon(() => expect(bob.isConnected).toBe(true));
    await soon(() => {
      alice.send(bob, "again");
      expect(bob.texts).toContain("again");
    });
    expect(alice.transport.state).toMatchObject({ connected: true, error: null, url: relay.url });
  });

  it("stops with code 1001 and a reason, and leaves nothing behind", async () => {
    const [alice] = (await connected("alice")) as [TestClient];
    const raw = relay.raw();
    await raw.hello();
    await relay.stop();
    await raw.untilClosed();
    expect(raw.closeCode).toBe(1001);
    expect(raw.rejection).toBe("shutting-down");
    await soon(() => expect(alice.transport.state.error?.code).toMatch(/shutting-down|relay-unreachable/));
  });

  it("measures the round trip to the relay", async () => {
    const [alice] = (await connected("alice")) as [TestClient];
    await soon(() => expect(alice.transport.state.rttMs).toBeGreaterThan(0));
    expect(alice.transport.state.rttMs).toBeLessThan(1000);
  });

  it("does nothing any more once it is closed, however often", async () => {
    const [alice, bob] = (await connected("alice", "bob")) as [TestClient, TestClient];
    await alice.transport.close();
    await alice.transport.close();
    alice.transport.checkNow();
    expect(alice.transport.isOpenTo(bob.key)).toBe(false);
    expect(alice.send(bob, "no")).toBe(false);
    await soon(() => expect(relay.relay.stats.clients).toBe(1));
  });

  it("refuses another relay than the one that was announced", async () => {
    const alice = relay.client(relay.policy.add("alice"), { relayId: "another" });
    await soon(() => expect(alice.transport.state.error?.message).toContain("another relay"));
    expect(alice.isConnected).toBe(false);
  });
});
