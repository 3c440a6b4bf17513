/**
 * A path is good enough up to the first share of lost messages and bad from the second on. 5 % each way, which a probe
 * sees as 10 %, is no reason to leave the better transport; a fifth is: TCP gets next to nothing through that.
 */
const GOOD_SHARE = 0.1;
const BAD_SHARE = 0.25;
const PER_LOST = Math.log(BAD_SHARE / GOOD_SHARE);
const PER_ARRIVED = Math.log((1 - GOOD_SHARE) / (1 - BAD_SHARE));
/**
 * How sure is sure. A path that loses 10 % is taken for a bad one once in 10⁵ messages, one that loses nothing for a good
 * one after 66; one that loses 20 % is found out after about 300 messages, one that loses half after 35.
 */
const SURE = 12;
/** Losses come in bursts, when a queue overflows: between two answers the data count for no more messages than this. */
const MAX_DATA = 8;

/** How many of our messages had left, and how many the peer had of them, when a probe passed. */
export interface DataCount {
  readonly sent: number;
  readonly received: number;
}

/**
 * Finds out whether a path loses too many messages, or no longer does: Page's test in both directions (E. S. Page,
 * "Continuous inspection schemes", Biometrika 41, 1954), which needs the fewest messages for a given trust, however many
 * there are in a second. Silence is none of its business, nor what swallows all data.
 */
export class LossWatch {
  #bad = 0;
  #good = 0;
  #base: DataCount | undefined;
  /** Since there was the least evidence against the path. */
  #lost = 0;
  #messages = 0;
  /** Share of the messages that were lost when the path was found to be bad, of late, 0–1. */
  share = 0;

  get isBad(): boolean {
    return this.#bad >= SURE;
  }

  get isGood(): boolean {
    return this.#good >= SURE;
  }

  /** Of the latest probes so many got no answer, then one did. */
  probes(lost: number): void {
    this.#observe(lost, 1);
  }

  /** What had become of the data by then. */
  data(count: DataCount): void {
    const base = this.#base;
    this.#base = count;
    if (base === undefined) return;
    const sent = count.sent - base.sent;
    const received = count.received - base.received;
    // A count that falls is a new count: one of the two has begun anew.
    if (sent <= 0 || received < 0) return;
    const weight = Math.min(1, MAX_DATA / sent);
    // More than was sent, when probe and data overtake one another: what was missing before has come.
    this.#observe(weight * (sent - received), weight * received);
  }

  /** What happens to data up to the next count is left out. */
  skipData(): void {
    this.#base = undefined;
  }

  /** Begins to watch anew; the share is kept. */
  reset(): void {
    this.#bad = 0;
    this.#good = 0;
    this.#lost = 0;
    this.#messages = 0;
    this.#base = undefined;
  }

  #observe(lost: number, arrived: number): void {
    const evidence = lost * PER_LOST - arrived * PER_ARRIVED;
    this.#bad = Math.max(0, this.#bad + evidence);
    this.#good = Math.max(0, this.#good - evidence);
    this.#lost = this.#bad === 0 ? 0 : this.#lost + lost;
    this.#messages = this.#bad === 0 ? 0 : this.#messages + lost + arrived;
    if (!this.isBad) return;
    const share = this.#lost / this.#messages;
    this.share = this.share === 0 ? share : (this.share + share) / 2;
  }
}
