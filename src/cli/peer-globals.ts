import type { Command } from "commander";
import { findConfig } from "./config-search.ts";
import { type GlobalOptions, globalOptions } from "./globals.ts";

/** The global options of a command that talks to the daemon: home and network may also stand in the configuration file. */
export async function peerGlobals(command: Command): Promise<GlobalOptions> {
  const options = globalOptions(command);
  const file = findConfig("peer", undefined);
  if (file === undefined || (options.home !== undefined && options.network !== undefined)) return options;
  const { loadPeerConfig } = await import("../api/peer-config.ts");
  const config = await loadPeerConfig(file);
  return { ...options, home: options.home ?? config.home, network: options.network ?? config.network };
}
