import { describe, expect, it } from "vitest";
import { peersToTunnel } from "../../../src/daemon/peers-to-tunnel.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

describe("from the map to the tunnel's peers", () => {
  const bob = mapPeer("bob", 3);
  const alice = mapPeer("alice", 2, { online: false, endpoints: [] });

  it("takes every peer, offline ones too, in the order of their names", () => {
    expect(peersToTunnel(networkMap([bob, alice]), { behindNat: false })).toEqual([
      {
        publicKey: alice.wireguardKey,
        allowedIps: ["10.86.0.2/32", "fd86::2/128"],
        endpoints: [],
        persistentKeepaliveSeconds: 0,
        hasPaths: true,
      },
      {
        publicKey: bob.wireguardKey,
        allowedIps: ["10.86.0.3/32", "fd86::3/128"],
        endpoints: ["192.0.2.3:51820"],
        persistentKeepaliveSeconds: 0,
        hasPaths: true,
      },
    ]);
  });

  it("keeps mappings open behind a NAT", () => {
    expect(peersToTunnel(networkMap([bob]), { behindNat: true })[0]?.persistentKeepaliveSeconds).toBe(25);
  });

  it("never takes ourselves as a peer", () => {
    const map = networkMap([bob]);
    const mirror = mapPeer("mirror", 9, { wireguardKey: map.self.wireguardKey });
    expect(peersToTunnel({ ...map, peers: [mirror] }, { behindNat: false })).toEqual([]);
  });
});
