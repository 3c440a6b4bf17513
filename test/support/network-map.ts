import { generateKeyPairSync } from "node:crypto";
import type { MapPeer, NetworkMap } from "../../src/api/network-map.ts";

/** A base64 public key that nobody has the private half of (X25519 and Ed25519 keys look alike as text). */
export function randomKey(): string {
  const { publicKey } = generateKeyPairSync("x25519");
  return publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
}

/** Peer number `host` of the network 10.86.0.0/16, fd86::/48. */
export function mapPeer(name: string, host: number, fields: Partial<MapPeer> = {}): MapPeer {
  const ip4 = `10.86.0.${host}`;
  const ip6 = `fd86::${host.toString(16)}`;
  return {
    name,
    ip4,
    ip6,
    cidr: "members",
    tags: [],
    admin: false,
    mayStart: "both",
    keyProof: null,
    ephemeral: false,
    wireguardKey: randomKey(),
    machineKey: randomKey(),
    allowedIps: [`${ip4}/32`, `${ip6}/128`],
    endpoints: [`192.0.2.${host}:51820`],
    overrideEndpoint: null,
    sshEndpoints: [`192.0.2.${host}:2222`],
    relays: [],
    exit: [],
    routes: [],
    online: true,
    lastSeenAt: null,
    ...fields,
  };
}

export function networkMap(peers: readonly MapPeer[], fields: Partial<NetworkMap> = {}): NetworkMap {
  return {
    version: 1,
    network: {
      id: "3b1f7c1e-7a0d-4d0e-9b0a-2f6f5f1f9d11",
      name: "mesh",
      domain: "mesh",
      cidr4: "10.86.0.0/16",
      cidr6: "fd86::/48",
    },
    self: {
      name: "me",
      ip4: "10.86.0.1",
      ip6: "fd86::1",
      cidr: "members",
      admin: false,
      tags: [],
      wireguardKey: randomKey(),
      relays: [],
      exitForbidden: false,
      approvedRoutes: [],
    },
    relays: [],
    cidrs: [],
    filterRules: [],
    dns: { records: [], servers: [], splits: [] },
    peers: [...peers],
    ...fields,
  };
}
