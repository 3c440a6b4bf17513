import type { Agreement } from "./agreement.ts";
import type { Path } from "./path.ts";
import { isNearerBy, losesLess, type Ranking, Tier } from "./ranking.ts";
import { chooseSecond, type InUse } from "./second.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";
import { Trial } from "./trial.ts";
import { beats, loses, nameOf, nearer, silentFor } from "./words.ts";

/** Why the path in use is not trusted at the moment. */
interface Doubt {
  readonly why: string;
  /** Reply count of the path that ends the doubt. */
  readonly untilReplies: number;
}

interface Choice {
  readonly path: Path;
  readonly reason: string;
  /** Only for its round trip. */
  readonly isNearer?: true;
}

export interface Change {
  readonly from: Path | null;
  readonly to: Path | null;
  readonly reason: string;
}

/**
 * Which path carries a peer's messages, and which one carries them as well. A path that works is left for a better one by
 * a trial, in which both carry everything; a path that stops answering is helped by a second one at once and left when it
 * stays silent.
 *
 *                          a better one is proven
 *     none ──first──► in use ──────────────────────► on trial, with the former
 *           contact   │  ▲ ▲                          │              │
 *         no reply in │  │ └──data arrives by it──────┘              │ silent, or
 *           good time ▼  │ replies                                   │ loses data
 *                    in doubt, with a second ──dead──► another ◄─────┘
 *                                                      in use
 */
export class Selection {
  readonly #agreement: Agreement;
  primary: Path | null = null;
  second: Path | null = null;
  sinceMs = 0;
  reason = "no session";
  #trial: Trial | undefined;
  /** A path that has lost data before: the one in use stays so until this one is seen to carry data again. */
  #probation: Trial | undefined;
  #doubt: Doubt | undefined;

  constructor(agreement: Agreement) {
    this.#agreement = agreement;
  }

  get isInDoubt(): boolean {
    return this.#doubt !== undefined;
  }

  isInUse(path: Path): boolean {
    return path === this.primary || path === this.second;
  }

  /** Why a second path carries everything as well. */
  get whySecond(): string | null {
    if (this.second === null) return null;
    if (this.#trial !== undefined) return "the path in use is new, and on trial";
    if (this.#probation?.path === this.second) return "tried again, it lost data before";
    return this.#doubt?.why ?? "the path in use is not proven yet";
  }

  isTrialFast(nowMs: number): boolean {
    const trial = this.#trial ?? this.#probation;
    return trial !== undefined && nowMs - trial.startedMs < PATH_TIMINGS.trialFastMs;
  }

  /** No session: nothing to choose. */
  clear(reason: string, nowMs: number): Change | undefined {
    return this.#use(null, reason, nowMs);
  }

  /** Sends by a second path as well until `replies` answers have come by the first. */
  doubt(why: string, replies: number): void {
    if (this.primary === null) return;
    this.#doubt = { why, untilReplies: this.primary.totalReplies + replies };
  }

  /** Decides anew among these paths, all eligible. */
  decide(paths: readonly Path[], ranking: Ranking): Change | undefined {
    this.#reviewDoubt(ranking.nowMs);
    if (!this.#isOnProbation(paths, ranking)) this.#endProbation(ranking.nowMs);
    const choice = this.#choose(paths, ranking);
    const change = choice === undefined ? undefined : this.#switch(choice, paths, ranking);
    if (this.#trial?.hasPassed(ranking.counters)) this.#trial = undefined;
    this.second = chooseSecond(this.#inUse, paths, ranking);
    return change;
  }

  /** When time alone may change the decision. */
  deadlineMs(paths: readonly Path[], { nowMs, preference }: Ranking): number {
    let nextMs = NEVER;
    const consider = (atMs: number) => {
      if (atMs > nowMs && atMs < nextMs) nextMs = atMs;
    };
    for (const path of paths) {
      consider(path.deadAtMs);
      if (this.isInUse(path)) consider(path.suspectAtMs);
      if (path === this.primary) continue;
      consider(path.steadyAtMs);
      if (path.hold !== undefined) consider(path.hold.untilMs);
    }
    consider(this.#agreement.dueMs(preference.isExplicit));
    consider(this.#agreement.apartAtMs);
    return nextMs;
  }

  get #inUse(): InUse {
    const { primary, second, isInDoubt } = this;
    return { primary, second, isInDoubt, trial: this.#trial, probation: this.#probation };
  }

  #reviewDoubt(nowMs: number): void {
    const { primary } = this;
    if (primary === null) return;
    if (this.#doubt !== undefined && primary.totalReplies >= this.#doubt.untilReplies) this.#doubt = undefined;
    if (this.#doubt === undefined && nowMs >= primary.suspectAtMs)
      this.doubt("the path in use gives no answers", PATH_TIMINGS.provenReplies);
  }

  #choose(paths: readonly Path[], ranking: Ranking): Choice | undefined {
    const current = this.primary;
    const best = ranking.best(paths);
    if (best === undefined) return undefined;
    if (current === null || !paths.includes(current)) {
      const isHeard = ranking.tierOf(best) <= Tier.heard;
      const first = isHeard ? `the peer answered by ${nameOf(best.transport)}` : `${nameOf(best.transport)} is open`;
      return { path: best, reason: current === null ? first : this.#whyGone(current, ranking) };
    }
    const theirs = this.#toFollow(current, paths, ranking);
    if (theirs === undefined) {
      return this.#third(current, paths, ranking) ?? this.#replacement(current, paths, ranking);
    }
    const reason = `the peer keeps to ${nameOf(theirs.transport)}`;
    const choice = this.#afterProbation({ path: theirs, reason }, current, ranking);
    if (choice !== undefined) this.#agreement.follow(theirs);
    return choice;
  }

  /** The peer's path, when the two ends have differed for too long. */
  #toFollow(current: Path, paths: readonly Path[], ranking: Ranking): Path | undefined {
    const { theirs } = this.#agreement;
    if (theirs === null || theirs === current || !paths.includes(theirs)) return undefined;
    const tier = ranking.tierOf(theirs);
    if (tier > Tier.losesSome || tier > ranking.tierOf(current)) return undefined;
    // The peer may not know yet that its path has died: what is in doubt is no disagreement.
    if (ranking.isOverdue(theirs) || this.isInDoubt) return undefined;
    return ranking.nowMs < this.#agreement.dueMs(ranking.preference.isExplicit) ? undefined : theirs;
  }

  /** Each end keeps to a path that the other one cannot send by: a path for both, if there is one. */
  #third(current: Path, paths: readonly Path[], ranking: Ranking): Choice | undefined {
    const { theirs, apartAtMs } = this.#agreement;
    const isUsable = (path: Path) => ranking.tierOf(path) === Tier.proven;
    if (ranking.nowMs < apartAtMs || theirs === null || this.isInDoubt || !isUsable(current)) return undefined;
    if (paths.includes(theirs) && isUsable(theirs)) return undefined;
    const others = paths.filter((path) => path !== current && path.hold === undefined && ranking.isSteady(path));
    const path = ranking.best(others);
    if (path === undefined) return undefined;
    current.holdDown("theirs", ranking.nowMs);
    return { path, reason: this.#whyLeft(current, ranking) };
  }

  #replacement(current: Path, paths: readonly Path[], ranking: Ranking): Choice | undefined {
    const tier = ranking.tierOf(current);
    const others = paths.filter((path) => path !== current);
    const steady = others.filter((path) => ranking.isSteady(path));
    if (tier === Tier.proven) {
      return this.#agreement.isFollowing(current) ? undefined : this.#upgrade(current, steady, ranking);
    }
    if (tier === Tier.losesSome) return this.#lessLossy(current, paths, ranking);
    if (tier === Tier.heard || tier === Tier.open) return this.#firstProof(current, tier, others, ranking);
    const best = ranking.best(steady) ?? ranking.best(others.filter((path) => !ranking.isOverdue(path)));
    if (best === undefined || ranking.tierOf(best) >= tier) return undefined;
    return { path: best, reason: this.#whyLeft(current, ranking) };
  }

  /** Something that loses less than a path that works, but badly: there is no hurry. */
  #lessLossy(current: Path, paths: readonly Path[], ranking: Ranking): Choice | undefined {
    const rank = ranking.rankOf(current);
    const isFollowing = this.#agreement.isFollowing(current);
    const isBetter = (path: Path) =>
      ranking.isSteady(path) ||
      (!isFollowing &&
        ranking.tierOf(path) === Tier.losesSome &&
        losesLess(path, current, ranking.rankOf(path) < rank));
    const best = ranking.best(paths.filter((path) => path !== current && !ranking.isOverdue(path) && isBetter(path)));
    if (best === undefined) return undefined;
    const choice = { path: best, reason: this.#whyLeft(current, ranking) };
    return ranking.tierOf(best) === Tier.proven ? this.#afterProbation(choice, current, ranking) : choice;
  }

  /** Something better than a path that works. */
  #upgrade(current: Path, steady: readonly Path[], ranking: Ranking): Choice | undefined {
    const rank = ranking.rankOf(current);
    const best = ranking.best(steady.filter((path) => ranking.rankOf(path) < rank));
    if (best !== undefined) {
      const reason = beats(best.transport, current.transport, ranking.rankOf(best) < 0);
      return this.#afterProbation({ path: best, reason }, current, ranking);
    }
    const close = steady.filter((path) => ranking.rankOf(path) === rank && path.isNearer(ranking.nowMs));
    const nearest = ranking.best(close);
    if (nearest === undefined || !isNearerBy(nearest, current)) return undefined;
    const reason = nearer(nearest.expectedRttMs, current.expectedRttMs);
    return this.#afterProbation({ path: nearest, reason, isNearer: true }, current, ranking);
  }

  /** The choice, once it has carried data beside the path in use, should it have lost any before. */
  #afterProbation(choice: Choice, current: Path, ranking: Ranking): Choice | undefined {
    const { path } = choice;
    if (path.hold === undefined) return choice;
    // One after the other: to go from one to the next and back would never tell anything of either.
    const isBusy = this.#probation?.path.transport === path.transport && this.isTrialFast(ranking.nowMs);
    if (this.#probation === undefined || (this.#probation.path !== path && !isBusy)) {
      this.#probation = new Trial(path, current, ranking);
      path.loss.reset();
    }
    const { path: tried } = this.#probation;
    if (!this.#probation.hasPassed(ranking.counters)) return undefined;
    tried.hold = undefined;
    return { ...choice, path: tried };
  }

  /** Silent as soon as it carried data beside the other: the next try has to wait. */
  #endProbation(nowMs: number): void {
    const path = this.#probation?.path;
    this.#probation = undefined;
    if (path?.isSilent && path.hold !== undefined) path.holdDown(path.hold.loss, nowMs);
  }

  #isOnProbation(paths: readonly Path[], ranking: Ranking): boolean {
    if (this.#probation === undefined || this.#doubt !== undefined) return false;
    const { path, former } = this.#probation;
    return former === this.primary && paths.includes(path) && ranking.tierOf(path) === Tier.proven;
  }

  /** The path of the first contact stays until it is proven itself, or one as good is, or it fails to answer in time. */
  #firstProof(current: Path, tier: Tier, others: readonly Path[], ranking: Ranking): Choice | undefined {
    const isGuess = tier === Tier.open;
    const rank = ranking.rankOf(current);
    const isFree = isGuess || ranking.isOverdue(current);
    const best = ranking.best(isFree ? others : others.filter((path) => ranking.rankOf(path) <= rank));
    if (best === undefined) return undefined;
    const { transport } = best;
    const bestTier = ranking.tierOf(best);
    if (bestTier === Tier.proven) {
      const isBetter = ranking.rankOf(best) < rank;
      const reason = isBetter ? beats(transport, current.transport, ranking.rankOf(best) < 0) : undefined;
      return { path: best, reason: reason ?? `${nameOf(transport)} answered first` };
    }
    // Only a guess is left for somewhere that the peer was heard from.
    return isGuess && bestTier === Tier.heard
      ? { path: best, reason: `the peer answered by ${nameOf(transport)}` }
      : undefined;
  }

  #whyLeft(path: Path, { nowMs }: Ranking): string {
    if (path.isSilent) return silentFor(path.transport, nowMs - Math.max(path.lastReplyMs, this.sinceMs));
    return loses(path);
  }

  #whyGone(path: Path, ranking: Ranking): string {
    if (!ranking.preference.isAllowed(path.transport)) return `${nameOf(path.transport)} is excluded for this peer`;
    return path.isOpen ? `${path.label} is no candidate any more` : `the ${nameOf(path.transport)} connection closed`;
  }

  #switch({ path, reason, isNearer }: Choice, paths: readonly Path[], ranking: Ranking): Change | undefined {
    const former = this.primary;
    const { nowMs } = ranking;
    if (former?.isSilent) {
      former.fell(this.sinceMs, nowMs);
      // What silenced it may silence its like, when they carry the data.
      for (const like of paths) if (like.transport === former.transport) like.mistrust(nowMs);
    }
    if (isNearer) former?.leftForNearer(nowMs);
    const isTried = this.#trial?.former === path || this.#probation?.path === path;
    const change = this.#use(path, reason, nowMs);
    // Both carry everything until data has been seen to arrive by the new one.
    if (former !== null && paths.includes(former) && !former.isSilent && !isTried) {
      this.#trial = new Trial(path, former, ranking);
    }
    return change;
  }

  #use(path: Path | null, reason: string, nowMs: number): Change | undefined {
    const from = this.primary;
    if (from !== null && from === path) return undefined;
    this.#trial = undefined;
    this.#probation = undefined;
    this.#doubt = undefined;
    this.second = null;
    this.primary = path;
    this.reason = reason;
    if (from === path) return undefined;
    this.sinceMs = nowMs;
    return { from, to: path, reason };
  }
}
