import { PATH_TRANSPORTS, type PathTransport } from "./events.ts";

/** Which transports may be used for a peer, and which one rather than another. */
export class Preference {
  static readonly byDefault = new Preference(PATH_TRANSPORTS, [], null);

  readonly #order: readonly PathTransport[];
  readonly #excluded: readonly PathTransport[];
  readonly #preferred: PathTransport | null;

  constructor(order: readonly PathTransport[], excluded: readonly PathTransport[], preferred: PathTransport | null) {
    this.#order = order;
    this.#excluded = excluded;
    this.#preferred = preferred;
  }

  /** Lower is better; Infinity: not to be used. */
  rankOf(transport: PathTransport): number {
    if (this.#excluded.includes(transport)) return Number.POSITIVE_INFINITY;
    if (transport === this.#preferred) return -1;
    const rank = this.#order.indexOf(transport);
    return rank < 0 ? Number.POSITIVE_INFINITY : rank;
  }

  isAllowed(transport: PathTransport): boolean {
    return this.rankOf(transport) !== Number.POSITIVE_INFINITY;
  }

  /** Somebody asked for another order than the usual one. */
  get isExplicit(): boolean {
    if (this.#preferred !== null) return true;
    return this.#order.some((transport, rank) => transport !== PATH_TRANSPORTS[rank]);
  }
}
