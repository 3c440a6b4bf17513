/** A source of random bytes; fills what it is given. */
export type RandomFill = (bytes: Uint8Array) => void;

/**
 * Our session indices: random 32-bit numbers that name a handshake or keypair of ours to the other end (whitepaper
 * §5.4). Random, so that an index tells an outsider nothing and an old one points nowhere.
 */
export class IndexTable<T> {
  readonly #random: RandomFill;
  readonly #entries = new Map<number, T>();

  constructor(random: RandomFill) {
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }

  allocate(entry: T): number {
    const bytes = new Uint8Array(4);
    const view = new DataView(bytes.buffer);
    for (;;) {
      this.#random(bytes);
      const index = view.getUint32(0);
      if (this.#entries.has(index)) continue;
      this.#entries.set(index, entry);
      return index;
    }
  }

  get(index: number): T | undefined {
    return this.#entries.get(index);
  }

  free(index: number): void {
    this.#entries.delete(index);
  }
}
