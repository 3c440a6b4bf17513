import { MeshError } from "../../base/errors.ts";
import { peerDisabled } from "../peers/manage-peers.ts";
import type { Peer } from "../registry.ts";
import type { Actor } from "../store/audit.ts";

/** Who is calling. */
export type Caller =
  /** Somebody on the network, unknown until a proof in the request says otherwise. */
  | { readonly kind: "anyone"; readonly address: string }
  /** A peer that has signed this very request, as it stands with the network now. */
  | {
      readonly kind: "peer";
      readonly address: string;
      /** See `Registry.byId`. */
      readonly id: number;
      readonly name: string;
      readonly admin: boolean;
      readonly enabled: boolean;
    }
  /** A stand-alone relay, likewise. */
  | { readonly kind: "relay"; readonly address: string; readonly name: string }
  /** Who may open the admin socket: root or the coordinator's own user. */
  | { readonly kind: "host" };

/** What a route demands of its caller. */
type Right =
  /** Nothing; what it tells is public. */
  | "none"
  /** The request itself carries proofs, which its handler checks. */
  | "proof"
  | "admin"
  /** As `admin`, and any peer for what is its own: which that is, the handler decides. */
  | "own"
  /** The coordinator's own host. */
  | "host";

export type PublicRoute =
  | "GET /healthz"
  | "GET /readyz"
  | "GET /v1/info"
  | "GET /v1/ca"
  | "POST /v1/challenge"
  | "POST /v1/register"
  | "POST /v1/relay"
  | "DELETE /v1/peer";

export type AdminRoute =
  | "GET /v1/admin/tokens"
  | "POST /v1/admin/tokens"
  | "DELETE /v1/admin/tokens/:id"
  | "GET /v1/admin/peers"
  | "DELETE /v1/admin/peers/:name"
  | "POST /v1/admin/peers/:name/rename"
  | "POST /v1/admin/peers/:name/enable"
  | "POST /v1/admin/peers/:name/disable"
  | "POST /v1/admin/peers/:name/admin"
  | "POST /v1/admin/peers/:name/tags"
  | "POST /v1/admin/peers/:name/override-endpoint"
  | "POST /v1/admin/exits/:name"
  | "POST /v1/admin/routes/:name/approve"
  | "POST /v1/admin/routes/:name/revoke"
  | "GET /v1/admin/routes"
  | "POST /v1/admin/invitations/:name/reissue"
  | "GET /v1/admin/cidrs"
  | "POST /v1/admin/cidrs"
  | "POST /v1/admin/cidrs/:name/rename"
  | "POST /v1/admin/cidrs/:name/enable"
  | "POST /v1/admin/cidrs/:name/disable"
  | "DELETE /v1/admin/cidrs/:name"
  | "GET /v1/admin/associations"
  | "POST /v1/admin/associations"
  | "DELETE /v1/admin/associations/:from/:to"
  | "GET /v1/admin/filter"
  | "POST /v1/admin/filter"
  | "POST /v1/admin/filter/remove"
  | "POST /v1/admin/policy/test"
  | "GET /v1/admin/dns/records"
  | "POST /v1/admin/dns/records"
  | "POST /v1/admin/dns/records/remove"
  | "GET /v1/admin/dns/servers"
  | "POST /v1/admin/dns/servers"
  | "GET /v1/admin/audit"
  | "GET /v1/admin/backup"
  | "GET /v1/admin/relays"
  | "DELETE /v1/admin/relays/:name";

/** Every route there is: one that is not decided here does not compile. */
const REQUIRED_RIGHT: Record<PublicRoute | AdminRoute, Right> = {
  "GET /healthz": "none",
  "GET /readyz": "none",
  "GET /v1/info": "none",
  "GET /v1/ca": "none",
  "POST /v1/challenge": "none",
  "POST /v1/register": "proof",
  "POST /v1/relay": "proof",
  "DELETE /v1/peer": "proof",
  "GET /v1/admin/tokens": "admin",
  "POST /v1/admin/tokens": "admin",
  "DELETE /v1/admin/tokens/:id": "admin",
  "GET /v1/admin/peers": "admin",
  "DELETE /v1/admin/peers/:name": "admin",
  "POST /v1/admin/peers/:name/rename": "admin",
  "POST /v1/admin/peers/:name/enable": "admin",
  "POST /v1/admin/peers/:name/disable": "admin",
  "POST /v1/admin/peers/:name/admin": "admin",
  "POST /v1/admin/peers/:name/tags": "admin",
  "POST /v1/admin/peers/:name/override-endpoint": "admin",
  "POST /v1/admin/exits/:name": "admin",
  "POST /v1/admin/routes/:name/approve": "admin",
  "POST /v1/admin/routes/:name/revoke": "admin",
  "GET /v1/admin/routes": "admin",
  "POST /v1/admin/invitations/:name/reissue": "admin",
  "GET /v1/admin/cidrs": "admin",
  "POST /v1/admin/cidrs": "admin",
  "POST /v1/admin/cidrs/:name/rename": "admin",
  "POST /v1/admin/cidrs/:name/enable": "admin",
  "POST /v1/admin/cidrs/:name/disable": "admin",
  "DELETE /v1/admin/cidrs/:name": "admin",
  "GET /v1/admin/associations": "admin",
  "POST /v1/admin/associations": "admin",
  "DELETE /v1/admin/associations/:from/:to": "admin",
  "GET /v1/admin/filter": "admin",
  "POST /v1/admin/filter": "admin",
  "POST /v1/admin/filter/remove": "admin",
  "POST /v1/admin/policy/test": "admin",
  "GET /v1/admin/dns/records": "own",
  "POST /v1/admin/dns/records": "own",
  "POST /v1/admin/dns/records/remove": "own",
  "GET /v1/admin/dns/servers": "admin",
  "POST /v1/admin/dns/servers": "admin",
  "GET /v1/admin/audit": "admin",
  // The CA's private key is in it: not for admins elsewhere, whose right can be taken away again.
  "GET /v1/admin/backup": "host",
  "GET /v1/admin/relays": "admin",
  "DELETE /v1/admin/relays/:name": "admin",
};

/** Every route, for those who want to try them all. */
export const ROUTES = Object.keys(REQUIRED_RIGHT) as readonly (PublicRoute | AdminRoute)[];

/** The one decision on who may call what. @throws MeshError `not-permitted`, `peer-disabled` */
export function authorize(caller: Caller, route: PublicRoute | AdminRoute): void {
  const refusal = refuse(caller, REQUIRED_RIGHT[route]);
  if (refusal !== undefined) throw refusal;
}

function refuse(caller: Caller, right: Right): MeshError | undefined {
  switch (right) {
    case "none":
    case "proof":
      return undefined;
    case "admin":
      return isAdmin(caller) ? undefined : refuseAdmin(caller);
    case "own":
      return isAdmin(caller) || (caller.kind === "peer" && caller.enabled) ? undefined : refuseAdmin(caller);
    case "host":
      return caller.kind === "host" ? undefined : hostOnly();
  }
}

function isAdmin(caller: Caller): boolean {
  switch (caller.kind) {
    case "host":
      return true;
    case "peer":
      return caller.admin && caller.enabled;
    case "anyone":
    case "relay":
      return false;
  }
}

function refuseAdmin(caller: Caller): MeshError {
  if (caller.kind === "peer" && !caller.enabled) return peerDisabled(caller.name);
  const who = caller.kind === "peer" ? `${caller.name} does not have it` : "only admins have it";
  return new MeshError("not-permitted", `this needs the admin right, and ${who}`, {
    hint: "Run it on the coordinator's host, or on an admin peer; an admin gives the right by `mesh peer set-admin NAME on`.",
  });
}

function hostOnly(): MeshError {
  return new MeshError("not-permitted", "this is for the coordinator's own host alone", {
    hint: "Run it there, as root or as the coordinator's user.",
  });
}

export function peerCaller({ id, name, admin, enabled }: Peer, address: string): Caller {
  return { kind: "peer", address, id, name, admin, enabled };
}

/** The caller's name in the audit log. */
export function actorOf(caller: Caller): Actor {
  switch (caller.kind) {
    case "host":
      return "host";
    case "peer":
      return `peer:${caller.name}`;
    case "relay":
      return `relay:${caller.name}`;
    case "anyone":
      return "coordinator";
  }
}
