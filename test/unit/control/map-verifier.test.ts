import { describe, expect, it } from "vitest";
import { type VerifiedMap, verifyMap } from "../../../src/control/map-verifier.ts";
import { mapPeer, networkMap, randomKey } from "../../support/network-map.ts";

describe("a map is verified before anything of it is applied", () => {
  const bob = mapPeer("bob", 2);
  const map = networkMap([bob]);
  const machineKey = randomKey();
  const expected = { networkId: map.network.id, wireguardKey: map.self.wireguardKey, machineKey };

  it("lets an honest map through unchanged", () => {
    expect(verifyMap(map, expected, [], 0)).toMatchObject({ map, violations: [] });
  });

  it("is what makes a map that can be applied: no other is of that type", () => {
    // @ts-expect-error A map as the coordinator sends it.
    const raw: VerifiedMap = map;
    const checked: VerifiedMap = verifyMap(raw, expected, [], 0).map;
    expect(checked).toEqual(map);
  });

  it("refuses a map for another network or another peer", () => {
    expect(() => verifyMap(map, { ...expected, networkId: crypto.randomUUID() }, [], 0)).toThrow(
      expect.objectContaining({ code: "map-refused" }),
    );
    expect(() => verifyMap(map, { ...expected, wireguardKey: randomKey() }, [], 0)).toThrow(
      expect.objectContaining({ code: "map-refused" }),
    );
  });

  it.each([
    ["our WireGuard key", { wireguardKey: map.self.wireguardKey }],
    ["our machine key", { machineKey }],
    ["our IPv4 address", { ip4: map.self.ip4 }],
    ["our IPv6 address", { ip6: map.self.ip6 }],
  ])("leaves out a peer that comes with %s, and pins nothing of it", (_what, change) => {
    const verified = verifyMap({ ...map, peers: [{ ...mapPeer("eve", 9), ...change }, bob] }, expected, [], 0);
    expect(verified.map.peers).toEqual([bob]);
    expect(verified.violations.map(({ name }) => name)).toEqual(["eve"]);
    expect(verified.pins.map(({ name }) => name)).toEqual(["bob"]);
  });
});
