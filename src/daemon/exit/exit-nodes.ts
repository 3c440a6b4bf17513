import { tagOf } from "../../api/exit-node.ts";
import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import { MeshError } from "../../base/errors.ts";

/** The peers that these are, in order and each once: those of a tag by their names. What is not there is left out. */
export function exitNodePeers(nodes: readonly string[], map: NetworkMap | undefined): MapPeer[] {
  return [...new Set(nodes.flatMap((node) => peersOf(node, map)))];
}

/** Whether this machine may send to the internet by it. */
export function isExit({ exit, mayStart }: MapPeer): boolean {
  return exit.length > 0 && mayStart !== "peer";
}

/**
 * Refuses what can never be an exit here as things stand.
 * @throws MeshError `not-found`, `exit-is-self`, `exit-not-offered`, `exit-forbidden`, naming it
 */
export function requireExits(nodes: readonly string[], map: NetworkMap | undefined): void {
  for (const node of nodes) {
    if (node === map?.self.name) throw new MeshError("exit-is-self", `${node} is this machine itself`);
    const tag = tagOf(node);
    const peers = peersOf(node, map);
    if (peers.length === 0) {
      throw new MeshError("not-found", tag === undefined ? `there is no peer ${node}` : `no peer has the tag ${tag}`);
    }
    if (peers.some(isExit)) continue;
    const who = tag === undefined ? node : `none of the peers with the tag ${tag}`;
    if (peers.every(({ mayStart }) => mayStart === "peer")) {
      throw new MeshError(
        "exit-forbidden",
        `${tag === undefined ? `${node} is no` : `${who} is an`} exit for this machine, which may not start connections to it`,
      );
    }
    throw new MeshError("exit-not-offered", `${who} ${tag === undefined ? "offers no exit" : "offers an exit"}`);
  }
}

function peersOf(node: string, map: NetworkMap | undefined): MapPeer[] {
  const tag = tagOf(node);
  const others = (map?.peers ?? []).filter(({ wireguardKey }) => wireguardKey !== map?.self.wireguardKey);
  if (tag === undefined) return others.filter(({ name }) => name === node);
  return others.filter(({ tags }) => tags.includes(tag)).sort((a, b) => (a.name < b.name ? -1 : 1));
}
