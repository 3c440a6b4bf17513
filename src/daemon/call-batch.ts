/** Gathers the peers that are to be called in one turn of the event loop: another network concerns all of them at once. */
export class CallBatch {
  readonly #place: (publicKeys: readonly string[]) => void;
  readonly #waiting = new Set<string>();

  constructor(place: (publicKeys: readonly string[]) => void) {
    this.#place = place;
  }

  add(publicKey: string): void {
    this.#waiting.add(publicKey);
    if (this.#waiting.size > 1) return;
    setImmediate(() => {
      const publicKeys = [...this.#waiting];
      this.#waiting.clear();
      this.#place(publicKeys);
    });
  }
}
