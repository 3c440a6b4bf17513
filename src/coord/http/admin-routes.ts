import { auditQuerySchema, invitationReissueSchema, tokenCreateSchema } from "../../api/admin.ts";
import { MeshError } from "../../base/errors.ts";
import { takeBackup } from "../backup/backup.ts";
import { reissueInvitation } from "../joining/invitations.ts";
import { createToken, listTokens, revokeToken, type TokenAddressing } from "../joining/tokens.ts";
import { describeRelay, type RelayRegistrar } from "../relays/relay-registrar.ts";
import type { RelayRegistry } from "../relays/relay-registry.ts";
import { listEvents } from "../store/audit.ts";
import { type Handler, RawAnswer } from "./app.ts";
import { type AdminRoute, actorOf } from "./authorize.ts";
import { cidrRoutes } from "./cidr-routes.ts";
import { dnsRoutes } from "./dns-routes.ts";
import { filterRoutes } from "./filter-routes.ts";
import { offerRoutes } from "./offer-routes.ts";
import { type PeerRoutesDeps, peerRoutes } from "./peer-routes.ts";
import { policyRoutes } from "./policy-routes.ts";

interface AdminRoutesDeps extends PeerRoutesDeps {
  readonly relays: RelayRegistry;
  readonly relayRegistrar: RelayRegistrar;
  readonly addressing: TokenAddressing;
  /** Of our state, open to us alone. */
  readonly directory: string;
}

/** What the coordinator answers to its admins; contract in `src/api/admin.ts`. */
export function adminRoutes(deps: AdminRoutesDeps): Record<AdminRoute, Handler> {
  const { store, relays, relayRegistrar, clock, addressing, directory } = deps;
  return {
    ...cidrRoutes(deps),
    ...filterRoutes(deps),
    ...policyRoutes(deps),
    ...dnsRoutes(deps),
    "POST /v1/admin/tokens": async (call) => {
      const request = await call.body(tokenCreateSchema);
      const actor = actorOf(call.caller);
      return store.write((writer) => createToken(writer, request, { addressing, actor }, clock.wallMs()));
    },
    "GET /v1/admin/tokens": () => listTokens(store.reader, clock.wallMs()),
    "DELETE /v1/admin/tokens/:id": async (call) => {
      const id = call.param("id");
      if (id === undefined || !/^[0-9a-f]{32}$/.test(id)) throw new MeshError("not-found", "there is no such token");
      return store.write((writer) => revokeToken(writer, id, actorOf(call.caller), clock.wallMs()));
    },
    "POST /v1/admin/invitations/:name/reissue": async (call) => {
      const request = await call.body(invitationReissueSchema);
      const command = { name: call.param("name") ?? "", actor: actorOf(call.caller) };
      return store.write((writer) => reissueInvitation(writer, command, request, addressing, clock.wallMs()));
    },
    "GET /v1/admin/audit": (call) => listEvents(store.reader, call.query(auditQuerySchema)),
    "GET /v1/admin/backup": async (call) =>
      new RawAnswer(
        "application/vnd.sqlite3",
        await takeBackup(store, directory, actorOf(call.caller), clock.wallMs()),
      ),
    ...peerRoutes(deps),
    ...offerRoutes(deps),
    "GET /v1/admin/relays": () => relays.list().map(describeRelay),
    "DELETE /v1/admin/relays/:name": (call) => relayRegistrar.remove(call.param("name") ?? "", actorOf(call.caller)),
  };
}
