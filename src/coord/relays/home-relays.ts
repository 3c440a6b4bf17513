import { createHash } from "node:crypto";
import { COORDINATOR_RELAY_ID, MAX_HOME_RELAYS } from "../../api/relay.ts";

/** The network's relays, as far as the choice of home relays is concerned. */
export interface RelayChoice {
  /** Ids of the stand-alone relays that say where they are, with whether they have been out of our sight for long. */
  readonly standalone: readonly { readonly id: string; readonly isAway: boolean }[];
  /** Whether the coordinator relays as well. */
  readonly hasOwn: boolean;
}

const Tier = { standalone: 0, own: 1, away: 2, unreached: 3 } as const;

/**
 * At which relays a peer is to be found, best first. Stand-alone relays come first, because ours goes when we go; each peer
 * has an order of its own among them (rendezvous hashing: Thaler and Ravishankar, 1996), so that they share the load, and a
 * relay that comes or goes moves no more peers than it must. Those out of sight, and those that the peer does not reach,
 * come last.
 */
export function homeRelays(machineKey: string, { standalone, hasOwn }: RelayChoice, unreached: readonly string[]) {
  const tierOf = (id: string, tier: number) => (unreached.includes(id) ? Tier.unreached : tier);
  const ranked = standalone.map(({ id, isAway }) => ({
    id,
    tier: tierOf(id, isAway ? Tier.away : Tier.standalone),
    weight: createHash("sha256").update(`${machineKey} ${id}`).digest("hex"),
  }));
  if (hasOwn) {
    ranked.push({ id: COORDINATOR_RELAY_ID, tier: tierOf(COORDINATOR_RELAY_ID, Tier.own), weight: "" });
  }
  ranked.sort((a, b) => a.tier - b.tier || (a.weight < b.weight ? -1 : 1));
  return ranked.slice(0, MAX_HOME_RELAYS).map(({ id }) => id);
}
