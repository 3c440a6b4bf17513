import type { DisposeStack } from "../../base/dispose.ts";
import type { Logger } from "../../base/logger.ts";
import type { EventLoopDelay } from "../../host/process-metrics.ts";
import type { Readiness } from "../../web/health.ts";
import { serveMetrics } from "../../web/metrics-server.ts";
import type { StatusSources } from "../status-builder.ts";
import { daemonMetrics } from "./daemon-metrics.ts";

interface MetricsParts {
  readonly daemon: { statusSources(): StatusSources };
  readonly logger: Logger;
}

/** Serves metrics where that is asked for. @throws MeshError see `serveMetrics` */
export async function openDaemonMetrics(
  listen: readonly string[],
  { daemon, logger }: MetricsParts,
  resources: DisposeStack,
): Promise<void> {
  const metrics = (eventLoopDelay: EventLoopDelay) => daemonMetrics({ ...daemon.statusSources(), eventLoopDelay });
  await serveMetrics(listen, { metrics, readiness: daemonReadiness(daemon) }, logger, resources);
}

/** Traffic can flow, with or without the coordinator. */
function daemonReadiness(daemon: MetricsParts["daemon"]): Readiness {
  return () => {
    const { state, session } = daemon.statusSources();
    if (state !== "running") return `the daemon is ${state}`;
    return session?.map === undefined ? "no network map has come yet" : undefined;
  };
}
