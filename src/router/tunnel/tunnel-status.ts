import { isPipe } from "../../packet/endpoint.ts";
import type { EnginePeerStatus } from "../../wireguard/device.ts";
import { PeerCell, type PeerCells } from "../../wireguard/shared-state.ts";
import type { Counters } from "../shared/counters.ts";
import { formatEndpoint } from "./endpoint-text.ts";
import type { ActivePeer, PeerSet } from "./peer-set.ts";
import type { TunnelPaths } from "./tunnel-paths.ts";
import type { TunnelPeerStatus } from "./tunnel-types.ts";

export interface PeerStatusDeps {
  readonly cells: PeerCells;
  readonly counters: Pick<Counters, "dropsOf">;
  readonly peers: PeerSet;
  readonly paths: Pick<TunnelPaths, "statusOf">;
}

/** What is to be said of a peer; `engine` is the engine's part of it. */
export function peerStatus(
  peer: ActivePeer,
  engine: EnginePeerStatus | undefined,
  { cells, counters, peers, paths }: PeerStatusDeps,
): TunnelPeerStatus {
  const endpoint = engine?.endpoint;
  const isUdp = endpoint !== undefined && !isPipe(endpoint);
  const lastHandshakeAtMs = engine?.lastHandshakeWallMs ?? 0;
  return {
    publicKey: peer.publicKey,
    endpoint: isUdp ? formatEndpoint(endpoint) : null,
    allowedIps: peers.ownedPrefixes(peer),
    lastHandshakeAtMs: lastHandshakeAtMs === 0 ? null : lastHandshakeAtMs,
    handshakes: engine?.handshakes ?? 0,
    sessionUp: engine?.sessionAgeMs !== undefined,
    rxBytes: cells.get(peer.id, PeerCell.rxBytes) + (engine?.handshakeRxBytes ?? 0),
    txBytes: cells.get(peer.id, PeerCell.txBytes) + (engine?.handshakeTxBytes ?? 0),
    rxMessages: cells.get(peer.id, PeerCell.rxMessages),
    txMessages: cells.get(peer.id, PeerCell.txMessages),
    drops: counters.dropsOf(peer.id),
    persistentKeepaliveSeconds: peer.config.engine.persistentKeepaliveSeconds,
    paths: paths.statusOf(peer.id),
  };
}
