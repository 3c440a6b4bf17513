import type { PeerConfig } from "../../api/peer-config.ts";
import type { Logger } from "../../base/logger.ts";
import type { Daemon } from "../../daemon/daemon.ts";
import type { PeerPlan } from "../../daemon/peer-plan.ts";
import { notifyService } from "../../daemon/sd-notify.ts";
import { beats, startWatchdog } from "../../daemon/watchdog.ts";
import type { GlobalOptions } from "../options/globals.ts";
import { progressPrinter } from "../views/progress-view.ts";
import { announceToParent, childKind } from "./child-daemon.ts";
import { aborted, endSignal } from "./end-signal.ts";
import { Reloads } from "./reloads.ts";
import { changedKeys, sayLate } from "./take-listening.ts";

/** What flags and file come to. */
export interface PeerRun {
  readonly plan: PeerPlan;
  readonly globals: GlobalOptions;
  readonly config: PeerConfig;
}

/** Of the file, what a daemon that runs does not take up: the others are settings, or for joining. */
const AT_START: Partial<Record<keyof PeerConfig, string>> = {
  home: "home",
  network: "network",
  logFormat: "log_format",
  verbose: "verbose",
};

/**
 * Runs the daemon until a signal, `mesh down`, `mesh leave` or a failure of the data plane ends it.
 * @param reread flags and file once more
 */
export async function runInForeground(run: PeerRun, reread: () => Promise<PeerRun>): Promise<void> {
  const { plan, globals } = run;
  const { openLog } = await import("../../daemon/log/log.ts");
  const { runPeer } = await import("../../daemon/run-peer.ts");
  const log = openLog({ format: globals.logFormat, verbose: globals.verbose });
  const progress = childKind() === undefined ? progressPrinter(globals) : announceToParent;
  const reloads = new Reloads(log.logger);
  const stop = endSignal(() => reloads.ask());
  // A signal cuts short the wait for a coordinator; the rest of a start is quick, and ends right after it.
  const peer = await runPeer(plan, { ...log, progress, signal: stop });
  using _ = startWatchdog({ logger: log.logger, isAlive: beats(() => peer.daemon.session) });
  try {
    notifyService("READY=1");
    reloads.serve(async () => takeUp({ started: run, next: await reread() }, peer.daemon, log.logger));
    await Promise.race([aborted(stop), peer.daemon.ended]);
  } finally {
    await reloads.close();
    notifyService("STOPPING=1");
    await peer[Symbol.asyncDispose]();
  }
}

/** Starts the same command again in the background, tells what it tells, and returns once it runs. */
export async function runDetached(run: PeerRun, reread: () => Promise<PeerRun>): Promise<void> {
  if (childKind() !== undefined) return runInForeground(run, reread);
  const { startDetached } = await import("./start-detached.ts");
  await startDetached(run.plan, progressPrinter(run.globals));
}

/** As `mesh up` has a running daemon do. @throws MeshError as `Daemon.settle` */
async function takeUp(
  { started, next }: { readonly started: PeerRun; readonly next: PeerRun },
  daemon: Daemon,
  logger: Logger,
): Promise<void> {
  const { settleRequest } = await import("./settle-request.ts");
  const { changed, rebuilt } = await daemon.settle({ ...settleRequest(next.plan), reset: false });
  logger.info({ changed, rebuilt }, "the configuration is read again");
  sayLate(changedKeys(AT_START, started.config, next.config), logger);
}
