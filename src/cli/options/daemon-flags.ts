import type { Command } from "commander";
import { MAX_ADVERTISED_ROUTES, MAX_SSH_PORTS } from "../../api/bounds.ts";
import { PEER_SUBSYSTEMS } from "../../base/log-levels.ts";
import { TRANSPORT_NAMES, type TransportName } from "../../base/transports.ts";
import { logLevelHelp, METRICS_LISTEN_HELP } from "./listening-flags.ts";
import {
  collect,
  fwmarkOption,
  integerOption,
  networksOption,
  portsOption,
  transportsOption,
} from "./option-parsers.ts";

/** Flags of `join` and `up` that say how the daemon runs. */
export interface DaemonFlags {
  readonly config?: string;
  readonly interface?: string;
  readonly listenPort?: number;
  readonly sshPort?: number[];
  readonly fwmark?: number;
  readonly mtu?: number;
  readonly transports?: TransportName[];
  readonly allowExitTraffic?: boolean;
  readonly advertiseRoutes?: string[];
  readonly snatRoutes?: boolean;
  readonly acceptRoutes?: boolean;
  readonly exitNode?: string;
  readonly exitAllowLan?: boolean;
  readonly dns?: boolean;
  readonly localGroup?: string;
  readonly metricsListen?: string[];
  readonly logLevel?: string[];
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
    .option(
      "--ssh-port <port>",
      "TCP port of the SSH server for peers; may be repeated; off for none (default: 2222)",
      portsOption("--ssh-port", MAX_SSH_PORTS),
    )
    .option(
      "--fwmark <mark>",
      "firewall mark of all that is sent to the underlay; off for none (default: 0x2086)",
      fwmarkOption("--fwmark"),
    )
    .option("--mtu <bytes>", "largest packet inside the tunnel (default: 1420)", integerOption("--mtu", 576, 65475))
    .option(
      "--transports <list>",
      `what may carry traffic to peers, best first (default: ${TRANSPORT_NAMES.join()})`,
      transportsOption("--transports"),
    )
    .option("--allow-exit-traffic", "offer to be an exit: carry the peers' traffic to the internet (docs/exit.md)")
    .option("--no-allow-exit-traffic", "offer that no more")
    .option(
      "--advertise-routes <cidrs>",
      "networks behind this machine, for peers to reach through it; may be repeated; off for none",
      networksOption("--advertise-routes", MAX_ADVERTISED_ROUTES),
    )
    .option("--snat-routes", "what goes there bears this machine's address (default)")
    .option("--no-snat-routes", "what goes there bears the peer's address in the mesh: that network needs a way back")
    .option("--accept-routes", "reach the networks behind other peers through these")
    .option("--no-accept-routes", "leave them aside (default)")
    .option(
      "--exit-node <peers>",
      "send to the internet through this peer alone; several, with commas, in order; tag:T; off for none (docs/exit-use.md)",
    )
    .option("--exit-allow-lan", "with an exit, keep the local network within reach")
    .option("--no-exit-allow-lan", "cut it off (default)")
    .option("--dns", "have a name server for the mesh on this machine (default; docs/dns.md)")
    .option("--no-dns", "have none")
    .option(
      "--local-group <group>",
      "group whose members may use this daemon, but for what is root's alone; off for none (default; docs/local-api.md)",
    )
    .option("--metrics-listen <address>", METRICS_LISTEN_HELP, collect)
    .option("--log-level <level>", logLevelHelp(PEER_SUBSYSTEMS), collect)
    .option("--detach", "run in the background");
}
