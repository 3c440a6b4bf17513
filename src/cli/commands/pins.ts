import type { Command } from "commander";
import { printJson, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

export function registerPins(program: Command): void {
  const pins = program.command("pins").description("the keys that this machine holds its peers to");
  pins
    .command("forget <peer>")
    .description("trust the keys of a peer anew, after its machine was replaced")
    .action(async (peer: string, _options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../local-client.ts");
      await localClient(options).forgetPin(peer);
      if (options.json) printJson({ peer, forgotten: true });
      else printLine(`the keys of ${peer} will be trusted anew`);
    });
}
