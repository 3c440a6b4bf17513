import { type AdminPeer, overrideEndpointSchema, tokenCreateSchema } from "../../api/admin.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { overrideEndpoint } from "../override-endpoint.ts";
import type { Peer, Registry } from "../registry.ts";
import { describeRelay, type RelayRegistrar } from "../relays/relay-registrar.ts";
import type { RelayRegistry } from "../relays/relay-registry.ts";
import type { Store } from "../store/store.ts";
import { createToken, listTokens, revokeToken, type TokenAddressing } from "../tokens.ts";
import type { Handler } from "./app.ts";
import { type AdminRoute, actorOf } from "./authorize.ts";

interface AdminRoutesDeps {
  readonly network: NetworkInfo;
  readonly store: Store;
  readonly registry: Registry;
  readonly relays: RelayRegistry;
  readonly relayRegistrar: RelayRegistrar;
  readonly clock: Clock;
  readonly addressing: TokenAddressing;
}

/** What the coordinator answers to its admins; contract in `src/api/admin.ts`. */
export function adminRoutes(deps: AdminRoutesDeps): Record<AdminRoute, Handler> {
  const { store, registry, relays, relayRegistrar, clock, addressing } = deps;
  return {
    "POST /v1/admin/tokens": async (call) => {
      const request = await call.body(tokenCreateSchema);
      const actor = actorOf(call.caller);
      return store.write((writer) => createToken(writer, request, addressing, actor, clock.wallMs()));
    },
    "GET /v1/admin/tokens": () => listTokens(store.reader, clock.wallMs()),
    "DELETE /v1/admin/tokens/:id": async (call) => {
      const id = call.param("id");
      if (id === undefined || !/^[0-9a-f]{32}$/.test(id)) throw new MeshError("not-found", "there is no such token");
      return store.write((writer) => revokeToken(writer, id, actorOf(call.caller), clock.wallMs()));
    },
    "GET /v1/admin/peers": () => [...registry.peers()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(describePeer),
    "POST /v1/admin/peers/:name/override-endpoint": async (call) => {
      const { endpoint } = await call.body(overrideEndpointSchema);
      const change = { name: call.param("name") ?? "", endpoint, actor: actorOf(call.caller) };
      return describePeer(await store.write((writer) => overrideEndpoint(writer, change, deps, clock.wallMs())));
    },
    "GET /v1/admin/relays": () => relays.list().map(describeRelay),
    "DELETE /v1/admin/relays/:name": (call) => relayRegistrar.remove(call.param("name") ?? "", actorOf(call.caller)),
  };
}

function describePeer(peer: Peer): AdminPeer {
  return {
    name: peer.name,
    ip4: peer.ip4,
    ip6: peer.ip6,
    cidr: peer.cidr,
    publicKey: peer.wireguardKey,
    state: peer.enabled ? "active" : "disabled",
    admin: peer.admin,
    online: peer.online,
    lastSeenAt: peer.lastSeenAtMs === null ? null : new Date(peer.lastSeenAtMs).toISOString(),
    ephemeral: peer.ephemeral,
    tags: [...peer.tags],
    overrideEndpoint: peer.overrideEndpoint,
  };
}
