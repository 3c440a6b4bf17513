import type { Subsystem } from "./log-levels.ts";

/** The part of a structured logger (pino's shape) that our code uses; secrets never go into `fields`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** For one part of a program: what it says bears its name, and has a level of its own. */
export function loggerOf(subsystem: Subsystem, logger: Logger): Logger {
  return logger.child({ subsystem });
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
