import { TRANSPORT_NAMES, type TransportName } from "../../base/transports.ts";
import { NEVER } from "./timings.ts";

/** Which transports may be used for a peer, and which one rather than another. */
export class Preference {
  static readonly byDefault = new Preference(TRANSPORT_NAMES, [], null);

  /** Somebody asked for another order than the usual one. */
  readonly isExplicit: boolean;
  readonly #ranks: ReadonlyMap<TransportName, number>;

  constructor(order: readonly TransportName[], excluded: readonly TransportName[], preferred: TransportName | null) {
    const rankOf = (transport: TransportName) => {
      const rank = transport === preferred ? -1 : order.indexOf(transport);
      return excluded.includes(transport) || (rank < 0 && transport !== preferred) ? NEVER : rank;
    };
    this.#ranks = new Map(TRANSPORT_NAMES.map((transport) => [transport, rankOf(transport)]));
    const usual = TRANSPORT_NAMES.filter((transport) => order.includes(transport));
    this.isExplicit = preferred !== null || order.some((transport, rank) => transport !== usual[rank]);
  }

  /** Lower is better; Infinity: not to be used. */
  rankOf(transport: TransportName): number {
    return this.#ranks.get(transport) ?? NEVER;
  }

  isAllowed(transport: TransportName): boolean {
    return this.rankOf(transport) !== NEVER;
  }
}
