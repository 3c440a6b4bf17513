import type { ExitPeer, RouteView } from "../../api/local-exit.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { Settings } from "../network-state.ts";

/** In the order of their names. */
export function exitPeers(map: NetworkMap | undefined): ExitPeer[] {
  return (map?.peers ?? [])
    .filter(({ exit }) => exit.length > 0)
    .map(({ name, ip4, ip6, exit, online, tags }) => ({ name, ip4, ip6, families: [...exit], online, tags: [...tags] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Networks behind peers. */
export function peerRoutes(map: NetworkMap | undefined, { acceptRoutes }: Pick<Settings, "acceptRoutes">): RouteView[] {
  const detail = acceptRoutes ? "accepted" : "not accepted here: start the daemon with --accept-routes";
  return (map?.peers ?? []).flatMap(({ name, routes }) =>
    routes.map((cidr) => ({ cidr, peer: name, inForce: acceptRoutes, detail })),
  );
}
