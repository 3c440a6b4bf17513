import { isDeepStrictEqual } from "node:util";
import { parseListenAddress } from "../api/listen-address.ts";
import { refuseOnSocket } from "../api/raw-response.ts";
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
 * `GET /metrics`, `/healthz` and `/readyz` over plain HTTP, for whoever reaches the addresses. Without an address nothing is
 * served, nor is the event loop's delay measured.
 */
export class MetricsServer implements AsyncDisposable {
  readonly #served: ServedMetrics;
  readonly #logger: Logger;
  #addresses: readonly string[] = [];
  #opened: { readonly listeners: Listeners; readonly eventLoopDelay: EventLoopDelay } | undefined;

  private constructor(served: ServedMetrics, logger: Logger) {
    this.#served = served;
    this.#logger = logger;
  }

  /** @throws MeshError as `listen` */
  static async open(addresses: readonly string[], served: ServedMetrics, logger: Logger): Promise<MetricsServer> {
    const server = new MetricsServer(served, logger);
    await server.listen(addresses);
    return server;
  }

  /**
   * Here from now on, and nowhere else; where that cannot be, where it was.
   * @throws MeshError `port-in-use`, `not-permitted`, `bad-config`
   */
  async listen(addresses: readonly string[]): Promise<void> {
    if (isDeepStrictEqual(addresses, this.#addresses)) return;
    const before = this.#addresses;
    // Before the others are opened: an address may be part of another, as 127.0.0.1:9586 is of :9586.
    await this.#close();
    try {
      await this.#open(addresses);
    } catch (failure) {
      await this.#open(before).catch((err: unknown) => this.#logger.error({ err }, "metrics are served no more"));
      throw failure;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async #open(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0) return;
    const { metrics, readiness } = this.#served;
    const eventLoopDelay = new EventLoopDelay();
    try {
      const listeners = await Listeners.open({
        listen: addresses.map(parseListenAddress),
        flag: "--metrics-listen",
        tls: undefined,
        limits: LIMITS,
        logger: this.#logger,
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
      this.#opened = { listeners, eventLoopDelay };
      this.#addresses = addresses;
    } catch (failure) {
      eventLoopDelay[Symbol.dispose]();
      throw failure;
    }
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#addresses = [];
    opened?.eventLoopDelay[Symbol.dispose]();
    await opened?.listeners.close();
  }
}
