import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerDown(program: Command): void {
  program
    .command("down")
    .description("stop the traffic, undo the changes to this host, and end the daemon")
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { waitUntilGone } = await import("../wait-until-gone.ts");
      const client = localClient(options);
      const { state, ends } = await client.down().catch(async (failure: unknown) => {
        const { withHintOfLeftovers } = await import("../views/show-host-changes.ts");
        throw await withHintOfLeftovers(failure, options);
      });
      if (ends) await waitUntilGone(client);
      if (options.json) printJson({ network: client.network, state });
      else printLine(`${client.network} is down`);
    });
}
