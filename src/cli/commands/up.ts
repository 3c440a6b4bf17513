import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { addDaemonOptions, type DaemonFlags } from "../daemon-flags.ts";
import { collect } from "../option-parsers.ts";
import { printJson, printLine } from "../output.ts";

interface UpFlags extends DaemonFlags {
  readonly server?: string[];
}

export function registerUp(program: Command): void {
  const up = program
    .command("up")
    .description("resume a stopped daemon, or run one (foreground, or --detach) where none runs")
    .option("--server <url>", "where the coordinator is found from now on; may be repeated, tried in order", collect);
  addDaemonOptions(up).action(async (flags: UpFlags, command: Command) => {
    const { resolvePeerSettings } = await import("../peer-options.ts");
    const settings = await resolvePeerSettings(flags, command);
    const { localClient } = await import("../local-client.ts");
    try {
      const status = await localClient(settings.globals).up();
      if (settings.globals.json) printJson({ network: status.network, state: status.state });
      else printLine(`${status.network} is ${status.state}`);
      return;
    } catch (failure) {
      if (!(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
    }
    const { peerPlan } = await import("../peer-plan.ts");
    const { runInForeground, runDetached } = await import("../run-daemon.ts");
    const plan = peerPlan("up", settings, { servers: flags.server, token: undefined, name: undefined });
    await (settings.detach ? runDetached(plan, settings.globals) : runInForeground(plan, settings.globals));
  });
}
