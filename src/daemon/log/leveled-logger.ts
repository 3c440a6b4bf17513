import type { LogLevel, LogLevels } from "../../base/log-levels.ts";
import type { Logger } from "../../base/logger.ts";

/** Says what the levels allow at that moment, which may change as it runs: pino's own children keep theirs. */
export class LeveledLogger implements Logger {
  readonly #sink: Logger;
  readonly #levels: LogLevels;
  readonly #subsystem: string | undefined;

  /** @param sink lets everything through */
  constructor(sink: Logger, levels: LogLevels, subsystem?: string) {
    this.#sink = sink;
    this.#levels = levels;
    this.#subsystem = subsystem;
  }

  debug(fields: object, message: string): void {
    this.#say("debug", fields, message);
  }

  info(fields: object, message: string): void {
    this.#say("info", fields, message);
  }

  warn(fields: object, message: string): void {
    this.#say("warn", fields, message);
  }

  error(fields: object, message: string): void {
    this.#say("error", fields, message);
  }

  child(fields: { readonly subsystem?: string }): Logger {
    return new LeveledLogger(this.#sink.child(fields), this.#levels, fields.subsystem ?? this.#subsystem);
  }

  #say(level: LogLevel, fields: object, message: string): void {
    if (this.#levels.allows(level, this.#subsystem)) this.#sink[level](fields, message);
  }
}
