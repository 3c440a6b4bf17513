import type { TransportName } from "../../base/transports.ts";
import type { PathAttempt } from "./attempts.ts";
import type { Path } from "./path.ts";
import { type Ranking, Tier } from "./ranking.ts";
import type { Selection } from "./selection.ts";
import { ASLEEP, formatMs, loses, nameOf } from "./words.ts";

export interface PathStatus {
  readonly id: number;
  readonly transport: TransportName;
  readonly label: string;
  /** The peer has answered by it of late, and it may be used. */
  readonly isUsable: boolean;
  readonly rttMs: number | null;
  /** Share of probes without an answer, 0–1. */
  readonly lossRate: number;
  /** `Clock.monotonicMs` of the last answer; null for never. */
  readonly lastReplyMs: number | null;
  /** How the path stands, in words. */
  readonly detail: string;
}

export interface PathDecision {
  readonly atMs: number;
  readonly from: number | null;
  readonly to: number | null;
  readonly reason: string;
}

/** Times are `Clock.monotonicMs`, paths their ids. */
export interface PeerPathsStatus {
  readonly primary: number | null;
  readonly second: number | null;
  /** The peer has been heard by the primary of late: without it messages go there for lack of anything better. */
  readonly isWorking: boolean;
  readonly sinceMs: number;
  /** Why the primary is the primary. */
  readonly reason: string;
  /** Why a second path carries everything, too; null without one. */
  readonly whySecond: string | null;
  /** By which path the peer sends, as far as it said. */
  readonly theirPrimary: number | null;
  readonly paths: readonly PathStatus[];
  /** The latest, oldest first. */
  readonly decisions: readonly PathDecision[];
  /** Race receipts, oldest first. */
  readonly attempts: readonly PathAttempt[];
}

export function describePath(path: Path, selection: Selection, ranking: Ranking): PathStatus {
  const isEligible = ranking.isEligible(path);
  return {
    id: path.id,
    transport: path.transport,
    label: path.label,
    isUsable: isEligible && ranking.tierOf(path) <= Tier.losesSome,
    rttMs: path.srttMs ?? null,
    lossRate: path.lossRate,
    lastReplyMs: Number.isFinite(path.lastReplyMs) ? path.lastReplyMs : null,
    detail: detailOf(path, selection, ranking),
  };
}

/** How a path came out of an attempt. */
export function verdictOn(
  path: Path,
  probes: number,
  selection: Selection,
  ranking: Ranking,
): { readonly isWinner: boolean; readonly outcome: string } {
  const isWinner = path === selection.primary && ranking.tierOf(path) < Tier.open;
  if (isWinner) return { isWinner, outcome: selection.reason };
  const isMute = ranking.isEligible(path) && ranking.tierOf(path) >= Tier.heard;
  if (isMute && probes > 0 && path.repliesInRow === 0 && !path.isSilent) {
    return { isWinner, outcome: `no answer to ${probes} ${probes === 1 ? "probe" : "probes"}` };
  }
  return { isWinner, outcome: detailOf(path, selection, ranking) };
}

function detailOf(path: Path, { primary, second, whySecond, reason }: Selection, ranking: Ranking): string {
  const name = nameOf(path.transport);
  if (!ranking.preference.isAllowed(path.transport)) return `${name} is excluded for this peer`;
  if (!path.isOpen) return "not connected";
  if (path.isSilent) return path.totalReplies > 0 ? "fell silent" : "no answer";
  if (path.isNarrow || (path.hold !== undefined && path.isHeld(ranking.nowMs))) return loses(path);
  if (primary === null && reason === ASLEEP) return ASLEEP;
  if (path === primary) return "in use";
  if (path === second && whySecond !== null) return `carries everything as well: ${whySecond}`;
  if (path.repliesInRow === 0) return path.lastHeardMs > -Infinity ? "heard, no answer yet" : "no answer yet";
  if (!path.isProven) return "answered once, not proven yet";
  if (primary === null) return "answers";
  if (ranking.rankOf(path) > ranking.rankOf(primary)) return `answers, but ${nameOf(primary.transport)} is preferred`;
  if (ranking.rankOf(path) < ranking.rankOf(primary)) return "answers, not for long enough to take over yet";
  return `answers in ${formatMs(path.expectedRttMs)}, the path in use in ${formatMs(primary.expectedRttMs)}`;
}
