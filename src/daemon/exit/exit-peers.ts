import type { ExitPeer } from "../../api/local-exit.ts";
import type { NetworkMap } from "../../api/network-map.ts";

/** Those that the owner of the map may use, in the order of their names. */
export function exitPeers(map: NetworkMap | undefined): ExitPeer[] {
  return (map?.peers ?? [])
    .filter(({ exit }) => exit.length > 0)
    .map(({ name, ip4, ip6, exit, online, tags }) => ({ name, ip4, ip6, families: [...exit], online, tags: [...tags] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
