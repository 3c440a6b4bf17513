import { childKind } from "./child-daemon.ts";

const END_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Aborted by the first signal that asks for the end; later ones change nothing. */
export function endSignal(signals: readonly NodeJS.Signals[] = END_SIGNALS): AbortSignal {
  const controller = new AbortController();
  const isMember = childKind() === "member";
  for (const name of signals) {
    process.on(name, () => {
      // A terminal's go to all of its group: what they mean for a member, its coordinator says.
      if (!isMember || name === "SIGTERM") controller.abort();
    });
  }
  if (isMember) {
    // Killed or crashed, the coordinator says no word; waiting for one keeps no process alive.
    process.once("disconnect", () => controller.abort());
    process.channel?.unref();
    if (!process.connected) controller.abort();
  }
  return controller.signal;
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
