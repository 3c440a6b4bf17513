/**
 * Views into an arena, one for each place in a run, made again only when the run's layout changes. A bulk flow has the
 * same layout run after run, so that a provider which needs a typed array for each message allocates none of them.
 */
export class ViewCache {
  readonly #views: Uint8Array[] = [];

  view(place: number, arena: Uint8Array, offset: number, lengthBytes: number): Uint8Array {
    const byteOffset = arena.byteOffset + offset;
    const cached = this.#views[place];
    if (
      cached !== undefined &&
      cached.byteOffset === byteOffset &&
      cached.length === lengthBytes &&
      cached.buffer === arena.buffer
    ) {
      return cached;
    }
    const made = new Uint8Array(arena.buffer, byteOffset, lengthBytes);
    this.#views[place] = made;
    return made;
  }

  clear(): void {
    this.#views.length = 0;
  }
}
