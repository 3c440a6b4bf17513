import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { deregister } from "./deregister.ts";
import { type Home, listNetworks, networkPaths } from "./home.ts";
import { loadKeys } from "./identity.ts";
import { lockNetwork } from "./network-lock.ts";
import { NetworkState } from "./network-state.ts";
import { removeNetwork } from "./remove-network.ts";

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
    const enrolment = await new NetworkState(paths.directory).enrolment.read();
    const deregistered =
      keys !== undefined && enrolment !== undefined ? await deregister(enrolment, keys, logger) : true;
    await removeNetwork(home, network);
    return { deregistered };
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}
