import { MeshError } from "../../base/errors.ts";
import { listNetworks, networkPaths, resolveHome, selectNetwork } from "../../daemon/networks/home.ts";
import type { GlobalOptions } from "../options/globals.ts";
import { withPeerConfig } from "../options/peer-globals.ts";
import { coordinatorHome } from "../running/coordinator-home.ts";
import { UnixHttp } from "./unix-http.ts";

/** A way to the coordinator's admin API. */
export type AdminDoor = Pick<UnixHttp, "call" | "bytes">;

/**
 * The coordinator's admin socket where one runs on this host, else the daemon of the network that is meant, which passes
 * on what is asked in the name of this machine. A network that `--network` names and this machine has joined is that one,
 * whatever coordinator runs here.
 */
export async function openAdminDoor(options: GlobalOptions): Promise<AdminDoor> {
  const { home, network } = options;
  if (network !== undefined && listNetworks(resolveHome(home)).includes(network)) return daemonDoor(options);
  const nobody = noCoordinator("");
  const coordinator = new UnixHttp((await coordinatorHome(options)).adminSocketPath, () => nobody);
  const ask = async <T>(question: (door: AdminDoor) => Promise<T>): Promise<T> => {
    try {
      return await question(coordinator);
    } catch (failure) {
      // Nobody there, so nothing was sent.
      if (failure !== nobody) throw failure;
    }
    return question(await daemonDoor(options));
  };
  return {
    call: (call, schema) => ask((door) => door.call(call, schema)),
    bytes: (call) => ask((door) => door.bytes(call)),
  };
}

async function daemonDoor(options: GlobalOptions): Promise<AdminDoor> {
  const { home: directory, network: wanted } = await withPeerConfig(options);
  const home = resolveHome(directory);
  const network = selectNetwork(home, wanted);
  if (network === undefined) throw noCoordinator("");
  return new UnixHttp(networkPaths(home, network).socketPath, () =>
    noCoordinator(`, and no daemon of the network ${network}`),
  );
}

function noCoordinator(norDaemon: string): MeshError {
  return new MeshError("no-coordinator", `no coordinator is running on this host${norDaemon}`, {
    hint: "Run this on the coordinator's host, or on an admin peer while its daemon runs (`mesh up`).",
  });
}
