import { describe, expect, it } from "vitest";
import { MeshError } from "../../../src/base/errors.ts";
import { HANDSHAKE_LIMITS, SLOTS_PER_PEER } from "../../../src/wireguard/limits.ts";
import type { WireGuardNode } from "../../support/wireguard-node.ts";
import {
  ALICE_AT,
  BOB_AT,
  keyFromSeed,
  makeConnectedPair,
  makePair,
  text,
  textOf,
} from "../../support/wireguard-pair.ts";

const NO_PSK = new Uint8Array(32);

function allSlotsAreWiped(node: WireGuardNode): boolean {
  return Array.from({ length: node.slots.count }, (_, slot) => node.slots.isWiped(slot)).every(Boolean);
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof MeshError) return thrown.code;
    throw thrown;
  }
  return undefined;
}

describe("peers of the engine", () => {
  it("we are not our own peer, and a peer is one only once", () => {
    const { alice } = makePair();
    expect(codeOf(() => alice.addPeer({ publicKey: keyFromSeed("alice").publicKey }))).toBe("peer-is-self");
    expect(codeOf(() => alice.addPeer({ publicKey: keyFromSeed("bob").publicKey }))).toBe("bad-key");
    expect(codeOf(() => alice.addPeer({ publicKey: new Uint8Array(31) }))).toBe("bad-key");
    expect(codeOf(() => alice.addPeer({ publicKey: new Uint8Array(32), presharedKey: new Uint8Array(31) }))).toBe(
      "bad-key",
    );
    expect(codeOf(() => alice.device.setPrivateKey(new Uint8Array(31), 0))).toBe("bad-key");
  });

  it("a peer whose key has a low order is sent nothing", () => {
    const { network, alice } = makePair();
    const peer = alice.addPeer({ publicKey: new Uint8Array(32), candidates: [BOB_AT], persistentKeepaliveSeconds: 1 });
    alice.send(peer, text("hello"));
    network.run(60_000);
    expect(network.sent).toHaveLength(0);
  });

  it("without a private key nothing is sent and nothing answered", () => {
    const { network, alice, bob, bobId } = makePair();
    bob.perform(bob.device.setPrivateKey(undefined, network.nowMs));
    alice.send(bobId, text("hello"));
    network.run(60_000);
    expect(network.sent.every(({ source }) => source.address === ALICE_AT.address)).toBe(true);
    expect(bob.device.drops["no-identity"]).toBeGreaterThan(5);
    expect(bob.device.publicKey).toBeUndefined();
  });

  it("a key swap that makes a peer ourselves silences that peer", () => {
    const { network, alice, bobId } = makeConnectedPair();
    const before = network.sent.length;
    alice.perform(alice.device.setPrivateKey(keyFromSeed("bob").privateKey, network.nowMs));
    alice.send(bobId, text("to myself"));
    network.run(60_000);
    expect(network.sent.filter(({ source }) => source.address === ALICE_AT.address).length).toBe(
      network.sent.slice(0, before).filter(({ source }) => source.address === ALICE_AT.address).length,
    );
  });

  it("removal wipes the keys, and the number is free again once the slots are", () => {
    const { network, alice, bobId } = makeConnectedPair();
    alice.perform(alice.device.removePeer(bobId));
    expect(allSlotsAreWiped(alice)).toBe(true);
    expect(alice.sessions.size).toBe(0);
    expect(alice.device.peerStatus(bobId, network.nowMs)).toBeUndefined();
    expect(alice.device.handle({ type: "need-handshake", peer: bobId }, network.nowMs)).toEqual([]);
    expect(alice.addPeer({ publicKey: keyFromSeed("carol").publicKey })).toBe(bobId);
  });

  it("the number of a peer whose slots are still in use is not given out", () => {
    const { alice, bobId } = makeConnectedPair();
    const actions = alice.device.removePeer(bobId);
    expect(alice.addPeer({ publicKey: keyFromSeed("carol").publicKey })).not.toBe(bobId);
    alice.perform(actions);
    expect(alice.addPeer({ publicKey: keyFromSeed("dave").publicKey })).toBe(bobId);
  });

  it("a peer that is added again does not open the door to its old initiations", () => {
    const { network, bob, aliceId } = makeConnectedPair();
    const old = network.sent.find(({ bytes }) => bytes.length === 148);
    bob.perform(bob.device.removePeer(aliceId));
    bob.addPeer({ publicKey: keyFromSeed("alice").publicKey });
    bob.receive(old?.bytes ?? new Uint8Array(0), ALICE_AT);
    expect(bob.device.drops["replayed-initiation"]).toBe(1);
  });

  it("the caller's copies of keys are neither kept nor wiped, Buffers included", () => {
    const privateKey = Buffer.from(keyFromSeed("alice").privateKey);
    const presharedKey = Buffer.alloc(32, 7);
    const { network, alice, bob, bobId } = makePair({
      alice: { privateKey },
      atAlice: { presharedKey },
      atBob: { presharedKey: new Uint8Array(32).fill(7) },
    });
    expect(Buffer.compare(privateKey, keyFromSeed("alice").privateKey)).toBe(0);
    privateKey.fill(0);
    const ours = Buffer.from(presharedKey);
    presharedKey.fill(0);
    alice.send(bobId, text("hello"));
    network.runUntil(() => bob.received.length === 1, 1000);
    alice.perform(
      alice.device.updatePeer(bobId, { presharedKey: ours, candidates: [], persistentKeepaliveSeconds: 0 }, 0),
    );
    alice.perform(alice.device.removePeer(bobId));
    expect(ours.every((byte) => byte === 7)).toBe(true);
  });
});

describe("a change of keys", () => {
  it("of our private key: old sessions go, and a new handshake is possible at once", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    const carol = keyFromSeed("carol");
    bob.perform(bob.device.removePeer(aliceId));
    const carolId = bob.addPeer({ publicKey: carol.publicKey });
    const startMs = network.nowMs;
    const stale = [...new Uint8Array(alice.slots.sendKey(0)), ...new Uint8Array(alice.slots.receiveKey(0))];
    alice.perform(alice.device.setPrivateKey(carol.privateKey, network.nowMs));
    alice.send(bobId, text("under a new key"));
    network.runUntil(() => bob.received.length === 2, 100);
    expect(bob.received.at(-1)?.peer).toBe(carolId);
    expect(network.nowMs - startMs).toBeLessThan(100);
    expect(textOf(bob.received.at(-1)?.payload)).toBe("under a new key");
    expect([...alice.slots.sendKey(0), ...alice.slots.receiveKey(0)]).not.toEqual(stale);
  });

  it("of both private keys, as often as one likes", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    let [atAlice, atBob] = [bobId, aliceId];
    for (let round = 0; round < 5; round++) {
      const [a, b] = [keyFromSeed(`a${round}`), keyFromSeed(`b${round}`)];
      alice.perform(alice.device.setPrivateKey(a.privateKey, network.nowMs));
      bob.perform(bob.device.setPrivateKey(b.privateKey, network.nowMs));
      alice.perform(alice.device.removePeer(atAlice));
      bob.perform(bob.device.removePeer(atBob));
      expect(allSlotsAreWiped(alice) && allSlotsAreWiped(bob)).toBe(true);
      atAlice = alice.addPeer({ publicKey: b.publicKey, candidates: [BOB_AT] });
      atBob = bob.addPeer({ publicKey: a.publicKey });
      const before = bob.received.length;
      alice.send(atAlice, text(`round ${round}`));
      network.runUntil(() => bob.received.length > before, 100);
    }
  });

  it("of the preshared key: the handshake under way is made again with it", () => {
    const psk = new Uint8Array(32).fill(9);
    const { network, alice, bob, bobId } = makePair({ atBob: { presharedKey: psk } });
    alice.send(bobId, text("hello"));
    network.run(1000);
    expect(bob.received).toHaveLength(0);
    const config = { presharedKey: psk, candidates: [BOB_AT], persistentKeepaliveSeconds: 0 };
    alice.perform(alice.device.updatePeer(bobId, config, network.nowMs));
    network.runUntil(() => bob.received.length === 1, 100);
  });
});

describe("where a peer is", () => {
  it("a first initiation goes to every candidate, once each", () => {
    const other = { address: "2001:db8::2", port: 51820 };
    const { network, alice, bobId } = makePair({ atAlice: { candidates: [BOB_AT, other, BOB_AT] } });
    alice.send(bobId, text("hello"));
    expect(network.sent.map(({ destination }) => destination)).toEqual([BOB_AT, other]);
  });

  it("renewing a live session asks only where the peer is known to be, a repetition everywhere", () => {
    const other = { address: "2001:db8::2", port: 51820 };
    const { network, alice, bobId } = makeConnectedPair({ atAlice: { candidates: [BOB_AT, other] } });
    network.run(125_000);
    network.intercept = () => false;
    network.sent.length = 0;
    alice.send(bobId, text("old"));
    const initiated = () =>
      network.sent.filter(({ bytes }) => bytes.length === 148).map(({ destination }) => destination);
    expect(initiated()).toEqual([BOB_AT]);
    network.run(6000);
    expect(initiated()).toEqual([BOB_AT, BOB_AT, other]);
  });

  it("candidates that come while a handshake waits are tried at once", () => {
    const { network, alice, bob, bobId } = makePair({ atAlice: { candidates: [] } });
    alice.send(bobId, text("hello"));
    network.run(1000);
    expect(network.sent).toHaveLength(0);
    const config = { presharedKey: NO_PSK, candidates: [BOB_AT], persistentKeepaliveSeconds: 0 };
    alice.perform(alice.device.updatePeer(bobId, config, network.nowMs));
    network.runUntil(() => bob.received.length === 1, 100);
  });

  it("authentic data from a new address moves the peer there, replays and forgeries do not", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    const elsewhere = { address: "198.51.100.9", port: 9 };
    alice.send(bobId, text("again"));
    const genuine = network.sent.at(-1)?.bytes ?? new Uint8Array(0);
    network.run(10);
    bob.receive(genuine, elsewhere);
    const forged = new Uint8Array(genuine);
    forged[8] = 99;
    bob.receive(forged, elsewhere);
    expect(bob.endpoint(aliceId)).toEqual(ALICE_AT);
    expect([bob.replayed, bob.forged]).toEqual([1, 1]);

    network.intercept = () => false;
    alice.send(bobId, text("from elsewhere"));
    const moved = network.sent.at(-1)?.bytes ?? new Uint8Array(0);
    bob.receive(moved, elsewhere);
    expect(bob.endpoint(aliceId)).toEqual(elsewhere);
    expect(bob.device.peerStatus(aliceId, network.nowMs)?.endpoint).toEqual(elsewhere);
  });

  it("a cookie reply moves it nowhere: who saw the initiation can make one", () => {
    const bobUnderLoad = { handshakeLimits: { ...HANDSHAKE_LIMITS, unloadedHandshakesPerSecond: 0 } };
    const { network, alice, bob, bobId } = makePair({ bob: bobUnderLoad });
    alice.send(bobId, text("hello"));
    network.runUntil(() => bob.received.length === 1, 10_000);
    network.run(200_000);
    network.intercept = () => false;
    const cookiesBefore = alice.cookiesTaken;
    alice.send(bobId, text("hello"));
    bob.receive(network.sent.at(-1)!.bytes, ALICE_AT);
    alice.receive(network.sent.at(-1)!.bytes, { address: "198.51.100.9", port: 9 });
    expect(alice.cookiesTaken).toBe(cookiesBefore + 1);
    expect(alice.endpoint(bobId)).toEqual(BOB_AT);
    expect(alice.device.peerStatus(bobId, network.nowMs)?.endpoint).toEqual(BOB_AT);
  });

  it("an authentic handshake from a new address moves it too", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    const elsewhere = { address: "198.51.100.9", port: 9 };
    network.run(200_000);
    network.intercept = () => false;
    alice.send(bobId, text("hello"));
    bob.receive(network.sent.at(-1)?.bytes ?? new Uint8Array(0), elsewhere);
    expect(bob.endpoint(aliceId)).toEqual(elsewhere);
  });

  it("an answer goes out from the address that was spoken to, and after silence from any", () => {
    const { network, alice, bob, bobId, aliceId } = makePair();
    const spokenTo = { ...ALICE_AT, localAddress: "192.0.2.102" };
    network.intercept = ({ bytes, destination }) => {
      if (destination.address === BOB_AT.address) bob.receive(bytes, spokenTo);
      else alice.receive(bytes, BOB_AT);
      return false;
    };
    alice.send(bobId, text("hello"));
    network.run(10);
    expect(bob.actions).toContainEqual({ type: "set-endpoint", peer: aliceId, endpoint: spokenTo });
    expect(bob.actions).toContainEqual(expect.objectContaining({ type: "send", destinations: [spokenTo] }));

    network.intercept = () => false;
    bob.actions.length = 0;
    bob.tell({ type: "need-handshake", peer: aliceId });
    network.run(6_000);
    const [first, ...later] = bob.actions;
    expect(first).toMatchObject({ type: "send", destinations: [spokenTo] });
    expect(later).toContainEqual({ type: "set-endpoint", peer: aliceId, endpoint: ALICE_AT });
    expect(later).toContainEqual(expect.objectContaining({ type: "send", destinations: [ALICE_AT] }));
  });
});

describe("bounds", () => {
  it("a peer's initiations are taken at most once in 20 ms", () => {
    const { network, alice, bob, bobId } = makePair();
    network.latencyMs = 0;
    for (let i = 0; i < 10; i++) {
      alice.tell({ type: "need-handshake", peer: bobId });
      alice.perform(alice.device.setPrivateKey(keyFromSeed("alice").privateKey, network.nowMs));
      network.run(5);
    }
    expect(bob.device.drops["flooding-initiation"]).toBeGreaterThanOrEqual(5);
    const installed = bob.actions.filter(({ type }) => type === "install-keypair").length;
    expect(installed).toBeGreaterThanOrEqual(2);
    expect(installed).toBeLessThanOrEqual(3);
  });

  it("a peer holds a bounded number of slots, even when the data thread wipes none", () => {
    const { network, alice, bob, bobId } = makePair();
    const installed: number[] = [];
    network.intercept = ({ bytes, source }) => {
      for (const action of bob.device.handle({ type: "datagram", bytes, source }, network.nowMs)) {
        if (action.type === "install-keypair") installed.push(action.slot);
      }
      return false;
    };
    alice.send(bobId, text("hello"));
    for (let i = 0; i < 20; i++) {
      network.run(100);
      alice.perform(alice.device.setPrivateKey(keyFromSeed("alice").privateKey, network.nowMs));
    }
    expect(installed).toHaveLength(SLOTS_PER_PEER);
    expect(new Set(installed).size).toBe(SLOTS_PER_PEER);
    expect(bob.device.drops["no-slot"]).toBeGreaterThan(0);
  });
});
