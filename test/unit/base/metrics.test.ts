import { describe, expect, it } from "vitest";
import { Histogram } from "../../../src/base/histogram.ts";
import { formatMetrics, type Metric, readMetrics } from "../../../src/base/metrics.ts";

describe("metrics as text", () => {
  it("escape what labels may hold, and leave out what has no value", () => {
    const metrics: readonly Metric<null>[] = [
      { name: "a_total", type: "counter", labels: ["who"], help: "Of a.", read: () => [[1, 'x"\\\n']] },
      { name: "b", type: "gauge", labels: [], help: "Of b.", read: () => null },
    ];
    const expected = '# HELP a_total Of a.\n# TYPE a_total counter\na_total{who="x\\"\\\\\\n"} 1\n';
    expect(formatMetrics(readMetrics(metrics, null))).toBe(expected);
  });

  it("have a histogram's buckets each with all that is below", () => {
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0.1, 0.5, 3]) histogram.observe(value);
    const metric: Metric<null> = { name: "h", type: "histogram", labels: [], help: "Of h.", read: () => histogram };
    expect(
      formatMetrics(readMetrics([metric], null))
        .split("\n")
        .slice(2, -1),
    ).toEqual(['h_bucket{le="0.1"} 1', 'h_bucket{le="1"} 2', 'h_bucket{le="+Inf"} 3', "h_sum 3.6", "h_count 3"]);
  });
});
