import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { confirm } from "../confirm.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

const LOSS = "leaving removes the keys of this machine for good";

export function registerLeave(program: Command): void {
  program
    .command("leave")
    .description("leave the network: deregister, and remove keys and state from this machine")
    .option("--yes", "do not ask")
    .action(async ({ yes }: { yes?: boolean }, command: Command) => {
      const options = await peerGlobals(command);
      const { resolveHome, selectNetwork } = await import("../../daemon/networks/home.ts");
      const home = resolveHome(options.home);
      const network = selectNetwork(home, options.network);
      if (network === undefined) throw new MeshError("needs-join", "this machine has joined no network");
      if (yes !== true) await confirm(`Leave ${network} and remove its keys from this machine?`, LOSS);
      const { leaveNetwork } = await import("../leave-network.ts");
      const { deregistered } = await leaveNetwork(home, network, options);
      if (options.json) printJson({ network, left: true, deregistered });
      else if (deregistered) printLine(`left ${network}`);
      else printLine(`left ${network}; the coordinator could not be told, ask an admin to delete the peer`);
    });
}
