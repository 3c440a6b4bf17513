import type { LogLine, LogsRequest } from "../api/local-logs.ts";
import { MeshError } from "../base/errors.ts";
import { Redactor } from "../base/redactor.ts";
import { logEntryOf, readLogFile } from "../daemon/log/log-file.ts";
import { concealKeys } from "../daemon/membership/conceal-keys.ts";
import { loadKeys } from "../daemon/membership/identity.ts";
import { networkPaths, resolveHome, selectNetwork } from "../daemon/networks/home.ts";
import type { GlobalOptions } from "./options/globals.ts";

interface LastWords {
  readonly entries: readonly Extract<LogLine, { entry: unknown }>[];
  /** What is to be said after them: no daemon is running. */
  readonly error: MeshError;
}

/** The last words of a daemon in the background that has ended. @throws MeshError `no-daemon` where none left any */
export async function lastWords(
  options: GlobalOptions,
  { lines, level }: Pick<LogsRequest, "lines" | "level">,
): Promise<LastWords> {
  const home = resolveHome(options.home);
  const network = selectNetwork(home, options.network);
  if (network === undefined) throw new MeshError("no-daemon", "this machine has joined no network");
  const { directory, logFile } = networkPaths(home, network);
  const redactor = new Redactor();
  // What is damaged hides nothing less: secrets are known by their form as well.
  const keys = await loadKeys(directory).catch(() => undefined);
  if (keys !== undefined) concealKeys(keys, redactor);
  const none = `no daemon is running for the network ${network}`;
  const hint = "Start one with `mesh up`; what a service has said is shown by `mesh service logs`.";
  const found = await readLogFile(logFile, redactor);
  if (found === undefined) throw new MeshError("no-daemon", none, { hint });
  const entries = found.map(logEntryOf).filter((entry) => (entry.level ?? Number.POSITIVE_INFINITY) >= level);
  return {
    entries: entries.slice(Math.max(0, entries.length - lines)).map((entry) => ({ entry })),
    error: new MeshError("no-daemon", `${none}: these are the last lines of ${logFile}`, { hint }),
  };
}
