import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IDENTIFIER, WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { CookieJar } from "../../../src/wireguard/cookie.ts";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";
import { encodeInitiation } from "../../../src/wireguard/messages.ts";
import { SentInitiation } from "../../../src/wireguard/noise.ts";
import { encodeTai64n } from "../../../src/wireguard/tai64n.ts";
import type { Datagram } from "../../support/wireguard-network.ts";
import {
  ALICE_AT,
  BOB_AT,
  keyFromSeed,
  makeConnectedPair,
  makePair,
  type Pair,
  text,
  textOf,
} from "../../support/wireguard-pair.ts";

const SIZES = [0, 1, 31, 32, 63, 64, 65, 91, 92, 93, 147, 148, 149, 1500];

/** One datagram of every type, as Alice and Bob exchange them. */
function recordAll(): Datagram[] {
  const { network } = makeConnectedPair();
  return [...network.sent];
}

/** What must stay as it is when a datagram is refused. */
function stateOf({ network, bob, aliceId }: Pair): string {
  return JSON.stringify([
    bob.endpoint(aliceId),
    bob.device.peerStatus(aliceId, network.nowMs),
    bob.sessions.size,
    bob.received.length,
    bob.keepalivesReceived,
    [...bob.cells.values],
  ]);
}

function stillTalks({ network, alice, bob, bobId, aliceId }: Pair): void {
  alice.send(bobId, text("still there?"));
  network.run(100);
  expect(textOf(bob.received.at(-1)?.payload)).toBe("still there?");
  bob.send(aliceId, text("yes"));
  network.run(100);
  expect(textOf(alice.received.at(-1)?.payload)).toBe("yes");
}

/** With the MAC1 that everybody can make who knows the receiver's public key. */
function stamped(message: Uint8Array, receiver: string): Uint8Array {
  const jar = new CookieJar({ crypto: nodeCrypto, timings: WHITEPAPER_TIMINGS }, keyFromSeed(receiver).publicKey);
  jar.stamp(message, 0);
  return message;
}

/** To Bob, as far as one comes without the private key of `publicKey`; of a time that is far ahead. */
function initiationInTheNameOf(publicKey: Uint8Array, ephemeralKey: Uint8Array): Uint8Array {
  const own = nodeCrypto.x25519Key(ephemeralKey);
  const staticKey = { publicKey, sharedSecret: own.sharedSecret.bind(own), dispose: own.dispose.bind(own) };
  const prologue = text(IDENTIFIER);
  const written = SentInitiation.write(
    { crypto: nodeCrypto, staticKey, prologue },
    {
      staticPublicKey: keyFromSeed("bob").publicKey,
      staticStatic: new Uint8Array(32).fill(1),
      presharedKey: new Uint8Array(32),
    },
    nodeCrypto.x25519Key(ephemeralKey),
    encodeTai64n(Date.UTC(2100, 0, 1)),
  );
  return stamped(encodeInitiation({ senderIndex: 7, ...written!.fields }), "bob");
}

describe("datagrams from strangers", () => {
  const stranger = { address: "203.0.113.66", port: 6666 };

  it("garbage of any size and first word changes nothing", () => {
    const pair = makeConnectedPair();
    const before = stateOf(pair);
    const garbage = fc
      .tuple(
        fc.constantFrom(...SIZES),
        fc.integer({ min: 0, max: 5 }),
        fc.uint8Array({ minLength: 1500, maxLength: 1500 }),
      )
      .map(([size, type, bytes]) => {
        const datagram = bytes.slice(0, size);
        if (size >= 4 && type > 0) datagram.set([type, 0, 0, 0]);
        return datagram;
      });
    fc.assert(
      fc.property(garbage, (datagram) => {
        pair.bob.receive(datagram, stranger);
        expect(stateOf(pair)).toBe(before);
      }),
      { numRuns: 300 },
    );
    stillTalks(pair);
  });

  it("a true message with a changed, missing or added part changes nothing", () => {
    const recorded = recordAll().filter(({ source }) => source.address === ALICE_AT.address);
    const pair = makeConnectedPair();
    const before = stateOf(pair);
    fc.assert(
      fc.property(
        fc.constantFrom(...recorded),
        fc.constantFrom("flip", "cut", "grow") as fc.Arbitrary<"flip" | "cut" | "grow">,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ bytes }, change, where, mask) => {
          const at = where % bytes.length;
          const changed = change === "grow" ? Uint8Array.of(...bytes, mask) : new Uint8Array(bytes);
          if (change === "flip") changed[at] = (changed[at] as number) ^ mask;
          pair.bob.receive(change === "cut" ? changed.subarray(0, at) : changed, stranger);
          expect(stateOf(pair)).toBe(before);
        },
      ),
      { numRuns: 300 },
    );
    stillTalks(pair);
  });

  it("a valid MAC1 alone changes nothing: random contents of every handshake type", () => {
    const pair = makeConnectedPair();
    const before = stateOf(pair);
    const contents = fc.uint8Array({ minLength: 148, maxLength: 148 });
    fc.assert(
      fc.property(contents, fc.constantFrom(1, 2), (bytes, type) => {
        const message = bytes.slice(0, type === 1 ? 148 : 92);
        message.set([type, 0, 0, 0]);
        pair.bob.receive(stamped(message, "bob"), stranger);
        expect(stateOf(pair)).toBe(before);
      }),
      { numRuns: 100 },
    );
    expect(pair.bob.device.drops["not-authentic"] + pair.bob.device.drops["unknown-index"]).toBe(100);
    stillTalks(pair);
  });

  it("everything that was ever sent, sent again from elsewhere, changes nothing", () => {
    const pair = makeConnectedPair();
    const { network, bob } = pair;
    const before = stateOf(pair);
    for (const { bytes, destination } of [...network.sent]) {
      if (destination.address === BOB_AT.address) bob.receive(bytes, stranger);
    }
    expect(stateOf(pair)).toBe(before);
    expect(bob.device.drops["replayed-initiation"]).toBe(1);
    expect(bob.replayed).toBe(1);
    stillTalks(pair);
  });

  it("an initiation in a peer's name, without its private key, changes nothing and holds the true one up by nothing", () => {
    const pair = makeConnectedPair();
    const { network, alice, bob } = pair;
    const [{ privateKey, publicKey }, forger] = [keyFromSeed("alice"), keyFromSeed("forger")];
    const before = stateOf(pair);
    // The name is sealed with what everybody knows; only behind it the private key is needed.
    for (const source of [stranger, ALICE_AT]) bob.receive(initiationInTheNameOf(publicKey, forger.privateKey), source);
    expect(bob.device.drops["not-authentic"]).toBe(2);
    expect(stateOf(pair)).toBe(before);
    stillTalks(pair);
    bob.receive(initiationInTheNameOf(publicKey, forger.privateKey), stranger);
    const sessions = bob.sessions.size;
    alice.perform(alice.device.setPrivateKey(privateKey, network.nowMs));
    network.run(5);
    expect([bob.device.drops["flooding-initiation"], bob.sessions.size]).toEqual([0, sessions + 1]);
  });

  it("a response of who has only seen the initiation changes nothing, and the true one still counts", () => {
    const pair = makePair();
    const { network, alice, bob, bobId } = pair;
    network.intercept = ({ source }) => source.address !== BOB_AT.address;
    alice.send(bobId, text("hello"));
    network.run(10);
    const [initiation, response] = network.sent;
    const forged = new Uint8Array(response!.bytes).fill(7, 4, 8).fill(7, 12, 60);
    forged.set(initiation!.bytes.subarray(4, 8), 8);
    alice.receive(stamped(forged, "alice"), BOB_AT);
    alice.receive(stamped(forged, "alice"), stranger);
    expect(alice.device.drops["not-authentic"]).toBe(2);
    expect([alice.endpoint(bobId), alice.device.peerStatus(bobId, network.nowMs)?.endpoint]).toEqual([
      undefined,
      undefined,
    ]);
    network.intercept = () => true;
    alice.receive(response!.bytes, BOB_AT);
    network.runUntil(() => bob.received.length === 1, 100);
  });

  it("an initiation of somebody who is no peer is not answered", () => {
    const pair = makeConnectedPair();
    const mallory = pair.network.add(stranger, { privateKey: keyFromSeed("mallory").privateKey });
    const bobId = mallory.addPeer({ publicKey: keyFromSeed("bob").publicKey, candidates: [BOB_AT] });
    mallory.send(bobId, text("let me in"));
    pair.network.run(20_000);
    expect(pair.bob.device.drops["unknown-peer"]).toBeGreaterThanOrEqual(3);
    expect(pair.network.sent.some(({ destination }) => destination.address === stranger.address)).toBe(false);
  });
});

describe("a bad network", () => {
  it("reordered and doubled datagrams arrive once each", () => {
    const pair = makeConnectedPair();
    const { network, alice, bob, bobId } = pair;
    const held: Datagram[] = [];
    network.intercept = (datagram) => {
      held.push(datagram);
      return false;
    };
    for (let i = 0; i < 200; i++) alice.send(bobId, text(`packet ${i}`));
    network.intercept = () => true;
    for (const datagram of [...held.reverse(), ...held]) network.send(datagram);
    network.run(100);
    const words = bob.received.slice(1).map(({ payload }) => textOf(payload));
    expect(new Set(words).size).toBe(200);
    expect(words).toHaveLength(200);
    expect(bob.replayed).toBe(200);
  });

  it("with any losses, both sides find a session again and deliver what is sent then", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), (losses) => {
        const pair = makeConnectedPair();
        const { network, alice, bob, bobId, aliceId } = pair;
        network.intercept = () => losses.next().value === true;
        for (let i = 0; i < 30; i++) {
          alice.send(bobId, text("a"));
          bob.send(aliceId, text("b"));
          network.run(13_000);
        }
        network.intercept = () => true;
        alice.send(bobId, text("a"));
        bob.send(aliceId, text("b"));
        network.run(30_000);
        stillTalks(pair);
      }),
      { numRuns: 20 },
    );
  });
});
