import { parseListenAddress } from "../api/listen-address.ts";
import { refuseOnSocket } from "../api/raw-response.ts";
import type { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { formatMetrics, METRICS_CONTENT_TYPE, type MetricFamily } from "../base/metrics.ts";
import { EventLoopDelay } from "../host/process-metrics.ts";
import { HEALTHY, type Readiness, requireReady } from "./health.ts";
import { Listeners } from "./listeners.ts";
import { plainAnswers } from "./plain-answers.ts";

const LIMITS = { requestTimeoutMs: 10_000, drainMs: 1000 };

interface ServedMetrics {
  readonly metrics: (eventLoopDelay: EventLoopDelay) => readonly MetricFamily[];
  readonly readiness: Readiness;
}

/**
 * `GET /metrics`, `/healthz` and `/readyz` over plain HTTP, for whoever reaches the addresses; until `resources` are closed.
 * Without an address nothing is served, nor is the event loop's delay measured.
 * @throws MeshError `port-in-use`, `not-permitted`, `bad-config`
 */
export async function serveMetrics(
  listen: readonly string[],
  { metrics, readiness }: ServedMetrics,
  logger: Logger,
  resources: DisposeStack,
): Promise<void> {
  if (listen.length === 0) return;
  const eventLoopDelay = new EventLoopDelay();
  resources.defer(() => eventLoopDelay[Symbol.dispose]());
  const listeners = await Listeners.open({
    listen: listen.map(parseListenAddress),
    flag: "--metrics-listen",
    tls: undefined,
    limits: LIMITS,
    logger,
    onRequest: plainAnswers({
      "/metrics": () => ({ contentType: METRICS_CONTENT_TYPE, text: formatMetrics(metrics(eventLoopDelay)) }),
      "/healthz": () => ({ json: HEALTHY }),
      "/readyz": async () => ({ json: await requireReady(readiness) }),
    }),
    onUpgrade: (_request, socket) => {
      socket.on("error", () => socket.destroy());
      refuseOnSocket(socket, new MeshError("not-found", "there is no WebSocket here"));
    },
  });
  resources.defer(() => listeners.close());
}
