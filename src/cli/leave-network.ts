import { MeshError } from "../base/errors.ts";
import { forgetNetwork } from "../daemon/forget-network.ts";
import type { Home } from "../daemon/home.ts";
import type { GlobalOptions } from "./globals.ts";
import { LocalClient } from "./local-client.ts";
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
  const { createLogger } = await import("../daemon/log.ts");
  return forgetNetwork(home, network, createLogger({ format: options.logFormat, verbose: options.verbose }));
}
