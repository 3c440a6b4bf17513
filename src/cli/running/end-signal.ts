import { isatty } from "node:tty";
import { childKind } from "./child-daemon.ts";

/**
 * Aborted by the first signal that asks for the end; later ones change nothing. SIGHUP has two meanings (signal(7) knows the
 * first, daemons the second): a terminal sends it as it goes away, which asks for the end, and a person who has changed the
 * configuration, which calls `onReload`. Without one it asks for the end as well.
 */
export function endSignal(onReload?: () => void): AbortSignal {
  const controller = new AbortController();
  const isMember = childKind() === "member";
  const hasHungUp = terminalWatch();
  const end = (signal: NodeJS.Signals) => {
    // A terminal's go to all of its group: what they mean for a member, its coordinator says.
    if (!isMember || signal === "SIGTERM") controller.abort();
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  process.on("SIGHUP", (signal) => {
    if (onReload === undefined || hasHungUp()) end(signal);
    else onReload();
  });
  if (isMember) {
    // Killed or crashed, the coordinator says no word; waiting for one keeps no process alive.
    process.once("disconnect", () => controller.abort());
    process.channel?.unref();
    if (!process.connected) controller.abort();
  }
  return controller.signal;
}

/**
 * Whether the terminal is gone that this process has now: its descriptors are none any more by the time the signal comes
 * (`tty_vhangup` in Linux). Who has none of it, as under nohup(1), was not started to end with it.
 */
function terminalWatch(): () => boolean {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  return () => terminals.some((fd) => !isatty(fd));
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
