import { parseListenAddress } from "../api/listen-address.ts";
import { refuseOnSocket } from "../api/raw-response.ts";
import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { formatMetrics, METRICS_CONTENT_TYPE, type MetricFamily } from "../base/metrics.ts";
import { HEALTHY, type Readiness, requireReady } from "./health.ts";
import { Listeners } from "./listeners.ts";
import { plainAnswers } from "./plain-answers.ts";

const LIMITS = { requestTimeoutMs: 10_000, drainMs: 1000 };

/**
 * `GET /metrics`, `/healthz` and `/readyz` over plain HTTP, for whoever reaches the addresses.
 * @throws MeshError `port-in-use`, `not-permitted`, `bad-config`
 */
export async function serveMetrics(
  listen: readonly string[],
  served: { readonly metrics: () => readonly MetricFamily[]; readonly readiness: Readiness },
  logger: Logger,
): Promise<Listeners> {
  return Listeners.open({
    listen: listen.map(parseListenAddress),
    flag: "--metrics-listen",
    tls: undefined,
    limits: LIMITS,
    logger,
    onRequest: plainAnswers({
      "/metrics": () => ({ contentType: METRICS_CONTENT_TYPE, text: formatMetrics(served.metrics()) }),
      "/healthz": () => ({ json: HEALTHY }),
      "/readyz": async () => ({ json: await requireReady(served.readiness) }),
    }),
    onUpgrade: (_request, socket) => {
      socket.on("error", () => socket.destroy());
      refuseOnSocket(socket, new MeshError("not-found", "there is no WebSocket here"));
    },
  });
}
