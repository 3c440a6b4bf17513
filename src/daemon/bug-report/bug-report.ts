import type { BugReport, BugReportRequest } from "../../api/local-bug-report.ts";
import { formatMetrics } from "../../base/metrics.ts";
import type { Redactor } from "../../base/redactor.ts";
import { readHostChanges } from "../../host/changes/host-changes.ts";
import { hostView } from "../host-view.ts";
import type { LocalApiTarget } from "../local-api/target.ts";
import { prettyLogLine } from "../log/log-line.ts";
import { gather, type Sections } from "./gather.ts";
import { hostFacts } from "./host-facts.ts";
import { environmentFacts, programFacts, systemFacts } from "./program-facts.ts";
import { PublicAddresses } from "./public-addresses.ts";

const MAX_LOG_LINES = 1000;

export interface ReportDeps {
  /** Knows this machine's private keys. */
  readonly redactor: Redactor;
  /** The undo journal; undefined where no network is joined. */
  readonly journalFile: string | undefined;
}

/** All that a daemon knows of itself and its host. */
export async function reportOfDaemon(
  daemon: Omit<LocalApiTarget, "bugReport">,
  request: BugReportRequest,
  deps: ReportDeps,
  signal: AbortSignal,
): Promise<BugReport> {
  const sections: Sections = {
    ...ownSections(deps.journalFile),
    status: () => daemon.status(),
    netcheck: (until) => daemon.netcheck(until),
    settings: () => daemon.settings().settings,
    preferences: () => daemon.preferences(),
    filter: () => daemon.filter.view(),
    dns: () => daemon.dns.status(),
    exit: () => daemon.exits(),
    routes: () => daemon.routes().routes,
    metrics: () => formatMetrics(daemon.metrics()).split("\n").filter(isSample),
    log: () => daemon.logs.latest(MAX_LOG_LINES, () => true).map(prettyLogLine),
  };
  return compose(null, sections, request, deps.redactor, signal);
}

/** What any process of ours can tell, whether a daemon runs or not. */
export function ownSections(journalFile: string | undefined): Sections {
  const changes = async () => (journalFile === undefined ? [] : await readHostChanges(journalFile));
  return {
    program: programFacts,
    system: systemFacts,
    environment: () => environmentFacts(process.env),
    hostChanges: async () => hostView(await changes()).changes,
    host: async () => hostFacts(await changes().catch(() => [])),
  };
}

/** Nothing gets into a report but through here: without secrets, and as asked without public addresses. */
export async function compose(
  noDaemon: BugReport["noDaemon"],
  sections: Sections,
  { addresses }: BugReportRequest,
  redactor: Redactor,
  signal: AbortSignal,
): Promise<BugReport> {
  const gathered = { noDaemon, ...(await gather(sections, signal)) };
  const publicAddresses = new PublicAddresses();
  const safe = redactor.redactValue(gathered, (text) => (addresses ? text : publicAddresses.hide(text)));
  return { schemaVersion: 1, createdAt: new Date().toISOString(), ...Object(safe) };
}

function isSample(line: string): boolean {
  return line !== "" && !line.startsWith("#");
}
