import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerWhois(program: Command): void {
  program
    .command("whois <peer>")
    .description("say whose a name, an address in the mesh or a public key is")
    .action(async (word: string, _options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { machineOf, renderMachine } = await import("../views/whois-view.ts");
      const machine = machineOf(await localClient(options).status(), word);
      const { name, ip4, ip6, cidr, publicKey, peer } = machine;
      if (options.json) printJson({ name, ip4, ip6, cidr, publicKey, peer });
      else printLine(renderMachine(machine, Date.now()));
    });
}
