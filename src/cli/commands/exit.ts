import type { Command } from "commander";
import type { ExitUseView } from "../../api/local-exit.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { ExitStatus, MeshError } from "../../base/errors.ts";
import type { ExitHolder } from "../exit-holder.ts";
import { globalOptions } from "../options/globals.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

/** Handlers load what they need when they run: other commands do not pay for it. */
async function clientOf(command: Command) {
  const options = await peerGlobals(command);
  const { localClient } = await import("../clients/local-client.ts");
  return { client: localClient(options), json: options.json };
}

interface UseFlags {
  readonly exitAllowLan?: boolean;
  readonly confirmWithin?: string;
}

async function printUse(use: ExitUseView, json: boolean): Promise<void> {
  const { renderUse } = await import("../views/exit-view.ts");
  if (json) printJson(use);
  else printLine(renderUse(use));
}

export function registerExit(program: Command, holder: ExitHolder): void {
  const exit = program
    .command("exit")
    .description("exits: peers that carry others' traffic to the internet (docs/exit.md)");

  exit
    .command("list")
    .description("list the peers through which this machine may send to the internet, and whether it is one itself")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      const view = await client.exits();
      const { renderExits } = await import("../views/exit-view.ts");
      if (json) printJson(view);
      else printLine(renderExits(view));
    });

  exit
    .command("use <exits>")
    .description(
      "send to the internet through this peer alone (or several, with commas, tried in order; tag:T; off for none): " +
        "nothing leaves this machine around it until `mesh exit use off` or `mesh down`",
    )
    .option("--exit-allow-lan", "keep the local network within reach")
    .option("--no-exit-allow-lan", "cut it off (default)")
    .option(
      "--confirm-within <duration>",
      "go back to what was before, unless `mesh exit confirm` comes within 60s or so",
    )
    .action(async (exits: string, flags: UseFlags, command: Command) => {
      const { parseExitNodes } = await import("../options/exit-nodes-option.ts");
      const nodes = parseExitNodes(exits, "exit use");
      const { confirmWithin, exitAllowLan } = flags;
      const confirmWithinSeconds = confirmWithin === undefined ? null : parseDurationSeconds(confirmWithin);
      const { client, json } = await clientOf(command);
      await printUse(await client.useExit({ nodes, allowLan: exitAllowLan, confirmWithinSeconds }), json);
    });

  exit
    .command("confirm")
    .description("keep the exit that `mesh exit use … --confirm-within` tries")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      await printUse(await client.confirmExit(), json);
    });

  exit
    .command("check")
    .description(
      "try to get around the exit in use, and tell what was seen; the exit status is 1 where something leaks",
    )
    .action(async (_flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      const check = await client.checkExit();
      const { renderCheck } = await import("../views/exit-view.ts");
      if (json) printJson(check);
      else printLine(renderCheck(check));
      if (!check.ok) holder.status = ExitStatus.failed;
    });

  exit
    .command("offer <on|off>")
    .description("offer to be an exit for the peers that may start connections to this machine, or no more")
    .action(async (word: string, _flags: object, command: Command) => {
      if (word !== "on" && word !== "off") throw new MeshError("bad-usage", "an exit is offered on or off");
      const { client, json } = await clientOf(command);
      const offer = await client.offerExit(word === "on");
      const { renderOffer } = await import("../views/exit-view.ts");
      if (json) printJson(offer);
      else printLine(renderOffer(offer));
    });

  for (const [word, allowed] of [
    ["allow", true],
    ["forbid", false],
  ] as const) {
    exit
      .command(`${word} <peer>`)
      .description(allowed ? "let a peer be an exit again (admins)" : "forbid that a peer be an exit, at once (admins)")
      .action(async (peer: string, _flags: object, command: Command) => {
        const options = globalOptions(command);
        const { AdminClient } = await import("../clients/admin-client.ts");
        const changed = await (await AdminClient.open(options)).setExitAllowed(peer, allowed);
        if (options.json) printJson(changed);
        else printLine(`${peer} ${allowed ? "may be an exit" : "may be no exit"}`);
      });
  }
}
