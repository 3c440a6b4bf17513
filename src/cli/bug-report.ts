import type { BugReport, BugReportRequest } from "../api/local-bug-report.ts";
import { asMeshError, type MeshError } from "../base/errors.ts";
import { resolveHome, selectNetwork } from "../daemon/networks/home.ts";
import { localClient } from "./clients/local-client.ts";
import type { GlobalOptions } from "./options/globals.ts";

/** Longer than a daemon takes for its slowest section. */
const ANSWER_LIMIT_MS = 20_000;

/** Where nothing else is asked for: `mesh-bugreport-NETWORK-TIME.json`. */
export function reportFileName(options: GlobalOptions, now: Date): string {
  const network = selectNetwork(resolveHome(options.home), options.network) ?? "none";
  const time = now.toISOString().replace(/\.\d+/, "").replaceAll(/[:-]/g, "");
  return `mesh-bugreport-${network}-${time}.json`;
}

/**
 * From the daemon; from the disk where none answers, be it that it hangs or is of a version that knows no such thing.
 * @throws MeshError `not-permitted`, and as `selectNetwork`
 */
export async function fetchBugReport(options: GlobalOptions, request: BugReportRequest): Promise<BugReport> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
  try {
    return await localClient(options).bugReport(request, limit);
  } catch (thrown) {
    const failure = asMeshError(thrown);
    if (failure.code === "not-permitted") throw failure;
    const why = limit.aborted ? `the daemon gave no answer in ${ANSWER_LIMIT_MS / 1000} s` : whyFromDisk(failure);
    const { reportFromDisk } = await import("../daemon/bug-report/from-disk.ts");
    return reportFromDisk(resolveHome(options.home), options.network, request, why);
  }
}

function whyFromDisk({ code, message }: MeshError): string {
  return code === "no-daemon" ? message : `the daemon did not answer (${code}: ${message})`;
}
