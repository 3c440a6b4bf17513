import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerKeys(program: Command): void {
  const keys = program.command("keys").description("the keys of this machine");
  keys
    .command("rotate")
    .description("make another WireGuard key; connections go on after a moment")
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const rotated = await localClient(options).rotateKeys();
      if (options.json) printJson(rotated);
      else printLine(`the WireGuard key is ${rotated.publicKey} now`);
    });
}
