import { MESSAGE_LIMITS, REPLAY_WINDOW_MESSAGES } from "./limits.ts";

const WORD_BITS = 32;
/** Twice the window: the words that a new highest counter opens never hold bits that are still of interest. */
const WORDS = (2 * REPLAY_WINDOW_MESSAGES) / WORD_BITS;
const WORD_MASK = WORDS - 1;

/**
 * Which counters of one keypair have been taken: a bitmap used as a ring of words (RFC 6479), so that moving the window
 * clears whole words and never shifts. Allocates nothing after its construction.
 *
 * `isFresh` looks, `commit` takes. Commit a counter only after its message proved authentic, or a forger could move the
 * window and lock the true sender out.
 */
export class ReplayWindow {
  readonly #taken = new Uint32Array(WORDS);
  readonly #limit: number;
  /** One more than the highest counter taken: counters below `#next - REPLAY_WINDOW_MESSAGES` are too old. */
  #next = 0;

  /** `limit`: counters from here on are refused (Reject-After-Messages). At most 2^53: see `MESSAGE_LIMITS`. */
  constructor(limit: number = MESSAGE_LIMITS.rejectAfterMessages) {
    this.#limit = limit;
  }

  isFresh(counter: number): boolean {
    if (counter >= this.#next) return counter < this.#limit;
    if (counter < this.#next - REPLAY_WINDOW_MESSAGES) return false;
    const word = Math.floor(counter / WORD_BITS) & WORD_MASK;
    return ((this.#taken[word] as number) & (1 << (counter % WORD_BITS))) === 0;
  }

  /** Takes `counter`; false when it was taken before, is too old, or is beyond the limit. */
  commit(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    if (counter >= this.#next) this.#advance(counter);
    const word = Math.floor(counter / WORD_BITS) & WORD_MASK;
    this.#taken[word] = (this.#taken[word] as number) | (1 << (counter % WORD_BITS));
    return true;
  }

  #advance(counter: number): void {
    const highestOpen = Math.floor((this.#next - 1) / WORD_BITS);
    const highestNeeded = Math.floor(counter / WORD_BITS);
    if (highestNeeded - highestOpen >= WORDS) this.#taken.fill(0);
    else for (let block = highestOpen + 1; block <= highestNeeded; block++) this.#taken[block & WORD_MASK] = 0;
    this.#next = counter + 1;
  }
}
