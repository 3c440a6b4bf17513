/** Rules that can be counted at once, of all layers. */
export const MAX_FILTER_RULES = 16_384;

/**
 * What the filter in the data thread counts, in memory that the two threads share: for each rule the connections that it
 * decided, and how many connections are tracked. One writer, the data thread; aligned 64-bit floats, as in `PeerCells`.
 */
export class FilterCells {
  readonly buffer: SharedArrayBuffer;
  readonly #values: Float64Array;

  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(8 * (MAX_FILTER_RULES + 1));
    this.#values = new Float64Array(this.buffer);
  }

  hits(slot: number): number {
    return this.#values[slot]!;
  }

  hit(slot: number): void {
    this.#values[slot] = this.#values[slot]! + 1;
  }

  get connections(): number {
    return this.#values[MAX_FILTER_RULES]!;
  }

  set connections(count: number) {
    this.#values[MAX_FILTER_RULES] = count;
  }
}
