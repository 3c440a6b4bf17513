import { describe, expect, it } from "vitest";
import { checkPins, forgetPins, pinsOf } from "../../../src/control/pins.ts";
import { mapPeer, networkMap, randomKey } from "../../support/network-map.ts";

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
    expect(checkPins(after.pins, [thief]).violations).toHaveLength(1);
    const squatter = mapPeer("eve", 2);
    expect(checkPins(after.pins, [squatter]).violations).toHaveLength(1);
  });

  it("holds on to the pin of a peer that left the map", () => {
    const { pins } = checkPins([], [bob]);
    const empty = checkPins(pins, []);
    expect(checkPins(empty.pins, [mapPeer("bob", 2)]).accepted).toEqual([]);
  });

  it("forgets a peer under all its names", () => {
    const { pins } = checkPins([], [bob]);
    const renamed = checkPins(pins, [{ ...bob, name: "robert" }]).pins;
    expect(renamed).toHaveLength(2);
    expect(forgetPins(renamed, "robert")).toEqual([]);
    expect(checkPins(forgetPins(renamed, "bob"), [mapPeer("bob", 2)]).violations).toEqual([]);
  });

  it("can be rebuilt from a verified map", () => {
    const map = networkMap([bob]);
    expect(pinsOf(map)).toEqual(checkPins([], map.peers).pins);
  });
});
