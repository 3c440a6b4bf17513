type Release = () => void | Promise<void>;

/**
 * Owns what a start-up acquires, and releases it in reverse order; the small part of `AsyncDisposableStack` (which
 * Node 20 lacks) that we use. A failing release never keeps the others from running: the failures come together in one
 * `AggregateError` at the end.
 */
export class DisposeStack implements AsyncDisposable {
  #releases: Release[] = [];
  #closing: Promise<void> | undefined;

  /** Registers `release`; a closed stack takes nothing any more and throws. */
  defer(release: Release): void {
    if (this.#closing !== undefined) throw new Error("the dispose stack is closed");
    this.#releases.push(release);
  }

  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(async () => {
      if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
      else resource[Symbol.dispose]();
    });
    return resource;
  }

  /** Hands everything to a new stack: the last line of a start that succeeded. */
  move(): DisposeStack {
    const moved = new DisposeStack();
    moved.#releases = this.#releases;
    this.#releases = [];
    return moved;
  }

  close(): Promise<void> {
    this.#closing ??= this.#releaseAll();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be released");
  }
}
