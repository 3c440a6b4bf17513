interface Change<T> {
  readonly id: number;
  /** The thing before this change; undefined when it did not exist. */
  readonly before: T | undefined;
}

/**
 * The last so many changes of a set of things, numbered without gaps. From it follows what changed since any version
 * that is not too old, each thing once, with its state at that version.
 */
export class ChangeLog<T> {
  #changes: Change<T>[] = [];
  /** Version before the first change that is kept. */
  #floor: number;
  #capacity: number;

  /** @param version the version of the state at hand; nothing is known of how it came about */
  constructor(version: number, capacity: number) {
    this.#floor = version;
    this.#capacity = capacity;
  }

  get version(): number {
    return this.#floor + this.#changes.length;
  }

  record(id: number, before: T | undefined): void {
    this.#changes.push({ id, before });
    // Cut in halves, so that the cost of moving the array is spread over many changes.
    if (this.#changes.length >= 2 * this.#capacity) {
      this.#changes.splice(0, this.#capacity);
      this.#floor += this.#capacity;
    }
  }

  /** Things changed after `version`, with their state then; undefined when that is out of reach (or of the future). */
  since(version: number): ReadonlyMap<number, T | undefined> | undefined {
    if (version < this.#floor || version > this.version) return undefined;
    const earliest = new Map<number, T | undefined>();
    for (let i = version - this.#floor; i < this.#changes.length; i++) {
      const { id, before } = this.#changes[i]!;
      if (!earliest.has(id)) earliest.set(id, before);
    }
    return earliest;
  }
}
