import { type FilterCells, MAX_FILTER_RULES } from "../../filter/filter-cells.ts";

/** Which cell counts for which rule, so that a rule keeps its count while others come and go. */
export class HitSlots {
  readonly #cells: Pick<FilterCells, "hits">;
  readonly #slots = new Map<string, { readonly slot: number; readonly hitsBefore: number }>();
  readonly #free: number[] = [];
  #next = 0;

  constructor(cells: Pick<FilterCells, "hits">) {
    this.#cells = cells;
  }

  /** Makes `ids` the only rules that are counted; of more than there are cells, the last ones share one. */
  keep(ids: ReadonlySet<string>): void {
    for (const [id, { slot }] of this.#slots) {
      if (ids.has(id)) continue;
      this.#slots.delete(id);
      this.#free.push(slot);
    }
    for (const id of ids) {
      if (this.#slots.has(id)) continue;
      const slot = this.#free.pop() ?? Math.min(this.#next++, MAX_FILTER_RULES - 1);
      // Its earlier rule's count stays in the cell, which is the data thread's to write.
      this.#slots.set(id, { slot, hitsBefore: this.#cells.hits(slot) });
    }
  }

  has(id: string): boolean {
    return this.#slots.has(id);
  }

  slotOf(id: string): number {
    return this.#slots.get(id)!.slot;
  }

  /** The rule that this cell counts for; of several, the first. */
  idOf(slot: number): string | undefined {
    for (const [id, one] of this.#slots) if (one.slot === slot) return id;
    return undefined;
  }

  hitsOf(id: string): number {
    const { slot, hitsBefore } = this.#slots.get(id)!;
    return this.#cells.hits(slot) - hitsBefore;
  }
}
