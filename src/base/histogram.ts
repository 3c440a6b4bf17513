/** Counts values by the buckets that they fall into. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One for each bound, and one for what is above all of them. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds the buckets' upper ends, ascending, included */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  /** As Prometheus has them: each with all that is below its bound, the last one with everything. */
  get buckets(): readonly { readonly bound: number; readonly count: number }[] {
    let count = 0;
    return [...this.#bounds, Number.POSITIVE_INFINITY].map((bound, bucket) => {
      count += this.#counts[bucket]!;
      return { bound, count };
    });
  }
}
