import { Histogram } from "./histogram.ts";

/** One value of a metric, and its labels' values in the order of `Metric.labels`. */
export type MetricSample = readonly [number | Histogram, ...string[]];

type Reading = number | null | Histogram | Iterable<MetricSample>;

/**
 * A metric that is read from what counts anyway, when somebody asks for it. Units are seconds and bytes, names as Prometheus
 * has them (https://prometheus.io/docs/practices/naming/). `docs/metrics.md` has a line for each.
 */
export interface Metric<Source> {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  /** One line. */
  readonly help: string;
  /** A single value where there are no labels; null for none at the moment. */
  readonly read: (source: Source) => Reading;
}

/** A metric with the values that it had at one moment; a histogram's are its `_bucket`, `_sum` and `_count`. */
export interface MetricFamily {
  readonly name: string;
  readonly type: Metric<never>["type"];
  readonly help: string;
  readonly samples: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/** Those that have a value at the moment. */
export function readMetrics<Source>(metrics: readonly Metric<Source>[], source: Source): MetricFamily[] {
  return metrics
    .map((metric) => {
      const { name, type, help, read } = metric;
      const samples = samplesOf(read(source)).flatMap(([value, ...labels]) => flat(metric, value, labels));
      return { name, type, help, samples };
    })
    .filter(({ samples }) => samples.length > 0);
}

/** `Content-Type` of what `formatMetrics` writes. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Prometheus's text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function formatMetrics(families: readonly MetricFamily[]): string {
  return families
    .map(({ name, type, help, samples }) => {
      const lines = samples.map((sample) => `${sample.name}${formatLabels(sample.labels)} ${sample.value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function samplesOf(reading: Reading): MetricSample[] {
  if (reading === null) return [];
  return typeof reading === "number" || reading instanceof Histogram ? [[reading]] : [...reading];
}

function flat(
  { name, labels: names }: Pick<Metric<never>, "name" | "labels">,
  value: number | Histogram,
  values: readonly string[],
): MetricFamily["samples"] {
  const labels = Object.fromEntries(names.map((label, i) => [label, values[i] ?? ""]));
  if (typeof value === "number") return [{ name, labels, value }];
  return [
    ...value.buckets.map(({ bound, count }) => ({
      name: `${name}_bucket`,
      labels: { ...labels, le: bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound) },
      value: count,
    })),
    { name: `${name}_sum`, labels, value: value.sum },
    { name: `${name}_count`, labels, value: value.count },
  ];
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join()}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
