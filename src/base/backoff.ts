/** Waiting times between attempts: doubling from `firstMs` to `capMs`, each spread at random so that peers do not come in step. */
export class Backoff {
  readonly #firstMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(firstMs: number, capMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /**
   * Milliseconds to wait before the next attempt: between half of the step and the whole of it.
   * @param capMs a lower cap, for this time
   */
  nextMs(capMs: number = this.#capMs): number {
    const stepMs = Math.min(capMs, this.#capMs, this.#firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    return stepMs * (0.5 + 0.5 * this.#random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
