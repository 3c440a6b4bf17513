import type { PeerPlan } from "../daemon/peer-plan.ts";
import { notifyService } from "../daemon/sd-notify.ts";
import { beats, startWatchdog } from "../daemon/watchdog.ts";
import { announceToParent, childKind } from "./child-daemon.ts";
import { aborted, endSignal } from "./end-signal.ts";
import type { GlobalOptions } from "./globals.ts";
import { progressPrinter } from "./progress-view.ts";

/** Runs the daemon until a signal, `mesh down`, `mesh leave` or a failure of the data plane ends it. */
export async function runInForeground(plan: PeerPlan, globals: GlobalOptions): Promise<void> {
  const { openLog } = await import("../daemon/log.ts");
  const { runPeer } = await import("../daemon/run-peer.ts");
  const log = openLog({ format: globals.logFormat, verbose: globals.verbose });
  const progress = childKind() === undefined ? progressPrinter(globals) : announceToParent;
  const stop = endSignal();
  // A signal cuts short the wait for a coordinator; the rest of a start is quick, and ends right after it.
  const peer = await runPeer(plan, { ...log, progress, signal: stop });
  using _ = startWatchdog({ logger: log.logger, isAlive: beats(() => peer.daemon.session) });
  try {
    notifyService("READY=1");
    await Promise.race([aborted(stop), peer.daemon.ended]);
  } finally {
    notifyService("STOPPING=1");
    await peer[Symbol.asyncDispose]();
  }
}

/** Starts the same command again in the background, tells what it tells, and returns once it runs. */
export async function runDetached(plan: PeerPlan, globals: GlobalOptions): Promise<void> {
  if (childKind() !== undefined) return runInForeground(plan, globals);
  const { startDetached } = await import("./start-detached.ts");
  await startDetached(plan, progressPrinter(globals));
}
