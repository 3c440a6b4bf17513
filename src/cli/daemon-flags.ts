import type { Command } from "commander";
import type { TransportName } from "../api/path-preference.ts";
import { integerOption, transportsOption } from "./option-parsers.ts";

/** Flags of `join` and `up` that say how the daemon runs. */
export interface DaemonFlags {
  readonly config?: string;
  readonly interface?: string;
  readonly listenPort?: number;
  readonly mtu?: number;
  readonly transports?: TransportName[];
  readonly detach?: boolean;
}

export function addDaemonOptions(command: Command): Command {
  return command
    .option("--config <file>", "configuration file")
    .option("--interface <name>", "network interface (default: mesh0)")
    .option(
      "--listen-port <port>",
      "UDP port, 0 for any free one (default: 51820)",
      integerOption("--listen-port", 0, 65535),
    )
    .option("--mtu <bytes>", "largest packet inside the tunnel (default: 1420)", integerOption("--mtu", 576, 65475))
    .option(
      "--transports <list>",
      "what may carry traffic to peers, best first (default: udp,ssh,relay)",
      transportsOption("--transports"),
    )
    .option("--detach", "run in the background");
}
