/** How many things may be there at once: in all, and from each source. */
export class SourceQuota {
  #counts = new Map<string, number>();
  #total = 0;
  #limit: number;
  #limitPerSource: number;

  constructor(limit: number, limitPerSource: number) {
    this.#limit = limit;
    this.#limitPerSource = limitPerSource;
  }

  hasRoomFor(source: string): boolean {
    return this.#total < this.#limit && (this.#counts.get(source) ?? 0) < this.#limitPerSource;
  }

  /** Counts one thing from `source`, room or not. Returns the way to take it out again; idempotent. */
  enter(source: string): () => void {
    this.#count(source, 1);
    let isIn = true;
    return () => {
      if (isIn) this.#count(source, -1);
      isIn = false;
    };
  }

  #count(source: string, step: 1 | -1): void {
    const count = (this.#counts.get(source) ?? 0) + step;
    if (count === 0) this.#counts.delete(source);
    else this.#counts.set(source, count);
    this.#total += step;
  }
}
