import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { printJson, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

export function registerLeave(program: Command): void {
  program
    .command("leave")
    .description("leave the network: deregister, and remove keys and state from this machine")
    .option("--yes", "do not ask")
    .action(async ({ yes }: { yes?: boolean }, command: Command) => {
      const options = await peerGlobals(command);
      const { resolveHome, selectNetwork } = await import("../../daemon/home.ts");
      const home = resolveHome(options.home);
      const network = selectNetwork(home, options.network);
      if (network === undefined) throw new MeshError("needs-join", "this machine has joined no network");
      if (yes !== true) await confirm(`Leave ${network} and remove its keys from this machine?`);
      const { leaveNetwork } = await import("../leave-network.ts");
      const { deregistered } = await leaveNetwork(home, network, options);
      if (options.json) printJson({ network, left: true, deregistered });
      else if (deregistered) printLine(`left ${network}`);
      else printLine(`left ${network}; the coordinator could not be told, ask an admin to delete the peer`);
    });
}

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new MeshError("bad-usage", "leaving removes the keys of this machine for good", {
      hint: "Add --yes to do it without being asked.",
    });
  }
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await prompt.question(`${question} [y/N] `)).trim().toLowerCase();
    if (answer !== "y" && answer !== "yes") throw new MeshError("bad-usage", "nothing was done");
  } finally {
    prompt.close();
  }
}
