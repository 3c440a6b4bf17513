import {
  type AdminPeer,
  overrideEndpointSchema,
  peerAdminSchema,
  peerRenameSchema,
  peerTagsSchema,
} from "../../api/admin.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { invitedPeers, withdrawInvitation } from "../joining/invitations.ts";
import {
  deletePeer,
  type PeerCommand,
  renamePeer,
  setPeerAdmin,
  setPeerEnabled,
  tagPeer,
} from "../peers/manage-peers.ts";
import { overrideEndpoint } from "../peers/override-endpoint.ts";
import type { RemovalDeps } from "../peers/removal.ts";
import type { Peer } from "../registry.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Store, Writer } from "../store/store.ts";
import type { Call, Handler } from "./app.ts";
import { type AdminRoute, actorOf } from "./authorize.ts";

export interface PeerRoutesDeps extends RemovalDeps {
  readonly network: NetworkInfo;
  readonly store: Store;
  readonly clock: Clock;
}

type PeerRoute = Extract<AdminRoute, `${string} /v1/admin/peers${string}`>;

/** What admins do with peers; contract in `src/api/admin.ts`. */
export function peerRoutes(deps: PeerRoutesDeps): Record<PeerRoute, Handler> {
  const { store, registry, clock } = deps;
  const change = async (
    call: Call,
    work: (writer: Writer, command: PeerCommand, nowMs: number) => Promise<PeerRow>,
  ): Promise<AdminPeer> => {
    const row = await store.write((writer) => work(writer, commandOf(call), clock.wallMs()));
    const peer = registry.byId(row.id);
    if (peer === undefined) throw new MeshError("not-found", `there is no peer ${row.name} any more`);
    return describePeer(peer);
  };
  return {
    "GET /v1/admin/peers": async () => {
      const peers = Array.from(registry.peers(), describePeer);
      const invited = await invitedPeers(store.reader, clock.wallMs());
      return [...peers, ...invited].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    "POST /v1/admin/peers/:name/rename": async (call) => {
      const { to } = await call.body(peerRenameSchema);
      return change(call, (writer, command, nowMs) => renamePeer(writer, command, to, deps, nowMs));
    },
    "POST /v1/admin/peers/:name/enable": (call) =>
      change(call, (writer, command, nowMs) => setPeerEnabled(writer, command, true, deps, nowMs)),
    "POST /v1/admin/peers/:name/disable": (call) =>
      change(call, (writer, command, nowMs) => setPeerEnabled(writer, command, false, deps, nowMs)),
    "POST /v1/admin/peers/:name/admin": async (call) => {
      const { admin } = await call.body(peerAdminSchema);
      return change(call, (writer, command, nowMs) => setPeerAdmin(writer, command, admin, deps, nowMs));
    },
    "POST /v1/admin/peers/:name/tags": async (call) => {
      const { tags } = await call.body(peerTagsSchema);
      return change(call, (writer, command, nowMs) => tagPeer(writer, command, tags, deps, nowMs));
    },
    "POST /v1/admin/peers/:name/override-endpoint": async (call) => {
      const { endpoint } = await call.body(overrideEndpointSchema);
      return change(call, (writer, command, nowMs) => overrideEndpoint(writer, { ...command, endpoint }, deps, nowMs));
    },
    "DELETE /v1/admin/peers/:name": (call) =>
      store.write(async (writer) => {
        const command = commandOf(call);
        const nowMs = clock.wallMs();
        const invited = (await invitedPeers(writer.db, nowMs)).find(({ name }) => name === command.name);
        if (invited !== undefined) {
          await withdrawInvitation(writer, command, nowMs);
          return invited;
        }
        const { id } = await deletePeer(writer, command, deps, nowMs);
        // The picture in memory changes with the commit: this is the last sight of it.
        return describePeer(registry.byId(id)!);
      }),
  };
}

export function commandOf(call: Call): PeerCommand {
  return { name: call.param("name") ?? "", actor: actorOf(call.caller) };
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
