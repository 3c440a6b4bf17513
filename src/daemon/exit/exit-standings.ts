import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import { exitNodePeers, isExit } from "./exit-nodes.ts";

/** How one of the exits that were asked for stands. */
export interface ExitStanding {
  /** Of a peer; what was asked for, where that is none. */
  readonly name: string;
  readonly state: "answers" | "silent" | "not asked" | "offers none" | "not there";
}

/** The exits that were asked for, in order and each once. @param stateOf of those that this machine may use */
export function exitStandings(
  nodes: readonly string[],
  map: NetworkMap | undefined,
  stateOf: (peer: MapPeer) => ExitStanding["state"],
): ExitStanding[] {
  const standings = nodes.flatMap((node): ExitStanding[] => {
    const peers = exitNodePeers([node], map);
    if (peers.length === 0) return [{ name: node, state: "not there" }];
    return peers.map((peer) => ({ name: peer.name, state: isExit(peer) ? stateOf(peer) : "offers none" }));
  });
  // The first of a name keeps its place.
  return [...new Map(standings.map((each) => [each.name, each])).values()];
}
