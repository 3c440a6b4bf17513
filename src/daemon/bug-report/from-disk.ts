import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BugReport, BugReportRequest } from "../../api/local-bug-report.ts";
import { Redactor } from "../../base/redactor.ts";
import { readLogFile } from "../log/log-file.ts";
import { concealKeys } from "../membership/conceal-keys.ts";
import { loadKeys } from "../membership/identity.ts";
import { type Home, type NetworkPaths, networkPaths, selectNetwork } from "../networks/home.ts";
import { NetworkState } from "../networks/network-state.ts";
import { statusFromDisk } from "../networks/status-from-disk.ts";
import { readSettings } from "../settings/settings-on-disk.ts";
import { compose, ownSections } from "./bug-report.ts";
import type { Sections } from "./gather.ts";

/**
 * What can be told of a network whose daemon does not answer, or of a machine that has joined none.
 * @param why there is nothing from a daemon
 * @throws MeshError as `selectNetwork`
 */
export async function reportFromDisk(
  home: Home,
  wantedNetwork: string | undefined,
  request: BugReportRequest,
  why: string,
): Promise<BugReport> {
  const network = selectNetwork(home, wantedNetwork);
  const paths = network === undefined ? undefined : networkPaths(home, network);
  const redactor = new Redactor();
  // Where the file is damaged, the section of the status says so.
  const keys = paths === undefined ? undefined : await loadKeys(paths.directory).catch(() => undefined);
  if (keys !== undefined) concealKeys(keys, redactor);
  const sections: Sections = {
    ...ownSections(paths?.journalFile),
    status: () => statusFromDisk(home, wantedNetwork),
    ...(paths === undefined ? {} : networkSections(home, paths)),
    log: async () => (paths === undefined ? null : ((await readLogFile(paths.logFile, redactor)) ?? null)),
  };
  return compose(why, sections, request, redactor, new AbortController().signal);
}

function networkSections(home: Home, { network, directory }: NetworkPaths): Sections {
  const state = new NetworkState(directory);
  return {
    settings: async () => (await readSettings(home, network)).settings,
    preferences: async () => (await state.preferences.read())?.peers ?? {},
    filter: async () => (await state.filter.read()) ?? null,
    files: () => filesIn(directory),
  };
}

/** What they are called, and how large, old and open they are; never what is in them. */
async function filesIn(directory: string) {
  const names = (await readdir(directory)).sort();
  return Promise.all(
    names.map(async (name) => {
      const { size, mode, mtime } = await stat(join(directory, name));
      return { name, sizeBytes: size, mode: (mode & 0o7777).toString(8), modifiedAt: mtime.toISOString() };
    }),
  );
}
