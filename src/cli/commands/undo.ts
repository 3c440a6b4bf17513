import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerUndo(program: Command): void {
  program
    .command("undo")
    .description(
      "take back what a daemon that is gone left on this host: routes, firewall, name resolution, an exit's guard",
    )
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { resolveHome, selectNetwork } = await import("../../daemon/networks/home.ts");
      const home = resolveHome(options.home);
      const network = selectNetwork(home, options.network);
      if (network === undefined) throw new MeshError("needs-join", "this machine has joined no network");
      const { createLogger } = await import("../../daemon/log/log.ts");
      const { undoHostChanges } = await import("../../daemon/networks/undo-host-changes.ts");
      const logger = createLogger({ format: options.logFormat, verbose: options.verbose });
      const { undone } = await undoHostChanges(home, network, logger);
      const { renderHostChanges } = await import("../views/show-host-changes.ts");
      if (options.json) printJson({ network, undone });
      else printLine(renderHostChanges(undone, "there was nothing to take back"));
    });
}
