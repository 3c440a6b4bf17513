import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import type { TransportPreference } from "../../router/paths/events.ts";
import type { TunnelPeerConfig } from "../../router/tunnel/tunnel.ts";

export interface TunnelPeersContext {
  /** Endpoints to be tried before those that the peer has told of. */
  readonly overridesOf: (peer: MapPeer) => readonly string[];
  /** Networks behind it that are reached through it. */
  readonly routesOf: (peer: MapPeer) => readonly string[];
  /** What is reached through it as the exit in use. */
  readonly exitIpsOf: (peer: MapPeer) => readonly string[];
  /** By a peer's name. */
  readonly preferenceOf: (peer: string) => TransportPreference;
}

/** The tunnel's peers for a verified map, in the order of their names. */
export function peersToTunnel(map: NetworkMap, context: TunnelPeersContext): TunnelPeerConfig[] {
  return map.peers
    .filter((peer) => peer.wireguardKey !== map.self.wireguardKey)
    .map((peer) => ({
      publicKey: peer.wireguardKey,
      allowedIps: [...peer.allowedIps, ...context.routesOf(peer)],
      exitIps: context.exitIpsOf(peer),
      endpoints: [...new Set([...context.overridesOf(peer), ...peer.endpoints])],
      // Path selection keeps mappings open, for those peers that there was traffic with.
      persistentKeepaliveSeconds: 0,
      hasPaths: true,
      preference: context.preferenceOf(peer.name),
      name: peer.name,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name: _, ...config }) => config);
}
