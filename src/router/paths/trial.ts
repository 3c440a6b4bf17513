import type { PathCounters } from "./events.ts";
import type { Path } from "./path.ts";
import type { Ranking } from "./ranking.ts";
import { PATH_TIMINGS } from "./timings.ts";

/** A path on trial carries everything beside the former one, until data was seen to arrive by it. */
export class Trial {
  readonly path: Path;
  readonly former: Path;
  readonly startedMs: number;
  readonly #replies: number;
  readonly #txData: number;
  readonly #txLarge: number;
  readonly #data: number;
  readonly #large: number;

  constructor(path: Path, former: Path, { counters, nowMs }: Ranking) {
    this.former = former;
    this.startedMs = nowMs;
    this.path = path;
    this.#replies = path.totalReplies;
    this.#txData = counters.txData(path.id);
    this.#txLarge = counters.txLarge(path.id);
    this.#data = path.data.progress;
    this.#large = path.large.progress;
  }

  /** Without data, some more answers are enough. */
  hasPassed(counters: PathCounters): boolean {
    const { path } = this;
    const { reportsDelivery } = path;
    const wasDataSent = reportsDelivery && counters.txData(path.id) > this.#txData;
    const wasLargeSent = reportsDelivery && counters.txLarge(path.id) > this.#txLarge;
    if (wasDataSent && path.data.progress === this.#data) return false;
    if (wasLargeSent && path.large.progress === this.#large) return false;
    // What is known for losing data has to carry a good many messages without; loss by chance shows in probes as well.
    const { hold, loss } = path;
    if (hold !== undefined && (wasDataSent || hold.loss === "some") && !loss.isGood) return false;
    return path.totalReplies - this.#replies >= (wasDataSent ? 1 : PATH_TIMINGS.trialReplies);
  }
}
