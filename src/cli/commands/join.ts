import type { Command } from "commander";
import { addDaemonOptions, type DaemonFlags } from "../options/daemon-flags.ts";
import { collect } from "../options/option-parsers.ts";
import type { PeerSettings } from "../options/peer-options.ts";

interface JoinFlags extends DaemonFlags {
  readonly server?: string[];
  readonly token?: string;
  readonly tokenFile?: string;
  readonly invite?: string;
  readonly name?: string;
}

export function registerJoin(program: Command): void {
  const join = program
    .command("join [token]")
    .description("join a network and run its daemon (foreground, or --detach)")
    .option("--server <url>", "the coordinator; may be repeated, tried in order", collect)
    .option("--token <token>", "what `mesh token create` printed (MESH_TOKEN)")
    .option("--token-file <file>", "a file that holds the token, - for standard input")
    .option("--invite <file>", "an invitation, as `mesh invite create` wrote it, - for standard input")
    .option("--name <name>", "the name of this peer (default: the host name)");
  addDaemonOptions(join).action(async (token: string | undefined, flags: JoinFlags, command: Command) => {
    const { resolvePeerSettings } = await import("../options/peer-options.ts");
    const { findToken } = await import("../options/token-source.ts");
    const { peerPlan } = await import("../options/peer-plan.ts");
    const { runInForeground, runDetached } = await import("../running/run-daemon.ts");
    const settings = await resolvePeerSettings(flags, command);
    const found = await findToken({
      argument: token,
      flag: flags.token,
      file: flags.tokenFile,
      invite: flags.invite,
      environment: process.env.MESH_TOKEN,
      config: settings.config,
    });
    const joining = { servers: flags.server, token: found, name: flags.name ?? found?.peer };
    const planned = (said: PeerSettings) => ({ ...said, plan: peerPlan("join", said, joining) });
    const reread = async () => planned(await resolvePeerSettings(flags, command));
    await (settings.detach ? runDetached(planned(settings), reread) : runInForeground(planned(settings), reread));
  });
}
