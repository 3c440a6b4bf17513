import { PATH_TIMINGS } from "./timings.ts";

/**
 * Finds out whether data arrives by a path whose probes do. Each answered probe tells how many messages we had sent when it
 * left, and how many of them the peer had authenticated: what left before the probe should have arrived before it.
 */
export class DeliveryWatch {
  /** How often the peer's count has risen. */
  progress = 0;
  #base: { readonly sent: number; readonly received: number } | undefined;
  #isWaiting = false;
  /** The first probe that found too many missing. */
  #missing: { readonly sent: number; readonly sinceMs: number } | undefined;

  /**
   * `sent`: our count when the probe left at `probeSentMs`; `received`: the peer's count in the answer; `needed`: how many
   * messages must be missing. `isAfterGap`: probes were lost as well just before. True when data is lost: enough was sent
   * in good time and more since, and none of it has arrived.
   */
  observe(sent: number, received: number, probeSentMs: number, needed: number, isAfterGap: boolean): boolean {
    const base = this.#base;
    // A count that falls is a new count: one of the two has begun anew.
    if (base === undefined || received < base.received || sent < base.sent) return this.#rebase(sent, received);
    if (received > base.received) {
      this.progress++;
      return this.#rebase(sent, received);
    }
    // What fell into a gap is no data loss of its own.
    if (isAfterGap) return this.#rebase(sent, received);
    this.#isWaiting = sent > base.sent;
    if (sent - base.sent < needed) return false;
    this.#missing ??= { sent, sinceMs: probeSentMs };
    // Probe and data may overtake one another, and the end of a burst may be lost to a full queue: only what was missing a
    // while ago, and is followed by more, is lost.
    return sent > this.#missing.sent && probeSentMs - this.#missing.sinceMs >= PATH_TIMINGS.lostMs;
  }

  /** Messages left, and none of them is known to have arrived. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Forgets what is missing: it counts from the next answer. */
  reset(): void {
    this.#base = undefined;
    this.#missing = undefined;
    this.#isWaiting = false;
  }

  #rebase(sent: number, received: number): boolean {
    this.#base = { sent, received };
    this.#missing = undefined;
    this.#isWaiting = false;
    return false;
  }
}
