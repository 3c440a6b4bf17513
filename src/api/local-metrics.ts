import { z } from "zod";

/** Answer of `GET /v1/metrics`; see `MetricFamily`. */
export const metricsSchema = z.object({
  metrics: z.array(
    z.object({
      name: z.string(),
      type: z.enum(["counter", "gauge", "histogram"]),
      help: z.string(),
      samples: z.array(z.object({ name: z.string(), labels: z.record(z.string(), z.string()), value: z.number() })),
    }),
  ),
});
export type Metrics = z.output<typeof metricsSchema>;
