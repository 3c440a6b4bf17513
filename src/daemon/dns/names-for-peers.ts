import type { Offers } from "../exit/offers.ts";
import type { FilterKeeper, GivenRule } from "../filter/filter-keeper.ts";
import type { DnsKeeper } from "./dns-keeper.ts";

/** What our name server needs where it answers others. */
const RULE: GivenRule = {
  id: "dns",
  rule: {
    action: "allow",
    direction: "in",
    protocol: "tcp,udp",
    ports: "53",
    source: "any",
    destination: "any",
    comment: "names, for those whose exit this is",
  },
  expiresAt: null,
};

export interface NamesForPeersDeps {
  readonly filter: Pick<FilterKeeper, "setLayer">;
  readonly offers: Pick<Offers, "isExit">;
  readonly dns: Pick<DnsKeeper, "isOpenToPeers">;
}

/** Who may send through this machine may have names looked up here, whatever its filter says of the rest. */
export class NamesForPeers {
  readonly #deps: NamesForPeersDeps;
  #areServed = false;

  constructor(deps: NamesForPeersDeps) {
    this.#deps = deps;
  }

  /** The filter follows what is so now. */
  keep(): void {
    const { filter, offers, dns } = this.#deps;
    const areServed = offers.isExit && dns.isOpenToPeers;
    if (areServed === this.#areServed) return;
    this.#areServed = areServed;
    filter.setLayer("service", areServed ? [RULE] : []);
  }
}
