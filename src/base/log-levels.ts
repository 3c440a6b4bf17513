/** pino's numbers. */
export const LOG_LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;
export type LogLevel = keyof typeof LOG_LEVELS;
export const LOG_LEVEL_NAMES = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];

/** Parts of a peer's daemon that speak from a level of their own on. What is of none of them goes by `default`. */
export const PEER_SUBSYSTEMS = [
  "api",
  "control",
  "dns",
  "exit",
  "host",
  "nat",
  "paths",
  "relay",
  "router",
  "ssh",
] as const;
/** Those of a coordinator, and of a stand-alone relay. */
export const SERVER_SUBSYSTEMS = ["control", "http", "relay", "stun"] as const;
export type Subsystem = (typeof PEER_SUBSYSTEMS)[number] | (typeof SERVER_SUBSYSTEMS)[number];

/** From which level on, by subsystem, and by `default` for all others. */
export type AskedLevels = Readonly<Record<string, LogLevel>>;

/** `[SUBSYSTEM=]LEVEL`, as flags have it. */
export function logLevelsOf(words: readonly string[] | undefined): Record<string, string> | undefined {
  const pairs = words?.map((word): [string, string] => {
    const [first = "", second] = word.split("=", 2);
    return second === undefined ? ["default", first] : [first, second];
  });
  return pairs === undefined ? undefined : Object.fromEntries(pairs);
}

/** What is logged of a program; a change holds from the next line on. */
export class LogLevels {
  readonly #isVerbose: boolean;
  #asked: AskedLevels = {};

  /** @param isVerbose from `debug` on where nothing else is asked for, not from `info` on */
  constructor(isVerbose: boolean) {
    this.#isVerbose = isVerbose;
  }

  use(asked: AskedLevels): void {
    this.#asked = asked;
  }

  allows(level: LogLevel, subsystem: string | undefined): boolean {
    const own = subsystem === undefined ? undefined : this.#asked[subsystem];
    const least = own ?? this.#asked.default ?? (this.#isVerbose ? "debug" : "info");
    return LOG_LEVELS[level] >= LOG_LEVELS[least];
  }
}
