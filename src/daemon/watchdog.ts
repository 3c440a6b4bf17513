import type { Logger } from "../base/logger.ts";
import { notifyService } from "./sd-notify.ts";

export interface WatchdogDeps {
  readonly logger: Logger;
  /** Whether all that has to move has moved since the last question. */
  readonly isAlive?: () => boolean;
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * Pings the service manager's watchdog (sd_watchdog_enabled(3)) twice in its time, as long as this event loop turns and
 * `isAlive` says yes; without pings the service manager ends and restarts us. Does nothing where no watchdog waits.
 */
export function startWatchdog({ logger, isAlive = () => true, environment = process.env }: WatchdogDeps): Disposable {
  const socket = environment.NOTIFY_SOCKET;
  const limitMs = Number(environment.WATCHDOG_USEC) / 1000;
  const isOurs = (environment.WATCHDOG_PID ?? String(process.pid)) === String(process.pid);
  if (!(limitMs > 0) || !isOurs || socket === undefined) return { [Symbol.dispose]: () => undefined };
  const ping = () => {
    if (isAlive()) notifyService("WATCHDOG=1", socket);
    else logger.error({}, "the data thread does not move: the service manager's watchdog is not told that all is well");
  };
  ping();
  const timer = setInterval(ping, limitMs / 2).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** What answers when it is woken: the data thread, seen from here. */
export interface Pulse {
  /** Wakes it, and says how often it has answered so far. */
  pulse(): number;
}

/** @param current undefined while there is nothing that could stand still */
export function beats(current: () => Pulse | undefined): () => boolean {
  let heard: Pulse | undefined;
  let answers = 0;
  return () => {
    const next = current();
    const isSame = next === heard;
    const before = answers;
    heard = next;
    answers = next?.pulse() ?? 0;
    return next === undefined || !isSame || answers !== before;
  };
}
