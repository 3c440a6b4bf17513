import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerNetcheck(program: Command): void {
  program
    .command("netcheck")
    .description(
      "measure what this network lets through: UDP, NAT, IPv4 and IPv6, relays, and whether a portal intercepts",
    )
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const reply = await localClient(options).netcheck();
      if (options.json) {
        printJson(reply);
        return;
      }
      const { renderNetcheck } = await import("../views/netcheck-view.ts");
      printLine(renderNetcheck(reply));
    });
}
