import { MeshError } from "../base/errors.ts";
import { forgetNetwork } from "../daemon/networks/forget-network.ts";
import type { Home } from "../daemon/networks/home.ts";
import { LocalClient } from "./clients/local-client.ts";
import type { GlobalOptions } from "./options/globals.ts";
import { waitUntilGone } from "./wait-until-gone.ts";

/** Through the daemon where one runs, else right here. */
export async function leaveNetwork(
  home: Home,
  network: string,
  options: GlobalOptions,
): Promise<{ readonly deregistered: boolean }> {
  const client = new LocalClient(home, network);
  try {
    const reply = await client.leave();
    await waitUntilGone(client);
    return reply;
  } catch (failure) {
    if (!(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
  }
  const { createLogger } = await import("../daemon/log/log.ts");
  return forgetNetwork(home, network, createLogger({ format: options.logFormat, verbose: options.verbose }));
}
