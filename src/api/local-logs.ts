import { z } from "zod";
import { LOG_LEVEL_NAMES, LOG_LEVELS } from "../base/log-levels.ts";

const MAX_LINES = 1000;

/** The query of `GET /v1/logs`. */
export const logsRequestSchema = z.strictObject({
  /** The latest so many. */
  lines: z.coerce.number().int().min(0).max(MAX_LINES).default(100),
  /** This level and worse. */
  level: z
    .enum(LOG_LEVEL_NAMES)
    .default("debug")
    .transform((name) => LOG_LEVELS[name]),
  /** Go on with every line to come. */
  follow: z
    .enum(["true", "false"])
    .default("false")
    .transform((word) => word === "true"),
});

export type LogsRequest = z.output<typeof logsRequestSchema>;

/** A line of its answer: what was logged, or how many lines a slow reader has missed. */
export const logLineSchema = z.union([
  z.strictObject({ entry: z.looseObject({ level: z.number().optional(), msg: z.string().optional() }) }),
  z.strictObject({ skipped: z.number() }),
]);
export type LogLine = z.output<typeof logLineSchema>;
