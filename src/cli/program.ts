import { Command, CommanderError } from "commander";
import { asMeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import { openAdmin } from "./clients/open-admin.ts";
import { registerAssociation } from "./commands/association.ts";
import { registerAudit } from "./commands/audit.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerBugReport } from "./commands/bugreport.ts";
import { registerCidr } from "./commands/cidr.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerConfig } from "./commands/config.ts";
import { registerContext } from "./commands/context.ts";
import { registerDns } from "./commands/dns.ts";
import { registerDown } from "./commands/down.ts";
import { registerExit } from "./commands/exit.ts";
import { registerExplain } from "./commands/explain.ts";
import { registerFilter } from "./commands/filter.ts";
import { registerInit } from "./commands/init.ts";
import { registerInvite } from "./commands/invite.ts";
import { registerJoin } from "./commands/join.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerLeave } from "./commands/leave.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerMetrics } from "./commands/metrics.ts";
import { registerNetcheck } from "./commands/netcheck.ts";
import { registerPaths } from "./commands/paths.ts";
import { registerPeer } from "./commands/peer.ts";
import { registerPeers } from "./commands/peers.ts";
import { registerPing } from "./commands/ping.ts";
import { registerPolicy } from "./commands/policy.ts";
import { registerPrefer } from "./commands/prefer.ts";
import { registerRelay } from "./commands/relay.ts";
import { registerRoute } from "./commands/route.ts";
import { registerServe } from "./commands/serve.ts";
import { registerService } from "./commands/service.ts";
import { registerSettings } from "./commands/settings.ts";
import { registerStatus } from "./commands/status.ts";
import { registerToken } from "./commands/token.ts";
import { registerUndo } from "./commands/undo.ts";
import { registerUp } from "./commands/up.ts";
import { registerVersion } from "./commands/version.ts";
import { registerWhois } from "./commands/whois.ts";
import type { ExitHolder } from "./exit-holder.ts";
import { addGlobalOptions } from "./options/globals.ts";
import { usageError } from "./options/usage-error.ts";
import { printError } from "./output.ts";
import { announceToParent, childKind } from "./running/child-daemon.ts";

/** Runs one command line and gives its exit status. Nothing escapes as an exception. */
export async function runCli(args: readonly string[]): Promise<number> {
  // The flag may not have been parsed when parsing is what fails.
  const json = args.includes("--json");
  const exit = { status: 0 };
  try {
    await buildProgram(exit).parseAsync([...args], { from: "user" });
    return exit.status;
  } catch (thrown) {
    const error = thrown instanceof CommanderError ? usageError(thrown) : asMeshError(thrown);
    if (error === undefined) return 0;
    const kind = childKind();
    if (kind !== undefined) announceToParent({ event: "failed", ...error.toBody() });
    // The coordinator that looks after a member says it in its own log.
    if (kind !== "member") printError(error, { json });
    return error.exitStatus;
  }
}

/** All commands, in groups as `mesh --help` and `docs/cli.md` show them. */
export function buildProgram(exit: ExitHolder): Command {
  const program = new Command("mesh")
    .description("An overlay network: one WireGuard session per pair of peers, over whatever path works")
    .version(softwareVersion(), "--version", "print the version")
    .helpOption("-h, --help", "say what a command does, and its options")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(true);
  addGlobalOptions(program);

  program.commandsGroup("This machine in a network:");
  registerJoin(program);
  registerUp(program);
  registerDown(program);
  registerLeave(program);
  registerStatus(program, exit);
  registerContext(program);
  registerSettings(program);
  registerMetrics(program);
  registerLogs(program);
  registerBugReport(program);
  registerKeys(program);
  registerUndo(program);

  program.commandsGroup("Peers and paths:");
  registerPeers(program);
  registerWhois(program);
  registerPing(program);
  registerPaths(program);
  registerPrefer(program);
  registerExplain(program, exit);
  registerNetcheck(program);

  program.commandsGroup("Traffic and names:");
  registerFilter(program, exit, openAdmin);
  registerExit(program, exit);
  registerRoute(program);
  registerDns(program);

  program.commandsGroup("The network, for admins:");
  registerToken(program);
  registerInvite(program);
  registerPeer(program, openAdmin);
  registerCidr(program, openAdmin);
  registerAssociation(program, openAdmin);
  registerPolicy(program, exit);
  registerAudit(program);

  program.commandsGroup("Coordinator and relays:");
  registerServe(program);
  registerRelay(program);
  registerBackup(program);

  program.commandsGroup("The program:");
  registerService(program, exit);
  registerInit(program);
  registerConfig(program);
  registerCompletion(program);
  registerVersion(program);
  return program;
}
