import { describe, expect, it } from "vitest";
import { WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { MAX_STAGED_PACKETS, MESSAGE_LIMITS } from "../../../src/wireguard/limits.ts";
import { PeerCell } from "../../../src/wireguard/shared-state.ts";
import type { Datagram, WireGuardNetwork } from "../../support/wireguard-network.ts";
import {
  ALICE_AT,
  BOB_AT,
  keyFromSeed,
  makeConnectedPair,
  makePair,
  text,
  textOf,
} from "../../support/wireguard-pair.ts";

const isInitiation = ({ bytes }: Datagram): boolean => bytes.length === 148;
const isResponse = ({ bytes }: Datagram): boolean => bytes.length === 92;
const from = (address: string) => (datagram: Datagram) => datagram.source.address === address;

function initiations(network: WireGuardNetwork): Datagram[] {
  return network.sent.filter(isInitiation);
}

describe("the handshake timers (whitepaper §6.2, §6.4)", () => {
  it("an initiation is repeated every 5 s with a jitter up to 333 ms, for 90 s, and then what is staged is dropped", () => {
    const { network, alice, bobId } = makePair();
    const sentAtMs: number[] = [];
    network.intercept = (datagram) => {
      if (isInitiation(datagram)) sentAtMs.push(network.nowMs);
      return false;
    };
    for (let i = 0; i < MAX_STAGED_PACKETS + 5; i++) alice.send(bobId, text(`packet ${i}`));
    expect(alice.stagedCount(bobId)).toBe(MAX_STAGED_PACKETS);
    network.run(89_000);
    expect(alice.stagedCount(bobId)).toBe(MAX_STAGED_PACKETS);
    network.run(300_000);
    expect(alice.stagedCount(bobId)).toBe(0);
    const gaps = sentAtMs.slice(1).map((ms, i) => ms - (sentAtMs[i] as number));
    expect(gaps.every((gap) => gap >= 5000 && gap <= 5333)).toBe(true);
    expect(new Set(gaps).size).toBeGreaterThan(3);
    expect(sentAtMs.length).toBeGreaterThanOrEqual(17);
    expect(sentAtMs.length).toBeLessThanOrEqual(18);
    expect(alice.device.peerStatus(bobId, network.nowMs)).toMatchObject({
      isHandshaking: false,
      lastHandshakeWallMs: 0,
    });
    expect(alice.device.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("after giving up, a new packet starts anew", () => {
    const { network, alice, bob, bobId } = makePair();
    network.intercept = () => false;
    alice.send(bobId, text("lost"));
    network.run(120_000);
    network.intercept = () => true;
    alice.send(bobId, text("found"));
    network.runUntil(() => bob.received.length === 1, 100);
    expect(textOf(bob.received[0]?.payload)).toBe("found");
  });

  it("every initiation is a new one: other ephemeral, other index, later timestamp", () => {
    const { network, alice, bobId } = makePair();
    network.intercept = () => false;
    alice.send(bobId, text("hello"));
    network.run(20_000);
    const all = initiations(network).map(({ bytes }) => bytes);
    expect(all.length).toBeGreaterThanOrEqual(4);
    expect(new Set(all.map((bytes) => Buffer.from(bytes.subarray(4, 40)).toString("hex"))).size).toBe(all.length);
  });

  it("packets staged meanwhile are delivered in order once the session is up", () => {
    const { network, alice, bob, bobId } = makePair();
    for (let i = 0; i < 10; i++) alice.send(bobId, text(`packet ${i}`));
    network.run(100);
    expect(bob.received.map(({ payload }) => textOf(payload))).toEqual(
      Array.from({ length: 10 }, (_, i) => `packet ${i}`),
    );
    expect(alice.stagedCount(bobId)).toBe(0);
  });

  it("the initiator renews a session that it sends on after 120 s, the responder does not", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    network.run(119_000);
    alice.send(bobId, text("young"));
    network.run(500);
    expect(initiations(network)).toHaveLength(1);
    network.run(1000);
    bob.send(aliceId, text("from the responder"));
    network.run(1000);
    expect(initiations(network)).toHaveLength(1);
    alice.send(bobId, text("old"));
    network.run(100);
    expect(initiations(network)).toHaveLength(2);
    expect(bob.received.map(({ payload }) => textOf(payload))).toEqual(["hello", "young", "old"]);
  });

  it("a steady flow loses nothing across many renewals, and handshakes happen once in 120 s", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    const seconds = 1000;
    for (let i = 0; i < seconds; i++) {
      alice.send(bobId, text(`a${i}`));
      bob.send(aliceId, text(`b${i}`));
      network.run(1000);
    }
    expect(bob.received).toHaveLength(seconds + 1);
    expect(alice.received).toHaveLength(seconds + 1);
    expect(initiations(network).length).toBe(1 + Math.floor(seconds / 120));
    expect(alice.unroutable + bob.unroutable + alice.forged + bob.forged).toBe(0);
  });

  it("a one-way flow towards the initiator is renewed before it is refused", () => {
    const { network, alice, bob, aliceId } = makeConnectedPair();
    for (let i = 0; i < 400; i++) {
      bob.send(aliceId, text(`b${i}`));
      network.run(1000);
    }
    expect(alice.received).toHaveLength(401);
    expect(initiations(network).filter(from(ALICE_AT.address)).length).toBeGreaterThanOrEqual(3);
  });

  it("after 180 s a session carries nothing more: a packet waits for a handshake, late data is refused", () => {
    const { network, alice, bob, bobId } = makeConnectedPair();
    network.intercept = () => false;
    alice.send(bobId, text("late"));
    const late = network.sent.at(-1) as Datagram;
    network.run(180_000);
    expect(alice.sessions.usable(bobId, network.nowMs)).toBeUndefined();
    expect(alice.device.peerStatus(bobId, network.nowMs)?.sessionAgeMs).toBeUndefined();
    network.intercept = () => true;
    network.send(late);
    network.run(10);
    expect(bob.received).toHaveLength(1);
    expect(bob.unroutable).toBe(1);
    alice.send(bobId, text("new"));
    network.runUntil(() => bob.received.length === 2, 20_000);
    expect(textOf(bob.received[1]?.payload)).toBe("new");
  });

  it("by count: a session is renewed after Rekey-After-Messages, by either side", () => {
    const messageLimits = { ...MESSAGE_LIMITS, rekeyAfterMessages: 20 };
    const { network, bob, aliceId } = makeConnectedPair({
      bob: { messageLimits, privateKey: keyFromSeed("bob").privateKey },
    });
    network.run(10_000);
    for (let i = 0; i < 20; i++) bob.send(aliceId, text(`b${i}`));
    network.run(100);
    expect(initiations(network).filter(from(BOB_AT.address))).toHaveLength(1);
  });

  it("a peer that is silent for 15 s after data gets a new handshake", () => {
    const { network, alice, bobId } = makeConnectedPair();
    network.run(30_000);
    network.intercept = () => false;
    alice.send(bobId, text("anybody there?"));
    const sentAtMs = network.nowMs;
    network.run(14_900);
    expect(initiations(network)).toHaveLength(1);
    network.runUntil(() => initiations(network).length === 2, 500);
    expect(network.nowMs - sentAtMs).toBeGreaterThanOrEqual(15_000);
    expect(network.nowMs - sentAtMs).toBeLessThanOrEqual(15_333);
  });

  it("a peer that restarted is found again", () => {
    const { network, alice, bobId } = makeConnectedPair();
    const reborn = network.add(BOB_AT, { privateKey: keyFromSeed("bob").privateKey });
    reborn.addPeer({ publicKey: keyFromSeed("alice").publicKey });
    network.run(1000);
    alice.send(bobId, text("lost"));
    network.run(16_000);
    alice.send(bobId, text("hello again"));
    network.runUntil(() => reborn.received.length === 1, 1000);
    expect(textOf(reborn.received[0]?.payload)).toBe("hello again");
    network.run(60_000);
    expect(initiations(network)).toHaveLength(2);
  });
});

describe("keepalives (whitepaper §6.5)", () => {
  it("10 s after data with nothing to send back, once", () => {
    const { network, alice, bob, bobId } = makeConnectedPair();
    network.run(30_000);
    const before = bob.keepalivesSent;
    alice.send(bobId, text("one way"));
    network.run(9_900);
    expect(bob.keepalivesSent).toBe(before);
    network.run(200);
    expect(bob.keepalivesSent).toBe(before + 1);
    network.run(60_000);
    expect(bob.keepalivesSent).toBe(before + 1);
  });

  it("none when something went back, and none in answer to a keepalive", () => {
    const { network, alice, bob, bobId, aliceId } = makeConnectedPair();
    network.run(30_000);
    const before = alice.keepalivesSent + bob.keepalivesSent;
    alice.send(bobId, text("question"));
    network.run(1000);
    bob.send(aliceId, text("answer"));
    network.run(9_500);
    expect(bob.keepalivesSent + alice.keepalivesSent).toBe(before);
    network.run(60_000);
    expect(alice.keepalivesSent + bob.keepalivesSent).toBe(before + 1);
  });

  it("a lone initiator confirms its keys with a keepalive when nothing is staged", () => {
    const { network, alice, bob, bobId, aliceId } = makePair();
    alice.tell({ type: "need-handshake", peer: bobId });
    network.run(100);
    expect(bob.keepalivesReceived).toBe(1);
    expect(bob.device.peerStatus(aliceId, network.nowMs)?.sessionAgeMs).toBeLessThan(100);
  });

  it("persistent: at once, then at the interval after the last message, for hours, with renewals", () => {
    const { network, alice, bob, bobId, aliceId } = makePair({ atAlice: { persistentKeepaliveSeconds: 25 } });
    network.run(100);
    expect(bob.keepalivesReceived).toBe(1);
    alice.send(bobId, text("data"));
    network.run(24_000);
    expect(bob.keepalivesReceived).toBe(1);
    network.run(3_600_000);
    const silentForMs = network.nowMs - bob.cells.get(aliceId, PeerCell.lastReceivedMs);
    expect(silentForMs).toBeLessThanOrEqual(25_000 + 1000);
    expect(bob.keepalivesReceived).toBeGreaterThanOrEqual(140);
    expect(initiations(network).length).toBeLessThanOrEqual(1 + 3600 / 120);
  });

  it("persistent: a dead peer is tried again and again, and back at once when it answers", () => {
    const { network, bob } = makePair({ atAlice: { persistentKeepaliveSeconds: 25 } });
    network.intercept = () => false;
    network.run(600_000);
    expect(initiations(network).length).toBeGreaterThan(60);
    network.intercept = () => true;
    network.runUntil(() => bob.keepalivesReceived === 1, 30_500);
  });
});

describe("keys at their end", () => {
  it("are zeroed after three times Reject-After-Time, at both ends", () => {
    const { network, alice, bob } = makeConnectedPair();
    network.run(WHITEPAPER_TIMINGS.zeroKeysAfterMs - 1000);
    expect(alice.sessions.size).toBe(1);
    network.run(2000);
    for (const node of [alice, bob]) {
      expect(node.sessions.size).toBe(0);
      for (let slot = 0; slot < node.slots.count; slot++) expect(node.slots.isWiped(slot)).toBe(true);
      expect(node.device.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("renewal leaves at most the previous, the current and the next behind", () => {
    const { network, alice, bob, bobId } = makeConnectedPair();
    for (let i = 0; i < 1000; i++) {
      alice.send(bobId, text(`${i}`));
      network.run(1000);
      const inUse = Array.from({ length: bob.slots.count }, (_, slot) => slot).filter(
        (slot) => !bob.slots.isWiped(slot),
      );
      expect(inUse.length).toBeLessThanOrEqual(3);
      expect(inUse.length).toBe(bob.sessions.size);
    }
  });
});

describe("initiations that cross", () => {
  it("end in sessions that both sides use, without a loss", () => {
    const { network, alice, bob, bobId, aliceId } = makePair({ atBob: { candidates: [ALICE_AT] } });
    network.latencyMs = 20;
    alice.send(bobId, text("from alice"));
    bob.send(aliceId, text("from bob"));
    network.run(200);
    expect(initiations(network)).toHaveLength(2);
    for (let i = 0; i < 300; i++) {
      alice.send(bobId, text(`a${i}`));
      bob.send(aliceId, text(`b${i}`));
      network.run(1000);
    }
    expect(bob.received).toHaveLength(301);
    expect(alice.received).toHaveLength(301);
    expect(initiations(network).length).toBeLessThanOrEqual(8);
  });

  it("come through when one of the responses is lost", () => {
    for (const loser of [ALICE_AT, BOB_AT]) {
      const { network, alice, bob, bobId, aliceId } = makePair({ atBob: { candidates: [ALICE_AT] } });
      network.latencyMs = 20;
      network.intercept = (datagram) => !(isResponse(datagram) && from(loser.address)(datagram));
      alice.send(bobId, text("from alice"));
      bob.send(aliceId, text("from bob"));
      network.run(200);
      expect(bob.received).toHaveLength(1);
      expect(alice.received).toHaveLength(1);
    }
  });
});
