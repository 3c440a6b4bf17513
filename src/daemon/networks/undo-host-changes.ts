import type { HostChangeView } from "../../api/local-host.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { describeChange } from "../../host/changes/host-change.ts";
import { type TakenBack, takeBackHostChanges } from "../../host/changes/host-changes.ts";
import { requireNetAdmin } from "../../host/preflight.ts";
import { changeView } from "../host-view.ts";
import { withdrawNotice } from "../neighbours/neighbours.ts";
import { type Home, listNetworks, networkPaths } from "./home.ts";
import { lockNetwork } from "./network-lock.ts";

/**
 * Takes back what a daemon that is gone left on this host, the guard of an exit too.
 *
 * @throws MeshError `needs-join` for a network that is not known here; `already-running`, `missing-capability`: nothing is
 *   changed then; `host-change-failed` where something could not be taken back
 */
export async function undoHostChanges(
  home: Home,
  network: string,
  logger: Logger,
): Promise<{ readonly undone: readonly HostChangeView[] }> {
  if (!listNetworks(home).includes(network)) {
    throw new MeshError("needs-join", `this machine has not joined a network called ${network}`);
  }
  requireNetAdmin();
  const paths = networkPaths(home, network);
  await using _lock = await lockNetwork(paths).catch((failure: unknown) => {
    if (!(failure instanceof MeshError) || failure.code !== "already-running") throw failure;
    throw new MeshError("already-running", failure.message, {
      hint: "The daemon takes its changes back itself: `mesh down`.",
      cause: failure,
    });
  });
  const takenBack = await takeBackHostChanges(paths.journalFile, { logger });
  requireAllTakenBack(takenBack);
  await withdrawNotice(paths);
  return { undone: takenBack.undone.map(changeView) };
}

/** @throws MeshError `host-change-failed` */
export function requireAllTakenBack({ undone, left }: TakenBack): void {
  if (left.length === 0) return;
  const named = left.map(({ change }) => describeChange(change)).join("; ");
  throw new MeshError(
    "host-change-failed",
    `not taken back: ${named} (and ${undone.length} other ${undone.length === 1 ? "change was" : "changes were"})`,
    { hint: "Run `mesh undo` again once what is in the way is gone; the log says what the system's tools said." },
  );
}
