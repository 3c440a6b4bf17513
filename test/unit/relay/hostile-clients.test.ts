import { sign } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { controlTranscript } from "../../../src/api/registration.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../src/transports/pipe/pipe-transport.ts";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import type { RawRelayClient } from "../../support/relay/raw-relay-client.ts";
import { RelayFixture, type TestClient } from "../../support/relay/relay-fixture.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

const WELL_FORMED_KEY = Buffer.alloc(32, 3).toString("base64");

describe("a relay among hostile clients", () => {
  let relay: RelayFixture;
  beforeEach(async () => {
    relay = await RelayFixture.start();
  });
  afterEach(() => relay[Symbol.asyncDispose]());

  async function pair(): Promise<[TestClient, TestClient]> {
    const clients: [TestClient, TestClient] = [
      relay.client(relay.policy.add("alice")),
      relay.client(relay.policy.add("bob")),
    ];
    await soon(() => expect(clients.every((client) => client.isConnected)).toBe(true));
    return clients;
  }

  /** A peer of the network that speaks the protocol by hand. */
  async function mallory(): Promise<{ raw: RawRelayClient; keys: TestKeys }> {
    const keys = makeKeys();
    relay.policy.addKeys("mallory", keys);
    const raw = relay.raw();
    await raw.authenticate(keys);
    await raw.welcomed();
    return { raw, keys };
  }

  async function expectToWork([alice, bob]: [TestClient, TestClient]): Promise<void> {
    alice.send(bob, "still here");
    await soon(() => expect(bob.texts).toContain("still here"));
  }

  it.each([
    ["a machine that is no peer", "not-registered", async (raw: RawRelayClient) => raw.authenticate(makeKeys())],
    [
      "another's machine key",
      "proof-invalid",
      async (raw: RawRelayClient, known: TestKeys) =>
        raw.authenticate({ machineKey: known.machineKey, machine: makeKeys().machine }),
    ],
    [
      "the proof of a control channel",
      "proof-invalid",
      async (raw: RawRelayClient, known: TestKeys) => {
        const { networkId, nonce } = await raw.hello();
        const transcript = controlTranscript(networkId, nonce, known.machineKey);
        return raw.authenticate(known, { proof: sign(null, transcript, known.machine).toString("base64") });
      },
    ],
    [
      "a proof to another relay",
      "proof-invalid",
      async (raw: RawRelayClient, known: TestKeys) => {
        const hello = await raw.hello();
        Object.assign(hello, { relayId: "another" });
        return raw.authenticate(known);
      },
    ],
    [
      "a version of long ago",
      "protocol-mismatch",
      async (raw: RawRelayClient, known: TestKeys) => raw.authenticate(known, { protocol: { min: 99, max: 99 } }),
    ],
    [
      "frames without a proof",
      "bad-request",
      async (raw: RawRelayClient) => raw.sendFrame(WELL_FORMED_KEY, Buffer.alloc(9)),
    ],
    ["no JSON", "bad-request", async (raw: RawRelayClient) => raw.webSocket.send("{")],
    ["a proof of a wrong shape", "bad-request", async (raw: RawRelayClient) => raw.send({ type: "authenticate" })],
  ])("turns %s away: %s", async (_, code, misbehave) => {
    const known = makeKeys();
    relay.policy.addKeys("known", known);
    const raw = relay.raw();
    await raw.hello();
    await misbehave(raw, known);
    await raw.untilClosed();
    expect(raw.rejection).toBe(code);
    expect(raw.closeCode).toBe(1008);
    expect(raw.messages.some(({ type }) => type === "welcome")).toBe(false);
    expect(relay.relay.stats).toMatchObject({ clients: 0, refusedConnections: 1 });
  });

  it("does not take a proof a second time", async () => {
    const keys = makeKeys();
    relay.policy.addKeys("alice", keys);
    const first = relay.raw();
    const overheard = await first.authenticate(keys);
    await first.welcomed();
    const second = relay.raw();
    await second.hello();
    second.send(overheard);
    await second.untilClosed();
    expect(second.rejection).toBe("proof-invalid");
    expect(relay.relay.stats.clients).toBe(1);
    first.send(overheard);
    await first.untilClosed();
    expect(first.rejection).toBe("bad-request");
  });

  it("names the sender by its proven key, whatever a frame contains", async () => {
    const [alice, bob] = await pair();
    const { raw, keys } = await mallory();
    // As if the relay's own frames could be sent: the key names the destination, nothing names the source.
    raw.sendFrame(bob.key, Buffer.concat([Buffer.from([1]), Buffer.from(alice.key, "base64"), Buffer.from("forged")]));
    raw.sendFrame(bob.key, Buffer.from("plain"));
    await soon(() => expect(bob.received).toHaveLength(2));
    expect(bob.received.map(({ from }) => from)).toEqual([keys.wireguardKey, keys.wireguardKey]);
    expect(bob.received.at(-1)?.datagram.toString()).toBe("plain");
  });

  it("cuts who sends an oversize frame, and nobody else", async () => {
    const others = await pair();
    const { raw } = await mallory();
    raw.sendFrame(others[1].key, Buffer.alloc(MAX_PIPE_DATAGRAM_BYTES + 1));
    await raw.untilClosed();
    expect(raw.closeCode).toBe(1009);
    expect(relay.relay.stats.malformedFrames).toBe(1);
    await expectToWork(others);
    expect(others[1].received).toHaveLength(1);
  });

  it("ignores and counts frames that are none", async () => {
    const others = await pair();
    const { raw } = await mallory();
    raw.webSocket.send(Buffer.alloc(0));
    raw.webSocket.send(Buffer.alloc(32, 1));
    raw.sendFrame(others[1].key, Buffer.alloc(0));
    // Notices are the relay's to send.
    raw.sendFrame(others[1].key, Buffer.alloc(0), 2);
    raw.sendFrame(others[1].key, Buffer.alloc(40), 77);
    await soon(() => expect(relay.relay.stats.malformedFrames).toBe(5));
    await expectToWork(others);
    expect(raw.closeCode).toBeUndefined();
  });

  it("forwards nothing between peers that may not see each other, and does not tell that they are there", async () => {
    const [alice, bob] = await pair();
    relay.policy.separate(alice.keys, bob.keys);
    alice.send(bob, "secret");
    await soon(() => expect(alice.transport.isOpenTo(bob.key)).toBe(false));
    expect(relay.relay.stats).toMatchObject({ droppedForbidden: 1, forwardedFrames: 0 });
    relay.policy.join(alice.keys, bob.keys);
    await soon(() => expect(alice.transport.isOpenTo(bob.key)).toBe(true));
    await expectToWork([alice, bob]);
    expect(bob.texts).toEqual(["still here"]);
  });

  it("lets a peer that may not see another learn nothing of its coming", async () => {
    const alice = relay.client(relay.policy.add("alice"));
    const bobsKeys = relay.policy.add("bob");
    relay.policy.separate(alice.keys, bobsKeys);
    await soon(() => expect(alice.isConnected).toBe(true));
    alice.send(bobsKeys, "who is there");
    await soon(() => expect(alice.changes).toHaveLength(1));
    const bob = relay.client(bobsKeys);
    await soon(() => expect(bob.isConnected).toBe(true));
    const carol = relay.client(relay.policy.add("carol"));
    await soon(() => expect(carol.isConnected).toBe(true));
    carol.send(alice, "after bob's coming");
    await soon(() => expect(alice.received).toHaveLength(1));
    expect(alice.transport.isOpenTo(bob.key)).toBe(false);
  });

  it("cuts a peer that was removed or disabled at once, and does not let it back", async () => {
    const [alice, bob] = await pair();
    const { raw, keys } = await mallory();
    raw.sendFrame(bob.key, Buffer.from("before"));
    await soon(() => expect(bob.texts).toEqual(["before"]));
    relay.policy.removeKeys(keys);
    expect(relay.relay.stats.clients).toBe(2);
    raw.sendFrame(bob.key, Buffer.from("after"));
    await raw.untilClosed();
    expect(raw.rejection).toBe("not-registered");
    await expectToWork([alice, bob]);
    expect(bob.texts).toEqual(["before", "still here"]);
    const again = relay.raw();
    await again.authenticate(keys);
    await again.untilClosed();
    expect(again.rejection).toBe("not-registered");
  });

  it("keeps one connection for each peer: a new one takes over", async () => {
    const [alice] = await pair();
    const { raw, keys } = await mallory();
    const second = relay.raw();
    await second.authenticate(keys);
    await second.welcomed();
    await raw.untilClosed();
    expect(raw.rejection).toBe("relay-replaced");
    expect(relay.relay.stats.clients).toBe(3);
    alice.transport.send(keys.wireguardKey, Buffer.from("to the new one"));
    await second.until("the datagram", () => second.frames.length === 1);
    expect(raw.frames).toHaveLength(0);
    // The end of the old connection ends nothing of the new one.
    second.sendFrame(alice.key, Buffer.from("from the new one"));
    await soon(() => expect(alice.texts).toEqual(["from the new one"]));
  });

  it("tells two daemons with the same keys of each other", async () => {
    const keys = relay.policy.add("alice");
    const first = relay.client(keys, { limits: { goodConnectionMs: 60_000, firstRetryMs: 20, lastRetryMs: 60_000 } });
    const second = relay.client(keys, { limits: { goodConnectionMs: 60_000, firstRetryMs: 20, lastRetryMs: 60_000 } });
    await soon(() => {
      const codes = [first, second].map(({ transport }) => transport.state.error?.code);
      expect(codes).toContain("relay-replaced");
    });
  });
});

describe("a relay's limits on strangers", () => {
  it("has only so many wait for their authentication, and makes room when they go", async () => {
    await using relay = await RelayFixture.start({ unauthenticatedConnectionsPerAddress: 2 });
    const waiting = [relay.raw(), relay.raw()];
    for (const raw of waiting) await raw.hello();
    const oneTooMany = relay.raw();
    const status = new Promise((resolve) =>
      oneTooMany.webSocket.once("unexpected-response", (_request, { statusCode }) => resolve(statusCode)),
    );
    expect(await status).toBe(429);
    waiting[0]?.webSocket.terminate();
    const keys = PeerKeys.generate();
    relay.policy.addKeys("alice", keys);
    const alice = relay.client(keys);
    await soon(() => expect(alice.isConnected).toBe(true));
    // Who has authenticated does not count any more.
    await relay.raw().hello();
  });

  it("cuts who does not authenticate in time", async () => {
    await using relay = await RelayFixture.start({ authenticateTimeoutMs: 50 });
    const raw = relay.raw();
    await raw.untilClosed();
    expect(raw.rejection).toBe("timeout");
  });

  it("cuts a client that has gone silent, and keeps one that answers", async () => {
    await using relay = await RelayFixture.start({ pingIntervalMs: 30, silenceMs: 150 });
    const keys = makeKeys();
    relay.policy.addKeys("silent", keys);
    const silent = relay.raw({ autoPong: false });
    await silent.authenticate(keys);
    await silent.welcomed();
    const alice = relay.client(relay.policy.add("alice"));
    await soon(() => expect(alice.isConnected).toBe(true));
    await silent.untilClosed();
    expect(silent.closeCode).toBe(1006);
    expect(relay.relay.stats.clients).toBe(1);
    expect(alice.isConnected).toBe(true);
  });

  it("cuts by itself who was turned away but stays", async () => {
    await using relay = await RelayFixture.start({ drainMs: 100 });
    const raw = relay.raw();
    await raw.hello();
    raw.webSocket.pause();
    raw.send({ type: "authenticate" });
    await soon(() => expect(relay.relay.stats.refusedConnections).toBe(1));
    raw.webSocket.resume();
    await raw.untilClosed();
  });
});
