import { sql } from "kysely";
import type { Logger } from "../../base/logger.ts";
import { readMetrics } from "../../base/metrics.ts";
import type { EventLoopDelay } from "../../host/process-metrics.ts";
import type { Readiness } from "../../web/health.ts";
import { MetricsServer } from "../../web/metrics-server.ts";
import type { UpgradeHandler } from "../http/upgrades.ts";
import type { Store } from "../store/store.ts";
import { COORDINATOR_METRICS, type CoordinatorMetricsSource } from "./coordinator-metrics.ts";

interface MetricsParts extends Omit<CoordinatorMetricsSource, "eventLoopDelay"> {
  readonly store: Store;
  /** WebSocket services of others, with metrics of their own. */
  readonly upgrades: ReadonlyMap<string, UpgradeHandler>;
  readonly logger: Logger;
}

/** The coordinator can work as long as its database answers. */
export function storeReadiness(store: Store): Readiness {
  return async () => {
    try {
      await sql`SELECT 1`.execute(store.reader);
      return undefined;
    } catch {
      return "the database does not answer";
    }
  };
}

/** Serves metrics where that is asked for. @throws MeshError see `MetricsServer` */
export function openMetrics(
  listen: readonly string[],
  { upgrades, logger, ...parts }: MetricsParts,
): Promise<MetricsServer> {
  const metrics = (eventLoopDelay: EventLoopDelay) => [
    ...readMetrics(COORDINATOR_METRICS, { ...parts, eventLoopDelay }),
    ...[...upgrades.values()].flatMap((service) => service.metrics()),
  ];
  return MetricsServer.open(listen, { metrics, readiness: storeReadiness(parts.store) }, logger);
}
