import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { addDaemonOptions, type DaemonFlags } from "../options/daemon-flags.ts";
import { collect } from "../options/option-parsers.ts";
import { printJson, printLine } from "../output.ts";

interface UpFlags extends DaemonFlags {
  readonly server?: string[];
  readonly reset?: boolean;
}

export function registerUp(program: Command): void {
  const up = program
    .command("up")
    .description("resume a stopped daemon, or run one (foreground, or --detach) where none runs")
    .option("--server <url>", "where the coordinator is found from now on; may be repeated, tried in order", collect)
    .option("--reset", "drop what commands have set: flags, configuration file and defaults hold again");
  addDaemonOptions(up).action(async (flags: UpFlags, command: Command) => {
    const { resolvePeerSettings } = await import("../options/peer-options.ts");
    const { peerPlan } = await import("../options/peer-plan.ts");
    const joining = { servers: flags.server, token: undefined, name: undefined, reset: flags.reset };
    const read = async () => {
      const settings = await resolvePeerSettings(flags, command);
      return { ...settings, plan: peerPlan("up", settings, joining) };
    };
    const run = await read();
    const { localClient } = await import("../clients/local-client.ts");
    const { settleRequest } = await import("../running/settle-request.ts");
    try {
      const client = localClient(run.globals);
      const asked = settleRequest(run.plan);
      if (asked.reset || Object.keys(asked.settings).length > 0) {
        await client.settle(asked).catch((failure: unknown) => {
          // Who may start the traffic need not be the one for whom the file speaks.
          if (isSaid(flags) || !(failure instanceof MeshError) || failure.code !== "not-permitted") throw failure;
        });
      }
      const status = await client.up();
      if (run.globals.json) printJson({ network: status.network, state: status.state });
      else printLine(`${status.network} is ${status.state}`);
      return;
    } catch (failure) {
      if (!(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
    }
    const { runInForeground, runDetached } = await import("../running/run-daemon.ts");
    await (run.detach ? runDetached(run, read) : runInForeground(run, read));
  });
}

/** A setting stands on the command line itself. */
function isSaid({ config, server, detach, ...settings }: UpFlags): boolean {
  return Object.keys(settings).length > 0;
}
