import type { Path } from "./path.ts";
import { type Ranking, Tier } from "./ranking.ts";
import type { Trial } from "./trial.ts";

export interface InUse {
  readonly primary: Path | null;
  readonly second: Path | null;
  readonly isInDoubt: boolean;
  readonly trial: Trial | undefined;
  /** A path that has lost data before, tried beside the one in use. */
  readonly probation: Trial | undefined;
}

/** Which path carries everything as well: none while the one in use can be trusted alone. */
export function chooseSecond(inUse: InUse, paths: readonly Path[], ranking: Ranking): Path | null {
  const { primary, second, isInDoubt, trial, probation } = inUse;
  if (primary === null) return null;
  const tier = ranking.tierOf(primary);
  const helpers = paths.filter((path) => path !== primary && isHelpful(path, tier, ranking));
  // Who has answered since the first fell silent lives, be it another address of a peer that has moved.
  const isAlive = (path: Path) => ranking.isOverdue(primary) && path.lastReplyMs > primary.silentSinceMs;
  if (trial !== undefined) {
    const { former } = trial;
    // One that loses data, or may have died as well, is no help.
    const isHelp = !NO_HELP.includes(ranking.tierOf(former)) && !ranking.isOverdue(former);
    // Nor one that was heard last before the new one fell silent, where another was heard since.
    const isOutlived = !isAlive(former) && helpers.some(isAlive);
    if (isHelp && !isOutlived && paths.includes(former)) return former;
  } else if (tier <= Tier.losesSome && !isInDoubt) {
    return probation?.path ?? null;
  }
  const heard = helpers.filter((path) => ranking.tierOf(path) <= Tier.heard);
  // Of others, whatever killed the first may have killed its like.
  const isOther = (path: Path) => path.transport !== primary.transport;
  const pools = [heard.filter(isAlive), heard.filter(isOther), heard, helpers.filter(isOther), helpers];
  const pool = pools.find((each) => each.length > 0) ?? [];
  return second !== null && pool.includes(second) ? second : (ranking.best(pool) ?? null);
}

const NO_HELP: readonly Tier[] = [Tier.losesLarge, Tier.losesData, Tier.silent];

/** Is sending by this one as well better than nothing? */
function isHelpful(path: Path, primaryTier: Tier, ranking: Ranking): boolean {
  if (ranking.isOverdue(path)) return false;
  const tier = ranking.tierOf(path);
  if (tier <= Tier.heard) return true;
  // A guess helps a guess, and a pipe may deliver at once.
  return tier === Tier.open && (primaryTier >= Tier.open || path.transport !== "udp");
}
