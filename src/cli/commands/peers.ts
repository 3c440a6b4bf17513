import type { Command } from "commander";
import { printJson, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

export function registerPeers(program: Command): void {
  program
    .command("peers")
    .description("list the peers that this machine sees")
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../local-client.ts");
      const { peers } = await localClient(options).status();
      if (options.json) printJson(peers);
      else {
        const { renderPeers } = await import("../status-view.ts");
        printLine(renderPeers(peers, Date.now()));
      }
    });
}
