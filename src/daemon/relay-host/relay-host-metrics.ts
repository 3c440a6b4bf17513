import type { Logger } from "../../base/logger.ts";
import { type Metric, readMetrics } from "../../base/metrics.ts";
import { type EventLoopDelay, PROCESS_METRICS } from "../../host/process-metrics.ts";
import type { Relay } from "../../relay/relay.ts";
import type { Readiness } from "../../web/health.ts";
import { MetricsServer } from "../../web/metrics-server.ts";

export interface RelayHostMetricsSource {
  readonly peers: number;
  readonly isConnected: boolean;
}

/** Of a stand-alone relay, beside those of every relay and every process. */
export const RELAY_HOST_METRICS: readonly Metric<RelayHostMetricsSource>[] = [
  {
    name: "mesh_relay_policy_peers",
    type: "gauge",
    labels: [],
    help: "Peers that the relay serves by its policy.",
    read: ({ peers }) => peers,
  },
  {
    name: "mesh_relay_coordinator_connected",
    type: "gauge",
    labels: [],
    help: "1 while the coordinator is in touch.",
    read: ({ isConnected }) => (isConnected ? 1 : 0),
  },
];

/** Serves metrics where that is asked for. @throws MeshError see `MetricsServer` */
export function openRelayMetrics(
  listen: readonly string[],
  parts: {
    readonly relay: Relay;
    readonly source: () => RelayHostMetricsSource;
    readonly readiness: Readiness;
    readonly logger: Logger;
  },
): Promise<MetricsServer> {
  const metrics = (eventLoopDelay: EventLoopDelay) => [
    ...readMetrics(RELAY_HOST_METRICS, parts.source()),
    ...parts.relay.metrics(),
    ...readMetrics(PROCESS_METRICS, { eventLoopDelay }),
  ];
  return MetricsServer.open(listen, { metrics, readiness: parts.readiness }, parts.logger);
}
