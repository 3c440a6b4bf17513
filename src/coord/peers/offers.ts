import type { AdvertisedRoute, PeerOffers } from "../../api/admin-offers.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import { MeshError } from "../../base/errors.ts";
import { advertisableRoute } from "../../exit/advertised-route.ts";
import { canonicalCidr, cidrsOverlap, compareCidrs, parseCidr } from "../../packet/cidr.ts";
import type { Peer, Registry } from "../registry.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { changePeer, type PeerCommand, requirePeer } from "./manage-peers.ts";

/** What admins say to peers that would carry others' traffic. An exit is good until it is forbidden, a route once it is approved. */

interface OffersDeps {
  readonly network: Pick<NetworkInfo, "cidr4" | "cidr6">;
  readonly registry: Registry;
}

interface RouteCommand extends PeerCommand {
  readonly route: string;
}

/** Also of a peer that does not offer to be one: it may come to. @throws MeshError `not-found` */
export async function setExitAllowed(
  writer: Writer,
  { name, actor }: PeerCommand,
  allowed: boolean,
  { registry }: OffersDeps,
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  const action = allowed ? "peer.exit-allow" : "peer.exit-forbid";
  return changePeer(writer, row, { exit_forbidden: allowed ? 0 : 1 }, { actor, action, registry }, nowMs);
}

/** @throws MeshError `not-found` where the peer does not advertise it; `bad-cidr`, `route-overlap` naming what is in the way */
export async function approveRoute(
  writer: Writer,
  { name, actor, route: text }: RouteCommand,
  { network, registry }: OffersDeps,
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  const route = advertisableRoute(text, [network.cidr4, network.cidr6]);
  const approved: string[] = JSON.parse(row.approved_routes);
  if (approved.includes(route)) return row;
  const advertised = registry.byId(row.id)?.advertisedRoutes ?? [];
  if (!advertised.includes(route)) {
    throw new MeshError("not-found", `${name} does not advertise ${route}`, {
      hint: `${advertised.length === 0 ? "It advertises nothing" : `It advertises ${advertised.join(", ")}`}; see \`mesh route list\`.`,
    });
  }
  requireNoOther(route, row.id, registry);
  const columns = { approved_routes: JSON.stringify([...approved, route]) };
  return changePeer(writer, row, columns, { actor, action: "peer.route-approve", registry }, nowMs);
}

/** @throws MeshError `not-found`, `bad-cidr` */
export async function revokeRoute(
  writer: Writer,
  { name, actor, route: text }: RouteCommand,
  { registry }: OffersDeps,
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  const route = canonicalCidr(text);
  const approved: string[] = JSON.parse(row.approved_routes);
  if (!approved.includes(route)) throw new MeshError("not-found", `${route} is not approved of ${name}`);
  const columns = { approved_routes: JSON.stringify(approved.filter((one) => one !== route)) };
  return changePeer(writer, row, columns, { actor, action: "peer.route-revoke", registry }, nowMs);
}

/** By network, then by peer. */
export function listRoutes(registry: Registry): AdvertisedRoute[] {
  const routes = Array.from(registry.peers()).flatMap(({ name, advertisedRoutes, approvedRoutes }) =>
    [...new Set([...advertisedRoutes, ...approvedRoutes])].map((cidr) => ({
      peer: name,
      cidr,
      advertised: advertisedRoutes.includes(cidr),
      approved: approvedRoutes.includes(cidr),
    })),
  );
  return routes.sort((a, b) => compareCidrs(parseCidr(a.cidr), parseCidr(b.cidr)) || (a.peer < b.peer ? -1 : 1));
}

export function describeOffers(peer: Peer): PeerOffers {
  return {
    name: peer.name,
    exit: [...peer.exitFamilies],
    exitForbidden: peer.exitForbidden,
    advertisedRoutes: [...peer.advertisedRoutes],
    approvedRoutes: [...peer.approvedRoutes],
  };
}

/** Two ways to one address would leave it to chance which is taken. */
function requireNoOther(route: string, peerId: number, registry: Registry): void {
  for (const { id, name, approvedRoutes } of registry.peers()) {
    const other = approvedRoutes.find((one) => cidrsOverlap(parseCidr(one), parseCidr(route)));
    if (other !== undefined && id !== peerId) {
      throw new MeshError("route-overlap", `${route} overlaps ${other}, which is approved of ${name}`, {
        hint: `Revoke that one first: \`mesh route revoke ${name} ${other}\`.`,
      });
    }
  }
}
