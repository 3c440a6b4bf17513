import { type Metric, type MetricFamily, readMetrics } from "../../base/metrics.ts";
import { PROCESS_METRICS, type ProcessMetricsSource } from "../../host/process-metrics.ts";
import type { StatusSources } from "../status-builder.ts";
import { PEER_METRICS } from "./peer-metrics.ts";
import { TRAFFIC_METRICS } from "./traffic-metrics.ts";

const STATE_METRICS: readonly Metric<StatusSources>[] = [
  {
    name: "mesh_running",
    type: "gauge",
    labels: ["network"],
    help: "1 while the daemon carries traffic, 0 while it is stopped or starting.",
    read: ({ state, network }) => [[state === "running" ? 1 : 0, network ?? ""]],
  },
  {
    name: "mesh_warnings",
    type: "gauge",
    labels: [],
    help: "Warnings that `mesh status` shows.",
    read: ({ warnings }) => warnings.length,
  },
  {
    name: "mesh_coordinator_connected",
    type: "gauge",
    labels: [],
    help: "1 while the coordinator is in touch.",
    read: ({ session }) => (session?.channel.connected === true ? 1 : 0),
  },
  {
    name: "mesh_coordinator_last_contact_timestamp_seconds",
    type: "gauge",
    labels: [],
    help: "When the coordinator was heard last, seconds since 1970.",
    read: ({ session }) => {
      const { lastContactAtMs = null } = session?.channel ?? {};
      return lastContactAtMs === null ? null : lastContactAtMs / 1000;
    },
  },
  {
    name: "mesh_peers",
    type: "gauge",
    labels: [],
    help: "Peers that this machine may see.",
    read: ({ session }) => session?.map?.peers.length ?? 0,
  },
  {
    name: "mesh_relay_connected",
    type: "gauge",
    labels: ["relay"],
    help: "1 while this machine is connected to the relay, for those that it knows of.",
    read: ({ session }) => (session?.relays ?? []).map(({ name, connected }) => [connected ? 1 : 0, name]),
  },
  {
    name: "mesh_relay_rtt_seconds",
    type: "gauge",
    labels: ["relay"],
    help: "Round trip to the relay.",
    read: ({ session }) =>
      (session?.relays ?? []).flatMap(({ name, rttMs }) => (rttMs === null ? [] : [[rttMs / 1000, name]])),
  },
];

/** All that a peer's daemon says of itself. */
export const DAEMON_METRICS: readonly Metric<StatusSources & ProcessMetricsSource>[] = [
  ...STATE_METRICS,
  ...PEER_METRICS,
  ...TRAFFIC_METRICS,
  ...PROCESS_METRICS,
];

export function daemonMetrics(sources: StatusSources & ProcessMetricsSource): MetricFamily[] {
  return readMetrics(DAEMON_METRICS, sources);
}
