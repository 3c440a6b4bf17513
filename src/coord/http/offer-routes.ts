import { exitAllowanceSchema, type PeerOffers, routeSchema } from "../../api/admin-offers.ts";
import { MeshError } from "../../base/errors.ts";
import type { PeerCommand } from "../peers/manage-peers.ts";
import { approveRoute, describeOffers, listRoutes, revokeRoute, setExitAllowed } from "../peers/offers.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import type { Call, Handler } from "./app.ts";
import type { AdminRoute } from "./authorize.ts";
import { commandOf, type PeerRoutesDeps } from "./peer-routes.ts";

type OfferRoute = Extract<AdminRoute, `${string} /v1/admin/${"exits" | "routes"}${string}`>;

/** What admins say to peers that would be exits or routers; contract in `src/api/admin-offers.ts`. */
export function offerRoutes(deps: PeerRoutesDeps): Record<OfferRoute, Handler> {
  const { store, registry, clock } = deps;
  const change = async (
    call: Call,
    work: (writer: Writer, command: PeerCommand, nowMs: number) => Promise<PeerRow>,
  ): Promise<PeerOffers> => {
    const row = await store.write((writer) => work(writer, commandOf(call), clock.wallMs()));
    const peer = registry.byId(row.id);
    if (peer === undefined) throw new MeshError("not-found", `there is no peer ${row.name} any more`);
    return describeOffers(peer);
  };
  return {
    "GET /v1/admin/routes": () => listRoutes(registry),
    "POST /v1/admin/exits/:name": async (call) => {
      const { allowed } = await call.body(exitAllowanceSchema);
      return change(call, (writer, command, nowMs) => setExitAllowed(writer, command, allowed, deps, nowMs));
    },
    "POST /v1/admin/routes/:name/approve": async (call) => {
      const { route } = await call.body(routeSchema);
      return change(call, (writer, command, nowMs) => approveRoute(writer, { ...command, route }, deps, nowMs));
    },
    "POST /v1/admin/routes/:name/revoke": async (call) => {
      const { route } = await call.body(routeSchema);
      return change(call, (writer, command, nowMs) => revokeRoute(writer, { ...command, route }, deps, nowMs));
    },
  };
}
