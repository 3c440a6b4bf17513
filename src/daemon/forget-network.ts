import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { underlaySockets } from "../host/underlay/underlay-sockets.ts";
import { deregister } from "./deregister.ts";
import { type Home, listNetworks, networkPaths } from "./home.ts";
import { loadKeys } from "./identity.ts";
import { lockNetwork } from "./network-lock.ts";
import { DEFAULT_SETTINGS, NetworkState } from "./network-state.ts";
import { removeNetwork } from "./remove-network.ts";
import { underlayDial } from "./underlay-dial.ts";

/** Leaves a network for which no daemon runs. @throws MeshError `needs-join` where there is nothing to leave */
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
    const keys = await loadKeys(paths.directory);
    const state = new NetworkState(paths.directory);
    const enrolment = await state.enrolment.read();
    const { fwmark } = (await state.settings.read()) ?? DEFAULT_SETTINGS;
    const dial = underlayDial(underlaySockets(fwmark));
    const deregistered =
      keys !== undefined && enrolment !== undefined ? await deregister(enrolment, keys, { dial, logger }) : true;
    await removeNetwork(home, network);
    return { deregistered };
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}
