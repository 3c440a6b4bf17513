import { compileFilter } from "../../filter/compile.ts";
import { FilterCells } from "../../filter/filter-cells.ts";
import type { FilterPolicy, OneWay } from "../../filter/policy.ts";
import type { DataCommand } from "../shared/commands.ts";
import type { PeerSet } from "./peer-set.ts";

/** The packet filter as the control thread has it: peers by their public keys, which the data plane knows by number. */
export class TunnelFilter {
  readonly cells = new FilterCells();
  readonly #peers: PeerSet;
  #wanted: FilterPolicy<string> | undefined;
  #inForce = "";

  constructor(peers: PeerSet) {
    this.#peers = peers;
  }

  /** What the data plane is to do for `policy` to be in force. */
  use(policy: FilterPolicy<string>): DataCommand[] {
    this.#wanted = policy;
    return this.configure();
  }

  /** The same after peers have come and gone. */
  configure(): DataCommand[] {
    if (this.#wanted === undefined) return [];
    const policy = this.#numbered(this.#wanted);
    // Whether anything has changed is cheaper to say than to compile.
    const text = JSON.stringify([policy.rules, policy.defaults, [...policy.oneWay]]);
    if (text === this.#inForce) return [];
    this.#inForce = text;
    return [{ type: "use-filter", program: compileFilter(policy) }];
  }

  #numbered({ rules, defaults, oneWay }: FilterPolicy<string>): FilterPolicy {
    const numbers = (keys: readonly string[]) => keys.flatMap((key) => this.#peers.get(key)?.id ?? []);
    const numbered = new Map<number, OneWay>();
    for (const [key, who] of oneWay) for (const id of numbers([key])) numbered.set(id, who);
    return {
      rules: rules.map((rule) => ({ ...rule, peers: rule.peers && numbers(rule.peers) })),
      defaults,
      oneWay: numbered,
    };
  }
}
