import { describe, expect, it } from "vitest";
import { peersToTunnel } from "../../../../src/daemon/session/peers-to-tunnel.ts";
import { NO_PREFERENCE } from "../../../../src/router/paths/events.ts";
import { mapPeer, networkMap } from "../../../support/network-map.ts";

describe("from the map to the tunnel's peers", () => {
  const preferenceOf = () => NO_PREFERENCE;
  const overridesOf = (): readonly string[] => [];
  const routesOf = overridesOf;
  const exitIpsOf = overridesOf;
  const bob = mapPeer("bob", 3);
  const alice = mapPeer("alice", 2, { online: false, endpoints: [] });

  it("takes every peer, offline ones too, in the order of their names", () => {
    expect(peersToTunnel(networkMap([bob, alice]), { preferenceOf, overridesOf, routesOf, exitIpsOf })).toEqual([
      {
        publicKey: alice.wireguardKey,
        allowedIps: ["10.86.0.2/32", "fd86::2/128"],
        endpoints: [],
        persistentKeepaliveSeconds: 0,
        exitIps: [],
        hasPaths: true,
        preference: NO_PREFERENCE,
      },
      {
        publicKey: bob.wireguardKey,
        allowedIps: ["10.86.0.3/32", "fd86::3/128"],
        endpoints: ["192.0.2.3:51820"],
        persistentKeepaliveSeconds: 0,
        exitIps: [],
        hasPaths: true,
        preference: NO_PREFERENCE,
      },
    ]);
  });

  it("asks for each peer's preference by its name", () => {
    const preferred = { ...NO_PREFERENCE, preferred: "relay" as const };
    const context = {
      overridesOf,
      routesOf,
      exitIpsOf,
      preferenceOf: (name: string) => (name === "bob" ? preferred : NO_PREFERENCE),
    };
    const configs = peersToTunnel(networkMap([bob, alice]), context);
    expect(configs.map(({ preference }) => preference?.preferred)).toEqual([null, "relay"]);
  });

  it("tries an endpoint by the word of an admin before the peer's own, and each once", () => {
    const context = {
      preferenceOf,
      routesOf,
      exitIpsOf,
      overridesOf: ({ name }: { name: string }) => [`198.51.100.${name.length}:4500`, "192.0.2.3:51820"],
    };
    const [config] = peersToTunnel(networkMap([bob]), context);
    expect(config?.endpoints).toEqual(["198.51.100.3:4500", "192.0.2.3:51820"]);
  });

  it("leads to the networks behind a peer through it, and by the exit in use to the internet", () => {
    const context = {
      preferenceOf,
      overridesOf,
      routesOf: ({ name }: { name: string }) => (name === "bob" ? ["192.168.50.0/24"] : []),
      exitIpsOf: ({ name }: { name: string }) => (name === "bob" ? ["0.0.0.0/0"] : []),
    };
    const [, config] = peersToTunnel(networkMap([bob, alice]), context);
    expect(config?.allowedIps).toEqual(["10.86.0.3/32", "fd86::3/128", "192.168.50.0/24"]);
    expect(config?.exitIps).toEqual(["0.0.0.0/0"]);
  });

  it("never takes ourselves as a peer", () => {
    const map = networkMap([bob]);
    const mirror = mapPeer("mirror", 9, { wireguardKey: map.self.wireguardKey });
    expect(peersToTunnel({ ...map, peers: [mirror] }, { preferenceOf, overridesOf, routesOf, exitIpsOf })).toEqual([]);
  });
});
