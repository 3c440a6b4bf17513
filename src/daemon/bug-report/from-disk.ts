import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BugReport, BugReportRequest } from "../../api/local-bug-report.ts";
import { errnoOf } from "../../base/errors.ts";
import { Redactor } from "../../base/redactor.ts";
import { concealKeys } from "../conceal-keys.ts";
import { type Home, type NetworkPaths, networkPaths, selectNetwork } from "../home.ts";
import { loadKeys } from "../identity.ts";
import { NetworkState } from "../network-state.ts";
import { readSettings } from "../settings/settings-on-disk.ts";
import { statusFromDisk } from "../status-from-disk.ts";
import { compose, ownSections } from "./bug-report.ts";
import type { Sections } from "./gather.ts";

const MAX_LOG_BYTES = 512 * 1024;

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
    log: async () => logLines(join(home.stateDirectory, "daemon.log"), redactor),
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

/** Null where no daemon ran detached. A secret may stand on several lines: it is hidden before they are parted. */
async function logLines(path: string, redactor: Redactor): Promise<string[] | null> {
  try {
    return redactor
      .redact(await tailOf(path))
      .split("\n")
      .filter((line) => line !== "");
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return null;
    throw failure;
  }
}

/** The end of a file that may be large. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - MAX_LOG_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}
