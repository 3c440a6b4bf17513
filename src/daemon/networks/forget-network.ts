import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { takeBackHostChanges } from "../../host/changes/host-changes.ts";
import { underlaySockets } from "../../host/underlay/underlay-sockets.ts";
import { deregister } from "../membership/deregister.ts";
import { loadKeys } from "../membership/identity.ts";
import { withdrawNotice } from "../neighbours/neighbours.ts";
import { underlayDial } from "../session/underlay-dial.ts";
import { type Home, listNetworks, networkPaths } from "./home.ts";
import { lockNetwork } from "./network-lock.ts";
import { DEFAULT_SETTINGS, NetworkState } from "./network-state.ts";
import { removeNetwork } from "./remove-network.ts";
import { requireAllTakenBack } from "./undo-host-changes.ts";

/**
 * Leaves a network for which no daemon runs.
 * @throws MeshError `needs-join` where there is nothing to leave, `host-change-failed` where something of a killed daemon's
 *   stays on this host: it is no leave then
 */
export async function forgetNetwork(
  home: Home,
  network: string,
  logger: Logger,
): Promise<{ readonly deregistered: boolean }> {
  if (!listNetworks(home).includes(network)) {
    throw new MeshError("needs-join", `this machine has not joined a network called ${network}`);
  }
  const paths = networkPaths(home, network);
  const lock = await lockNetwork(paths);
  try {
    // Before the journal goes, by which alone they can be taken back.
    requireAllTakenBack(await takeBackHostChanges(paths.journalFile, { logger }));
    await withdrawNotice(paths);
    const deregistered = await tellCoordinator(paths.directory, logger);
    await removeNetwork(home, network);
    return { deregistered };
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** False where it could not be told: also one whose files are damaged can be left. */
async function tellCoordinator(directory: string, logger: Logger): Promise<boolean> {
  const state = new NetworkState(directory);
  try {
    const keys = await loadKeys(directory);
    const enrolment = await state.enrolment.read();
    if (keys === undefined || enrolment === undefined) return true;
    const { fwmark } = (await state.settings.read()) ?? DEFAULT_SETTINGS;
    return await deregister(enrolment, keys, { dial: underlayDial(underlaySockets(fwmark)), logger });
  } catch (failure) {
    if (asMeshError(failure).code !== "state-damaged") throw failure;
    logger.warn({ err: failure }, "the coordinator cannot be told that this machine leaves");
    return false;
  }
}
