import type { Command } from "commander";
import type { Status } from "../../api/local.ts";
import { ExitStatus, MeshError } from "../../base/errors.ts";
import type { ExitHolder } from "../exit-holder.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { isRich, printJson, printJsonLine, printLine } from "../output.ts";

interface StatusFlags {
  readonly watch?: boolean;
  readonly peers?: boolean;
  readonly self?: boolean;
  readonly host?: boolean;
}

export function registerStatus(program: Command, exit: ExitHolder): void {
  program
    .command("status")
    .description("show what the daemon does, or what the disk says where none runs (then the exit status is 3)")
    .option("--watch", "print again at every change")
    .option("--peers", "only the peers")
    .option("--self", "only this machine")
    .option("--host", "only what is changed on this host: addresses, routes, rules, firewall, name resolution")
    .action(async (flags: StatusFlags, command: Command) => {
      const options = await peerGlobals(command);
      if ([flags.peers, flags.self, flags.host].filter((flag) => flag === true).length > 1) {
        throw new MeshError("bad-usage", "--peers, --self and --host exclude each other");
      }
      if (flags.host === true) {
        if (flags.watch === true) throw new MeshError("bad-usage", "--host is not watched");
        const { showHostChanges } = await import("../views/show-host-changes.ts");
        return showHostChanges(options, exit);
      }
      const part = flags.peers === true ? "peers" : flags.self === true ? "self" : "all";
      const { renderStatus } = await import("../views/status-view.ts");
      const show = (status: Status) => {
        if (!options.json) printLine(renderStatus(status, part, Date.now()));
        else if (flags.watch === true) printJsonLine(jsonPart(status, part));
        else printJson(jsonPart(status, part));
      };
      const { localClient } = await import("../clients/local-client.ts");
      try {
        if (flags.watch === true) await watch(localClient(options), show, options.json);
        else show(await localClient(options).status());
      } catch (failure) {
        if (!(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
        const { statusFromDisk } = await import("../../daemon/networks/status-from-disk.ts");
        const { resolveHome } = await import("../../daemon/networks/home.ts");
        show(await statusFromDisk(resolveHome(options.home), options.network));
        exit.status = ExitStatus.noDaemon;
      }
    });
}

function jsonPart(status: Status, part: "all" | "peers" | "self"): unknown {
  if (part === "peers") return status.peers;
  return part === "self" ? status.self : status;
}

async function watch(
  client: import("../clients/local-client.ts").LocalClient,
  show: (status: Status) => void,
  json: boolean,
): Promise<void> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  // A terminal shows one table that changes; anything else gets one after the other.
  const redraw = !json && isRich(process.stdout);
  try {
    for await (const status of client.watch(interrupted.signal)) {
      if (redraw) process.stdout.write("\u001b[H\u001b[2J");
      show(status);
    }
  } catch (failure) {
    if (!interrupted.signal.aborted) throw failure;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
