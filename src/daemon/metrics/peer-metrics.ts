import type { Metric, MetricSample } from "../../base/metrics.ts";
import type { TunnelPathsStatus, TunnelPeerStatus } from "../../router/tunnel/tunnel.ts";
import type { StatusSources } from "../status-builder.ts";

/** Of each peer that this machine may see, by its name. An address or a path is no label: there is no end to those. */
export const PEER_METRICS: readonly Metric<StatusSources>[] = [
  ofPeers("mesh_peer_receive_bytes_total", "counter", "Bytes of authentic messages from the peer.", (p) => p.rxBytes),
  ofPeers("mesh_peer_transmit_bytes_total", "counter", "Bytes of messages to the peer.", (p) => p.txBytes),
  ofPeers(
    "mesh_peer_receive_packets_total",
    "counter",
    "Data messages and keepalives from the peer.",
    (p) => p.rxMessages,
  ),
  ofPeers(
    "mesh_peer_transmit_packets_total",
    "counter",
    "Data messages and keepalives to the peer.",
    (p) => p.txMessages,
  ),
  ofPeers("mesh_peer_handshakes_total", "counter", "Handshakes completed with the peer.", (p) => p.handshakes),
  ofPeers(
    "mesh_peer_last_handshake_timestamp_seconds",
    "gauge",
    "When a handshake with the peer was completed last, seconds since 1970.",
    ({ lastHandshakeAtMs }) => inSeconds(lastHandshakeAtMs),
  ),
  ofPeers("mesh_peer_session_up", "gauge", "1 while there is a session with the peer.", (p) => (p.sessionUp ? 1 : 0)),
  {
    name: "mesh_peer_path",
    type: "gauge",
    labels: ["peer", "transport"],
    help: "1 for the transport of the path in use; none while no path works.",
    read: (sources) =>
      livePeers(sources).flatMap(([name, { paths }]) =>
        paths?.current == null ? [] : [[1, name, paths.current.transport]],
      ),
  },
  {
    name: "mesh_peer_dropped_packets_total",
    type: "counter",
    labels: ["peer", "reason"],
    help: "Of mesh_dropped_packets_total what was to go to the peer, or came from it; reasons for which there were some.",
    read: (sources) =>
      livePeers(sources).flatMap(([name, { drops }]) =>
        Object.entries(drops).map(([reason, packets]): MetricSample => [packets, name, reason]),
      ),
  },
  ofPaths("mesh_peer_rtt_seconds", "gauge", "Round trip by the path in use.", ({ current }) =>
    inSeconds(current?.rttMs ?? null),
  ),
  ofPaths(
    "mesh_peer_path_mtu_bytes",
    "gauge",
    "The largest packet that the path in use carries in one piece, once that is known.",
    ({ current }) => current?.mtuBytes ?? null,
  ),
  ofPaths(
    "mesh_peer_path_changes_total",
    "counter",
    "How often another path to the peer was chosen; failovers are among them.",
    ({ changes }) => changes,
  ),
  ofPaths("mesh_peer_path_losses_total", "counter", "How often no path to the peer was left.", ({ losses }) => losses),
];

type Type = Metric<unknown>["type"];

function ofPeers(
  name: string,
  type: Type,
  help: string,
  read: (peer: TunnelPeerStatus) => number | null,
): Metric<StatusSources> {
  const labels = ["peer"];
  return { name, type, help, labels, read: (sources) => livePeers(sources).flatMap(([of, p]) => sample(read(p), of)) };
}

function ofPaths(
  name: string,
  type: Type,
  help: string,
  read: (paths: TunnelPathsStatus) => number | null,
): Metric<StatusSources> {
  return ofPeers(name, type, help, ({ paths }) => (paths === undefined ? null : read(paths)));
}

function sample(value: number | null, peer: string): MetricSample[] {
  return value === null ? [] : [[value, peer]];
}

/** With their names, which a peer that has just gone from the map has no more. */
function livePeers({ session }: StatusSources): [name: string, peer: TunnelPeerStatus][] {
  const names = new Map(session?.map?.peers.map(({ wireguardKey, name }) => [wireguardKey, name]));
  return (session?.tunnelPeers ?? []).flatMap((peer) => {
    const name = names.get(peer.publicKey);
    return name === undefined ? [] : [[name, peer]];
  });
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
