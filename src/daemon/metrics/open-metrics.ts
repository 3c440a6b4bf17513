import type { Logger } from "../../base/logger.ts";
import type { EventLoopDelay } from "../../host/process-metrics.ts";
import type { Readiness } from "../../web/health.ts";
import { MetricsServer } from "../../web/metrics-server.ts";
import type { StatusSources } from "../status-builder.ts";
import { daemonMetrics } from "./daemon-metrics.ts";

interface MetricsParts {
  readonly daemon: { statusSources(): StatusSources };
  readonly logger: Logger;
}

/** Serves metrics where that is asked for. @throws MeshError see `MetricsServer` */
export function openDaemonMetrics(listen: readonly string[], { daemon, logger }: MetricsParts): Promise<MetricsServer> {
  const metrics = (eventLoopDelay: EventLoopDelay) => daemonMetrics({ ...daemon.statusSources(), eventLoopDelay });
  return MetricsServer.open(listen, { metrics, readiness: daemonReadiness(daemon) }, logger);
}

/** Traffic can flow, with or without the coordinator. */
function daemonReadiness(daemon: MetricsParts["daemon"]): Readiness {
  return () => {
    const { state, session } = daemon.statusSources();
    if (state !== "running") return `the daemon is ${state}`;
    return session?.map === undefined ? "no network map has come yet" : undefined;
  };
}
