import type { FilterAction, FilterDefault, FilterDirection, FilterProtocol, PortRange } from "../api/filter-rule.ts";
import type { Cidr } from "../packet/cidr.ts";

/** A rule of any layer with its names resolved for this machine. `Peer` is what peers are called by. */
export interface ResolvedRule<Peer = number> {
  readonly action: FilterAction;
  readonly direction: FilterDirection;
  readonly protocol: FilterProtocol;
  /** Of the end that the connection is made to; null for any. */
  readonly ports: readonly PortRange[] | null;
  /** The machines at the other end; null for any, empty for none. */
  readonly peers: readonly Peer[] | null;
  /** Addresses in the packet that opens the connection; null for any. */
  readonly sources: readonly Cidr[] | null;
  readonly destinations: readonly Cidr[] | null;
  /** The cell of `FilterCells` that counts the connections which it decides. */
  readonly slot: number;
}

/** Who may start connections between a peer and us, where not both may. */
export type OneWay = "self" | "peer";

/** All that decides about new connections. Of the rules of one kind, the first one that fits counts as the one that decided. */
export interface FilterPolicy<Peer = number> {
  readonly rules: readonly ResolvedRule<Peer>[];
  readonly defaults: Readonly<Record<FilterDirection, FilterDefault>>;
  readonly oneWay: ReadonlyMap<Peer, OneWay>;
}

/** Refuses nothing. */
export const OPEN_POLICY: FilterPolicy = { rules: [], defaults: { in: "allow", out: "allow" }, oneWay: new Map() };
