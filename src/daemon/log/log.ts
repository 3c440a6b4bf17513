import pino from "pino";
import { LogLevels } from "../../base/log-levels.ts";
import type { Logger } from "../../base/logger.ts";
import { Redactor } from "../../base/redactor.ts";
import { LeveledLogger } from "./leveled-logger.ts";
import { prettyLogLine } from "./log-line.ts";
import { LogRing } from "./log-ring.ts";

export interface LogOptions {
  readonly format: "pretty" | "json";
  readonly verbose: boolean;
}

/** The log of a long-running command: on stderr, and its latest lines in memory. No secret gets into either. */
export interface Log {
  readonly logger: Logger;
  readonly levels: LogLevels;
  readonly ring: LogRing;
  readonly redactor: Redactor;
}

/** Of what could not be written, kept for when it can be: a disk may be full for a while. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** Written synchronously: what is said last before a crash is not lost. */
export function openLog(options: LogOptions): Log {
  const stderr = pino.destination({ dest: 2, sync: true, maxLength: MAX_WAITING_BYTES });
  // A terminal that is gone (EIO), a disk that is full: nobody can be told, and what is at work goes on.
  stderr.on("error", () => undefined);
  return openLogTo((text) => void stderr.write(text), options);
}

/** @param write takes whole lines */
export function openLogTo(write: (text: string) => void, { format, verbose }: LogOptions): Log {
  const [ring, redactor, levels] = [new LogRing(), new Redactor(), new LogLevels(verbose)];
  const sink = pino(
    {
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    {
      write: (text: string) => {
        const line = redacted(text.trimEnd(), redactor);
        ring.push(line);
        write(`${format === "json" ? line : prettyLogLine(line)}\n`);
      },
    },
  );
  return { logger: new LeveledLogger(sink, levels), levels, ring, redactor };
}

/** A line of JSON, also where what was hidden was no text. */
function redacted(line: string, redactor: Redactor): string {
  const safe = redactor.redact(line);
  if (safe === line) return line;
  try {
    JSON.parse(safe);
    return safe;
  } catch {
    return JSON.stringify({ msg: safe });
  }
}

/** Where nobody asks for the lines later. */
export function createLogger(options: LogOptions): Logger {
  return openLog(options).logger;
}
