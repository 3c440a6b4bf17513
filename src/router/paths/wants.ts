import type { PathTransport } from "./events.ts";
import type { Path } from "./path.ts";
import { type Ranking, Tier } from "./ranking.ts";
import type { Activity } from "./schedule.ts";
import type { Selection } from "./selection.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

const WANTED = ["udp", "ssh"] as const;

export interface WantContext {
  readonly activity: Activity;
  readonly sessionSinceMs: number | undefined;
  readonly paths: readonly Path[];
  readonly selection: Selection;
  readonly ranking: Ranking;
}

/**
 * Which transports are to be made ready: SSH connects only for peers with traffic, and only where nothing better works;
 * UDP is punched by both ends at once. A relay is connected anyway.
 */
export class Wants {
  readonly #askedMs = new Map<PathTransport, number>();

  /** Those to be asked for now; each again after a while, as long as it is wanted. */
  take(context: WantContext): PathTransport[] {
    const { nowMs } = context.ranking;
    const due = WANTED.filter((transport) => nowMs >= this.#dueMs(transport, context));
    for (const transport of due) this.#askedMs.set(transport, nowMs);
    return due;
  }

  deadlineMs(context: WantContext): number {
    return Math.min(...WANTED.map((transport) => this.#dueMs(transport, context)));
  }

  clear(): void {
    this.#askedMs.clear();
  }

  #dueMs(transport: "udp" | "ssh", context: WantContext): number {
    if (!isWanted(transport, context)) return NEVER;
    const againMs = (this.#askedMs.get(transport) ?? -NEVER) + PATH_TIMINGS.wantMs;
    const { sessionSinceMs } = context;
    if (transport !== "ssh" || sessionSinceMs === undefined) return againMs;
    return Math.max(againMs, sessionSinceMs + PATH_TIMINGS.wantGraceMs);
  }
}

function isWanted(transport: "udp" | "ssh", { activity, paths, selection, ranking }: WantContext): boolean {
  if (activity === "idle" || !ranking.preference.isAllowed(transport)) return false;
  const { primary, second } = selection;
  const ofIt = paths.filter((path) => path.transport === transport);
  if (ofIt.length === 0) return false;
  // A connection in use must not be closed as unwanted.
  if (transport === "ssh" && ofIt.some((path) => path === primary || path === second)) return true;
  if (ofIt.some((path) => path.isOpen && ranking.tierOf(path) === Tier.proven)) return false;
  if (primary !== null) {
    if (ranking.tierOf(primary) !== Tier.proven) return true;
    if (ranking.preference.rankOf(transport) < ranking.rankOf(primary)) return true;
  }
  const hasOtherPipe = paths.some((path) => path !== primary && path.transport === "relay" && ranking.isEligible(path));
  // Nothing to begin with, or to fall back on.
  return transport === "ssh" && !hasOtherPipe && primary?.transport !== "relay";
}
