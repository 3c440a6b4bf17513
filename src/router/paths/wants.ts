import { setupOf, TRANSPORT_NAMES, type TransportName } from "../../base/transports.ts";
import type { Path } from "./path.ts";
import { type Ranking, Tier } from "./ranking.ts";
import type { Activity } from "./schedule.ts";
import type { Selection } from "./selection.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

interface Asked {
  readonly atMs: number;
  /** Until it is asked for again. */
  readonly waitMs: number;
}

export interface WantContext {
  readonly activity: Activity;
  readonly sessionSinceMs: number | undefined;
  readonly paths: readonly Path[];
  readonly selection: Selection;
  readonly ranking: Ranking;
}

/**
 * Which transports are to be made ready: what is dialled (SSH) connects only for peers with traffic, and only where nothing
 * better works; UDP is punched by both ends at once. What stands is connected to for peers with traffic, wherever it leads
 * to them: of the relays where a peer is found one must be ready when another one goes.
 */
export class Wants {
  readonly #asked = new Map<TransportName, Asked>();

  /** Those to be asked for now; each again after a while, as long as it is wanted. */
  take(context: WantContext): TransportName[] {
    const { nowMs } = context.ranking;
    const due = TRANSPORT_NAMES.filter((transport) => nowMs >= this.#dueMs(transport, context));
    for (const transport of due) this.#asked.set(transport, { atMs: nowMs, waitMs: this.#nextWaitMs(transport) });
    return due;
  }

  /** Something has changed that may make punching work: it is asked for again soon, if it is wanted. */
  punchSoon(): void {
    const asked = this.#asked.get("udp");
    if (asked !== undefined) this.#asked.set("udp", { ...asked, waitMs: PATH_TIMINGS.punchMinMs });
  }

  deadlineMs(context: WantContext): number {
    return Math.min(...TRANSPORT_NAMES.map((transport) => this.#dueMs(transport, context)));
  }

  clear(): void {
    this.#asked.clear();
  }

  /** A connection that is wanted is asked for regularly: one that nobody asks for is closed. */
  #nextWaitMs(transport: TransportName): number {
    const waitMs = this.#asked.get(transport)?.waitMs;
    if (transport !== "udp" || waitMs === undefined || waitMs < PATH_TIMINGS.wantMs) return PATH_TIMINGS.wantMs;
    return Math.min(2 * waitMs, PATH_TIMINGS.punchMaxMs);
  }

  #dueMs(transport: TransportName, context: WantContext): number {
    if (!isWanted(transport, context)) return NEVER;
    const asked = this.#asked.get(transport);
    const againMs = asked === undefined ? -NEVER : asked.atMs + asked.waitMs;
    const { sessionSinceMs } = context;
    if (setupOf(transport) !== "dialled" || sessionSinceMs === undefined) return againMs;
    return Math.max(againMs, sessionSinceMs + PATH_TIMINGS.wantGraceMs);
  }
}

function isWanted(transport: TransportName, { activity, paths, selection, ranking }: WantContext): boolean {
  if (activity === "idle" || activity === "asleep" || !ranking.preference.isAllowed(transport)) return false;
  const { primary, second } = selection;
  const setup = setupOf(transport);
  const ofIt = paths.filter((path) => path.transport === transport);
  if (ofIt.length === 0) return false;
  if (setup === "standing") return ofIt.some((path) => !path.isOpen);
  // A connection in use must not be closed as unwanted.
  if (setup === "dialled" && ofIt.some((path) => path === primary || path === second)) return true;
  if (ofIt.some((path) => path.isOpen && ranking.tierOf(path) === Tier.proven)) return false;
  if (primary === null && transport === "udp") return true;
  if (primary !== null) {
    if (ranking.tierOf(primary) !== Tier.proven) return true;
    if (ranking.preference.rankOf(transport) < ranking.rankOf(primary)) return true;
  }
  const isStanding = (path: Path) => setupOf(path.transport) === "standing";
  const hasOther = paths.some((path) => path !== primary && isStanding(path) && ranking.isEligible(path));
  // Nothing to begin with, or to fall back on.
  return setup === "dialled" && !hasOther && !(primary !== null && isStanding(primary));
}
