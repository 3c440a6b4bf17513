import { describe, expect, it } from "vitest";
import type { MapPeer } from "../../../src/api/network-map.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import {
  acceptPeer,
  awaitingAcceptance,
  checkPins as checkPinsIn,
  type Pin,
  pinsOf,
} from "../../../src/control/pins.ts";
import { mapPeer, networkMap, randomKey } from "../../support/network-map.ts";

const NETWORK_ID = networkMap([]).network.id;
const AT = { networkId: NETWORK_ID, seenAtMs: 0 };
const checkPins = (pins: readonly Pin[], peers: readonly MapPeer[]) => checkPinsIn(pins, peers, AT);

describe("pins: name and address belong to the keys they were met with", () => {
  const bob = mapPeer("bob", 2);

  it("pins a peer at first sight and accepts it again", () => {
    const first = checkPins([], [bob]);
    expect(first.accepted).toEqual([bob]);
    expect(first.pins).toHaveLength(1);
    const again = checkPins(first.pins, [{ ...bob, endpoints: [], online: false, tags: ["x"] }]);
    expect(again.violations).toEqual([]);
    expect(again.pins).toEqual(first.pins);
  });

  it.each([
    ["another WireGuard key under the same name", { wireguardKey: randomKey() }],
    ["another machine key under the same name", { machineKey: randomKey() }],
    ["the address of another", { name: "eve", ip6: "fd86::99", wireguardKey: randomKey(), machineKey: randomKey() }],
    [
      "the IPv6 address of another",
      { name: "eve", ip4: "10.86.0.99", wireguardKey: randomKey(), machineKey: randomKey() },
    ],
    ["the WireGuard key of another", { name: "eve", ip4: "10.86.0.99", ip6: "fd86::99", machineKey: randomKey() }],
    ["the machine key of another", { name: "eve", ip4: "10.86.0.99", ip6: "fd86::99", wireguardKey: randomKey() }],
  ])("keeps out %s", (_what, change) => {
    const { pins } = checkPins([], [bob]);
    const check = checkPins(pins, [{ ...bob, ...change }]);
    expect(check.accepted).toEqual([]);
    expect(check.violations).toHaveLength(1);
    expect(check.pins).toEqual(pins);
  });

  it("keeps out the second of two peers that claim one name in the same map", () => {
    const check = checkPins([], [bob, { ...mapPeer("bob", 3) }]);
    expect(check.accepted).toEqual([bob]);
    expect(check.violations).toHaveLength(1);
  });

  it("follows a rename and a new address of the same keys, and guards the former ones", () => {
    const { pins } = checkPins([], [bob]);
    const moved = { ...bob, name: "robert", ip4: "10.86.0.20", ip6: "fd86::20" };
    const after = checkPins(pins, [moved]);
    expect(after.accepted).toEqual([moved]);
    const thief = mapPeer("bob", 50);
    expect(checkPins(after.pins, [moved, thief])).toMatchObject({ accepted: [moved], violations: [{ name: "bob" }] });
    const squatter = mapPeer("eve", 2);
    expect(checkPins(after.pins, [squatter]).violations).toHaveLength(1);
  });

  it("holds on to the pin of a peer that left the map", () => {
    const { pins } = checkPins([], [bob]);
    const empty = checkPins(pins, []);
    expect(checkPins(empty.pins, [mapPeer("bob", 2)]).accepted).toEqual([]);
  });

  it("lets another machine have the name of one that is gone, at another address, and waits for somebody to accept that", () => {
    const { pins } = checkPins([], [bob]);
    const next = mapPeer("bob", 7);
    const after = checkPins(pins, [next]);
    expect(after).toMatchObject({ accepted: [next], violations: [] });
    expect(awaitingAcceptance(after.pins, [next])).toEqual([next]);
    const renamed = checkPins(after.pins, [{ ...next, name: "robert" }]);
    expect(awaitingAcceptance(renamed.pins, [next])).toEqual([next]);
    const accepted = acceptPeer(after.pins, next, AT);
    expect(awaitingAcceptance(accepted, [next])).toEqual([]);
    expect(checkPins(accepted, [next])).toMatchObject({ accepted: [next], violations: [], pins: accepted });
  });

  it("goes on waiting when the former machine comes back, or a third one comes", () => {
    const [first, second, third] = [bob, mapPeer("bob", 7), mapPeer("bob", 8)];
    let { pins } = checkPins([], [first]);
    for (const peer of [second, first, third, second]) {
      ({ pins } = checkPins(pins, [peer]));
      // As it is after the file was read again.
      expect(awaitingAcceptance(checkPins(pins, [peer]).pins, [peer])).toEqual([peer]);
      expect(checkPins(pins, [peer]).pins).toEqual(pins);
    }
  });

  it.each([
    ["its address", { ip4: bob.ip4 }],
    ["its WireGuard key", { wireguardKey: bob.wireguardKey }],
    ["its machine key", { machineKey: bob.machineKey }],
  ])("does not pass on %s with the name of a peer that is gone", (_what, change) => {
    const { pins } = checkPins([], [bob]);
    const check = checkPins(pins, [{ ...mapPeer("bob", 7), ...change }]);
    expect(check).toMatchObject({ accepted: [], violations: [{ name: "bob" }], pins });
  });

  it("does not let a name pass from one peer to another while both are there", () => {
    const eve = mapPeer("eve", 3);
    const { pins } = checkPins([], [bob, eve]);
    const swapped = [
      { ...bob, name: "robert" },
      { ...eve, name: "bob" },
    ];
    expect(checkPins(pins, swapped).violations).toMatchObject([{ name: "bob" }]);
  });

  it("takes what is accepted, those keys and no others", () => {
    const { pins } = checkPins([], [bob, mapPeer("carol", 4)]);
    const [refused] = checkPins(pins, [mapPeer("bob", 2)]).violations;
    const replaced = refused?.peer ?? bob;
    const accepted = acceptPeer(pins, replaced, AT);
    expect(accepted.map(({ name }) => name)).toEqual(["carol", "bob"]);
    expect(checkPins(accepted, [replaced])).toMatchObject({ accepted: [replaced], violations: [] });
    expect(checkPins(accepted, [mapPeer("bob", 2)]).violations).toHaveLength(1);
    expect(checkPins(accepted, [bob]).violations).toHaveLength(1);
  });

  it("can be rebuilt from a verified map", () => {
    const map = networkMap([bob]);
    expect(pinsOf(map, 0)).toEqual(checkPins([], map.peers).pins);
  });
});

describe("a WireGuard key that is rotated", () => {
  const first = PeerKeys.generate();
  const second = first.rotated();
  const entry = (keys: PeerKeys, networkId = NETWORK_ID): MapPeer =>
    mapPeer("bob", 2, {
      machineKey: keys.machineKey,
      wireguardKey: keys.wireguardKey,
      keyProof: keys.proveWireguardKey(networkId),
    });
  const { pins } = checkPins([], [entry(first)]);

  it("passes by the word of the machine, as often as it is rotated", () => {
    const after = checkPins(pins, [entry(second)]);
    expect(after.violations).toEqual([]);
    expect(checkPins(after.pins, [entry(second)]).pins).toEqual(after.pins);
    expect(checkPins(after.pins, [entry(second.rotated())]).violations).toEqual([]);
  });

  it("passes for a peer that was met before there was such a word", () => {
    const old = checkPins([], [{ ...entry(first), keyProof: null }]);
    expect(checkPins(old.pins, [entry(second)]).violations).toEqual([]);
  });

  it("does not pass without that word, or with that of another machine, key, instant or network", () => {
    const thief = PeerKeys.generate();
    const proof = second.proveWireguardKey(NETWORK_ID);
    const forged: Partial<MapPeer>[] = [
      { keyProof: null },
      { keyProof: first.proveWireguardKey(NETWORK_ID) },
      { keyProof: thief.proveWireguardKey(NETWORK_ID) },
      { keyProof: { ...proof, issuedAtMs: proof.issuedAtMs + 1 } },
      { keyProof: second.proveWireguardKey("3b241101-e2bb-4255-8caf-4136c566a962") },
      { machineKey: thief.machineKey, keyProof: thief.proveWireguardKey(NETWORK_ID) },
      { wireguardKey: thief.wireguardKey },
    ];
    for (const fields of forged) {
      const check = checkPins(pins, [{ ...entry(second), ...fields }]);
      expect([check.accepted, check.violations.length]).toEqual([[], 1]);
      expect(check.pins).toEqual(pins);
    }
  });

  it("does not come back by the old word, nor go to another, and goes with the machine", () => {
    const after = checkPins(pins, [entry(second)]);
    expect(checkPins(after.pins, [entry(first)]).violations).toHaveLength(1);
    const other = mapPeer("eve", 9, { wireguardKey: first.wireguardKey });
    expect(checkPins(after.pins, [other]).violations).toHaveLength(1);
    const replacement = mapPeer("bob", 2);
    expect(acceptPeer(after.pins, replacement, AT).map(({ machineKey }) => machineKey)).toEqual([
      replacement.machineKey,
    ]);
  });
});
