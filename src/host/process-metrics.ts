import { readdirSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { Histogram } from "../base/histogram.ts";
import type { Metric, MetricSample } from "../base/metrics.ts";
import { softwareVersion } from "../base/version.ts";

const INTERVAL_MS = 250;
const DELAY_BOUNDS_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** How late timers come, as a measure of what the event loop is held up by. It costs four wake-ups a second. */
export class EventLoopDelay implements Disposable {
  readonly seconds = new Histogram(DELAY_BOUNDS_SECONDS);
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + INTERVAL_MS;

  constructor() {
    this.#timer = setInterval(() => this.#observe(performance.now()), INTERVAL_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #observe(nowMs: number): void {
    this.seconds.observe(Math.max(0, nowMs - this.#dueMs) / 1000);
    this.#dueMs = nowMs + INTERVAL_MS;
  }
}

export interface ProcessMetricsSource {
  /** Undefined where nobody listens for metrics: it is not measured then. */
  readonly eventLoopDelay: EventLoopDelay | undefined;
}

/** What every long-running process of ours says of itself; the names without `mesh_` are Prometheus's own. */
export const PROCESS_METRICS: readonly Metric<ProcessMetricsSource>[] = [
  {
    name: "mesh_build_info",
    type: "gauge",
    labels: ["version"],
    help: "1; the version of mesh is in the label.",
    read: () => [[1, softwareVersion()]],
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    labels: [],
    help: "CPU time of all threads, in user and system mode.",
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    labels: [],
    help: "When the process was started, seconds since 1970.",
    read: () => Date.now() / 1000 - process.uptime(),
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    labels: [],
    help: "Resident memory.",
    read: () => process.memoryUsage.rss(),
  },
  {
    name: "process_open_fds",
    type: "gauge",
    labels: [],
    help: "Open file descriptors.",
    // Less the one by which the directory is read.
    read: () => readdirSync("/proc/self/fd").length - 1,
  },
  {
    name: "mesh_active_resources",
    type: "gauge",
    labels: ["type"],
    help: "What keeps the control thread's event loop going, by Node's name for it: sockets, pipes, timers.",
    read: () => countOf(process.getActiveResourcesInfo()),
  },
  {
    name: "mesh_event_loop_busy_seconds_total",
    type: "counter",
    labels: [],
    help: "Time for which the control thread's event loop did something.",
    read: () => performance.eventLoopUtilization().active / 1000,
  },
  {
    name: "mesh_event_loop_delay_seconds",
    type: "histogram",
    labels: [],
    help: "How late timers of the control thread come; measured only where metrics are listened for.",
    read: ({ eventLoopDelay }) => eventLoopDelay?.seconds ?? null,
  },
];

function countOf(words: readonly string[]): MetricSample[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Array.from(counts, ([word, count]) => [count, word]);
}
