import type { Path } from "./path.ts";
import type { Ranking } from "./ranking.ts";
import type { Selection } from "./selection.ts";
import { NEVER, PATH_TIMINGS as T } from "./timings.ts";

/** How recently data went either way: within 2 s, within 45 s, longer ago, or so long ago that nothing is kept ready. */
export type Activity = "active" | "warm" | "idle" | "asleep";

/** What the schedule depends on, at one moment. */
export interface ProbeContext {
  readonly selection: Selection;
  readonly ranking: Ranking;
  readonly activity: Activity;
  readonly leads: boolean;
  /** 0–1: spreads what many peers do. */
  readonly jitter: number;
}

/** When the path is to be probed next. Follows from what is known at the moment of asking: no timer is armed anywhere. */
export function nextProbeMs(path: Path, context: ProbeContext): number {
  if (context.activity === "asleep") return NEVER;
  const isDormant = context.activity === "idle" && path.isProven && !isBusy(context);
  const scheduledMs = isDormant ? keepWarmMs(path, context) : path.lastProbeMs + intervalMs(path, context);
  if (path.unansweredCount === 0 || !path.isProven) return Math.min(path.urgentAtMs, scheduledMs);
  const againMs = Math.max(path.overdueAtMs, path.lastProbeMs + T.doubtProbeMs);
  return Math.min(path.urgentAtMs, scheduledMs, againMs);
}

function intervalMs(path: Path, context: ProbeContext): number {
  const { activity, selection } = context;
  const fastMs = Math.max(T.probeMs, (path.srttMs ?? 0) / T.probesPerRtt);
  if (path.repliesInRow > 0 && !path.isProven) return fastMs;
  const isInUse = selection.isInUse(path);
  if (isInUse && activity === "active" && !path.isSilent) return fastMs;
  if (!path.isProven) return unprovenIntervalMs(path, context);
  if (isInUse) return isBusy(context) ? T.trialProbeMs : T.backupProbeMs;
  if (activity === "active") return selection.isInDoubt ? T.doubtProbeMs : T.backupProbeMs;
  return T.warmBackupProbeMs;
}

/** Something is to be found out, data or not. */
function isBusy({ selection, ranking }: ProbeContext): boolean {
  return selection.isInDoubt || selection.isTrialFast(ranking.nowMs);
}

function unprovenIntervalMs(path: Path, { activity, selection, ranking }: ProbeContext): number {
  const { primary } = selection;
  if (activity !== "idle" && (primary === null || primary.isSilent)) return T.nothingWorksProbeMs;
  if (path.round === 0) return 0;
  const burst = T.burstMs[path.round - 1];
  if (burst !== undefined) return burst;
  const retry = path.round - 1 - T.burstMs.length;
  if (activity !== "idle") return T.retryMs[Math.min(retry, T.retryMs.length - 1)] as number;
  const wouldBeUsed = !primary?.isProven || ranking.rankOf(path) < ranking.rankOf(primary);
  return Math.min(T.idleRetryMs * 2 ** retry, wouldBeUsed ? T.idleRetryMaxMs : T.idleWorseRetryMaxMs);
}

/**
 * An idle UDP path in use must not lose its NAT mappings; of the others it is enough to know that they still are there.
 * To answer the leader's probes holds the follower's mappings as well: it asks for itself when these fail to come.
 */
function keepWarmMs(path: Path, { selection, leads, jitter }: ProbeContext): number {
  const everyMs = !selection.isInUse(path)
    ? T.idleBackupProbeMs
    : path.transport === "udp"
      ? T.keepWarmMs
      : T.idlePipeProbeMs;
  const spreadMs = everyMs * T.idleSpread * jitter;
  if (leads) return path.lastProbeMs + everyMs + spreadMs;
  return Math.max(path.lastProbeMs, path.lastRequestMs) + everyMs * T.idleFollowingShare + spreadMs;
}
