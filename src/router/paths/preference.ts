import { PATH_TRANSPORTS, type PathTransport } from "./events.ts";
import { NEVER } from "./timings.ts";

/** Which transports may be used for a peer, and which one rather than another. */
export class Preference {
  static readonly byDefault = new Preference(PATH_TRANSPORTS, [], null);

  /** Somebody asked for another order than the usual one. */
  readonly isExplicit: boolean;
  readonly #ranks: Readonly<Record<PathTransport, number>>;

  constructor(order: readonly PathTransport[], excluded: readonly PathTransport[], preferred: PathTransport | null) {
    const rankOf = (transport: PathTransport) => {
      const rank = transport === preferred ? -1 : order.indexOf(transport);
      return excluded.includes(transport) || (rank < 0 && transport !== preferred) ? NEVER : rank;
    };
    this.#ranks = { udp: rankOf("udp"), ssh: rankOf("ssh"), relay: rankOf("relay") };
    const usual = PATH_TRANSPORTS.filter((transport) => order.includes(transport));
    this.isExplicit = preferred !== null || order.some((transport, rank) => transport !== usual[rank]);
  }

  /** Lower is better; Infinity: not to be used. */
  rankOf(transport: PathTransport): number {
    return this.#ranks[transport];
  }

  isAllowed(transport: PathTransport): boolean {
    return this.#ranks[transport] !== NEVER;
  }
}
