import { loadServerConfig } from "../../api/server-config.ts";
import { coordinatorSocketPath, type Home, resolveHome } from "../../daemon/networks/home.ts";
import { findConfig } from "../options/config-search.ts";
import type { GlobalOptions } from "../options/globals.ts";

/** Of the coordinator on this host; both may also stand in its configuration file. */
export async function coordinatorHome(
  options: GlobalOptions,
): Promise<{ readonly home: Home; readonly adminSocketPath: string }> {
  const file = findConfig("server", undefined);
  const config = options.home === undefined && file !== undefined ? await loadServerConfig(file) : undefined;
  const home = resolveHome(options.home ?? config?.home);
  return { home, adminSocketPath: config?.adminSocketPath ?? coordinatorSocketPath(home) };
}
