import type { HostChangeView, HostView } from "../../api/local-host.ts";
import { ExitStatus, MeshError } from "../../base/errors.ts";
import { hostView } from "../../daemon/host-view.ts";
import { networkPaths, resolveHome, selectNetwork } from "../../daemon/networks/home.ts";
import { readHostChanges } from "../../host/changes/host-changes.ts";
import { localClient } from "../clients/local-client.ts";
import type { ExitHolder } from "../exit-holder.ts";
import type { GlobalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";
import { renderTable } from "./table.ts";

/** `mesh status --host`: from the daemon, or where none runs from its journal; the exit status is 3 then. */
export async function showHostChanges(options: GlobalOptions, exit: ExitHolder): Promise<void> {
  const view = await localClient(options)
    .hostChanges()
    .catch(async (failure: unknown) => {
      if (!isNoDaemon(failure)) throw failure;
      exit.status = ExitStatus.noDaemon;
      return viewFromDisk(options);
    });
  if (options.json) printJson(view);
  else printLine(renderHostChanges(view.changes, "nothing is changed on this host"));
}

/** A daemon that is gone may have left something behind, which `down` cannot take back: the hint then says what can. */
export async function withHintOfLeftovers(failure: unknown, options: GlobalOptions): Promise<unknown> {
  if (!isNoDaemon(failure)) return failure;
  const { changes } = await viewFromDisk(options);
  if (changes.length === 0) return failure;
  return new MeshError("no-daemon", failure.message, {
    hint: `What it left on this host (${changes.length}, see \`mesh status --host\`) is taken back by \`mesh undo\`.`,
    cause: failure,
  });
}

export function renderHostChanges(changes: readonly HostChangeView[], none: string): string {
  return changes.length === 0 ? none : renderTable(COLUMNS, changes);
}

const COLUMNS = [
  { title: "FOR", cell: ({ owner }: HostChangeView) => owner },
  { title: "CHANGE", cell: ({ what }: HostChangeView) => what },
  {
    title: "UNTIL",
    cell: ({ outlivesDaemon }: HostChangeView) => (outlivesDaemon ? "mesh down, mesh undo" : "the daemon ends"),
  },
] as const;

async function viewFromDisk(options: GlobalOptions): Promise<HostView> {
  const home = resolveHome(options.home);
  const network = selectNetwork(home, options.network);
  return hostView(network === undefined ? [] : await readHostChanges(networkPaths(home, network).journalFile));
}

function isNoDaemon(failure: unknown): failure is MeshError {
  return failure instanceof MeshError && failure.code === "no-daemon";
}
