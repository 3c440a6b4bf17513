import pino from "pino";
import type { Logger } from "../base/logger.ts";

export interface LogOptions {
  readonly format: "pretty" | "json";
  readonly verbose: boolean;
}

/** The log of a long-running command, on stderr. Written synchronously: what is said last before a crash is not lost. */
export function createLogger({ format, verbose }: LogOptions): Logger {
  const level = verbose ? "debug" : "info";
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const stderr = pino.destination({ dest: 2, sync: true });
  if (format === "json") return pino(options, stderr);
  return pino(options, { write: (line: string) => void stderr.write(`${prettyLogLine(line)}\n`) });
}

const LEVEL_NAMES: ReadonlyMap<unknown, string> = new Map([
  [20, "debug"],
  [30, "info"],
  [40, "warn"],
  [50, "error"],
]);

/** `2026-01-31T12:00:00.000Z warn  message key=value` for one JSON line of the log. */
export function prettyLogLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return line.trimEnd();
  }
  const { level, time, msg, ...rest } = fields;
  const extra = Object.entries(rest).map(([key, value]) => ` ${key}=${renderValue(value)}`);
  const levelName = LEVEL_NAMES.get(level) ?? String(level);
  return `${String(time)} ${levelName.padEnd(5)} ${String(msg ?? "")}${extra.join("")}`;
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) || value === "" ? JSON.stringify(value) : value;
  if (typeof value === "object" && value !== null && "stack" in value) return JSON.stringify(value.stack);
  return JSON.stringify(value) ?? String(value);
}
