import type { PathCounters } from "./events.ts";
import type { Path } from "./path.ts";
import type { Preference } from "./preference.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

/** How far a path can be trusted, best first. */
export const Tier = {
  /** Answers, and loses no data that we know of. */
  proven: 0,
  /** Answers, and was found to lose many messages, all large ones, or all data, of late; or is too narrow for large ones. */
  losesSome: 1,
  losesLarge: 2,
  losesData: 3,
  /** Not proven, but the peer was heard by it. */
  heard: 4,
  open: 5,
  /** Gives no answers. */
  silent: 6,
} as const;
export type Tier = (typeof Tier)[keyof typeof Tier];

const TIER_OF = {
  some: Tier.losesSome,
  theirs: Tier.losesSome,
  silence: Tier.losesSome,
  large: Tier.losesLarge,
  data: Tier.losesData,
} as const;

/** Orders the paths of a peer at one moment. */
export class Ranking {
  readonly preference: Preference;
  readonly counters: PathCounters;
  readonly nowMs: number;

  constructor(preference: Preference, counters: PathCounters, nowMs: number) {
    this.preference = preference;
    this.counters = counters;
    this.nowMs = nowMs;
  }

  isEligible(path: Path): boolean {
    return path.isOpen && this.preference.isAllowed(path.transport);
  }

  rankOf(path: Path): number {
    return this.preference.rankOf(path.transport);
  }

  tierOf(path: Path): Tier {
    if (path.isSilent) return Tier.silent;
    if (path.isProven) {
      const hold = path.isHeld(this.nowMs) ? path.hold : undefined;
      const tier = hold === undefined ? Tier.proven : TIER_OF[hold.loss];
      return path.isNarrow && tier < Tier.losesLarge ? Tier.losesLarge : tier;
    }
    return this.isHeard(path) ? Tier.heard : Tier.open;
  }

  /** Something authentic came by it of late. */
  isHeard(path: Path): boolean {
    const heardMs = Math.max(path.lastHeardMs, this.counters.lastReceivedMs(path.id) || -NEVER);
    return this.nowMs - heardMs <= PATH_TIMINGS.heardMs;
  }

  /** May it take over from a path that works? */
  isSteady(path: Path): boolean {
    return this.tierOf(path) === Tier.proven && this.nowMs >= path.steadyAtMs && !this.isOverdue(path);
  }

  /** Answers should have come by now. */
  isOverdue(path: Path): boolean {
    return this.nowMs >= path.suspectAtMs;
  }

  /** The best: by trust, by preference, by round trip. */
  best(paths: readonly Path[]): Path | undefined {
    let best: Path | undefined;
    for (const path of paths) if (best === undefined || this.#compare(path, best) < 0) best = path;
    return best;
  }

  #compare(a: Path, b: Path): number {
    return (
      this.tierOf(a) - this.tierOf(b) ||
      this.rankOf(a) - this.rankOf(b) ||
      a.expectedRttMs - b.expectedRttMs ||
      a.id - b.id
    );
  }
}

/** Nearer by enough to be worth a change: than the other's best of late, since what held some of its answers up may hold up anything. */
export function isNearerBy(path: Path, than: Path): boolean {
  if (path.srttMs === undefined || than.srttMs === undefined) return false;
  const { nearerShare, nearerMs } = PATH_TIMINGS;
  const thanMs = Math.min(than.srttMs, than.leastRtt.valueMs);
  return path.srttMs + Math.max(nearerMs, nearerShare * thanMs) <= thanMs;
}

/** Of two paths that both lose many messages, whether this one is to be used instead of that. */
export function losesLess(path: Path, than: Path, isPreferred: boolean): boolean {
  const { lessLossyTimes, aboutAsLossyTimes } = PATH_TIMINGS;
  if (path.loss.share * lessLossyTimes <= than.loss.share) return true;
  return isPreferred && path.loss.share <= than.loss.share * aboutAsLossyTimes;
}
