import type { Command } from "commander";
import { findConfig } from "./config-search.ts";
import { type GlobalOptions, globalOptions } from "./globals.ts";

/** The global options of a command that talks to the daemon. */
export function peerGlobals(command: Command): Promise<GlobalOptions> {
  return withPeerConfig(globalOptions(command));
}

/** Home and network may also stand in the configuration file. */
export async function withPeerConfig(options: GlobalOptions): Promise<GlobalOptions> {
  const file = findConfig("peer", undefined);
  if (file === undefined || (options.home !== undefined && options.network !== undefined)) return options;
  const { loadPeerConfig } = await import("../../api/peer-config.ts");
  const config = await loadPeerConfig(file);
  return { ...options, home: options.home ?? config.home, network: options.network ?? config.network };
}
