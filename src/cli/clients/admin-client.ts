import { z } from "zod";
import {
  type AdminEvent,
  type AdminPeer,
  type AdminRelay,
  adminEventSchema,
  adminPeerSchema,
  adminRelaySchema,
  type invitationReissueSchema,
  type Token,
  type TokenCreated,
  tokenCreatedSchema,
  type tokenCreateSchema,
  tokenSchema,
} from "../../api/admin.ts";
import {
  type AdminCidr,
  type Association,
  adminCidrSchema,
  associationSchema,
  type CidrCreate,
} from "../../api/admin-cidrs.ts";
import {
  type AdvertisedRoute,
  advertisedRouteSchema,
  type PeerOffers,
  peerOffersSchema,
} from "../../api/admin-offers.ts";
import {
  type DnsAdd,
  type DnsEntry,
  type DnsRemove,
  type DnsServersEntry,
  type DnsServersSet,
  dnsEntrySchema,
  dnsServersEntrySchema,
} from "../../api/network-dns.ts";
import {
  type NetworkFilterAdd,
  type NetworkFilterEntry,
  type NetworkFilterRemove,
  networkFilterEntrySchema,
} from "../../api/network-filter.ts";
import { type PolicyReport, type PolicyTest, policyReportSchema } from "../../api/policy-test.ts";
import type { GlobalOptions } from "../options/globals.ts";
import { type AdminDoor, openAdminDoor } from "./admin-door.ts";

/** What an admin asks of the coordinator, from its own host or from an admin peer. */
export class AdminClient {
  readonly #http: AdminDoor;

  constructor(http: AdminDoor) {
    this.#http = http;
  }

  static async open(options: GlobalOptions): Promise<AdminClient> {
    return new AdminClient(await openAdminDoor(options));
  }

  createToken(request: z.input<typeof tokenCreateSchema>): Promise<TokenCreated> {
    return this.#http.call({ method: "POST", path: "/v1/admin/tokens", body: request }, tokenCreatedSchema);
  }

  listTokens(): Promise<Token[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/tokens" }, z.array(tokenSchema));
  }

  revokeToken(id: string): Promise<Token> {
    return this.#http.call({ method: "DELETE", path: `/v1/admin/tokens/${encodeURIComponent(id)}` }, tokenSchema);
  }

  listRelays(): Promise<AdminRelay[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/relays" }, z.array(adminRelaySchema));
  }

  removeRelay(name: string): Promise<AdminRelay> {
    return this.#http.call(
      { method: "DELETE", path: `/v1/admin/relays/${encodeURIComponent(name)}` },
      adminRelaySchema,
    );
  }

  listPeers(): Promise<AdminPeer[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/peers" }, z.array(adminPeerSchema));
  }

  deletePeer(name: string): Promise<AdminPeer> {
    return this.#http.call({ method: "DELETE", path: peerPath(name) }, adminPeerSchema);
  }

  renamePeer(name: string, to: string): Promise<AdminPeer> {
    return this.#changePeer(name, "rename", { to });
  }

  setPeerEnabled(name: string, enabled: boolean): Promise<AdminPeer> {
    return this.#changePeer(name, enabled ? "enable" : "disable", {});
  }

  setPeerAdmin(name: string, admin: boolean): Promise<AdminPeer> {
    return this.#changePeer(name, "admin", { admin });
  }

  tagPeer(name: string, tags: readonly string[]): Promise<AdminPeer> {
    return this.#changePeer(name, "tags", { tags });
  }

  listCidrs(): Promise<AdminCidr[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/cidrs" }, z.array(adminCidrSchema));
  }

  addCidr(wanted: CidrCreate): Promise<AdminCidr> {
    return this.#http.call({ method: "POST", path: "/v1/admin/cidrs", body: wanted }, adminCidrSchema);
  }

  renameCidr(name: string, to: string): Promise<AdminCidr> {
    const path = `${cidrPath(name)}/rename`;
    return this.#http.call({ method: "POST", path, body: { to } }, adminCidrSchema);
  }

  setCidrEnabled(name: string, enabled: boolean): Promise<AdminCidr> {
    const path = `${cidrPath(name)}/${enabled ? "enable" : "disable"}`;
    return this.#http.call({ method: "POST", path }, adminCidrSchema);
  }

  deleteCidr(name: string): Promise<AdminCidr> {
    return this.#http.call({ method: "DELETE", path: cidrPath(name) }, adminCidrSchema);
  }

  listAssociations(): Promise<Association[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/associations" }, z.array(associationSchema));
  }

  addAssociation(wanted: Association): Promise<Association> {
    return this.#http.call({ method: "POST", path: "/v1/admin/associations", body: wanted }, associationSchema);
  }

  deleteAssociation(from: string, to: string): Promise<Association> {
    const path = `/v1/admin/associations/${encodeURIComponent(from)}/${encodeURIComponent(to)}`;
    return this.#http.call({ method: "DELETE", path }, associationSchema);
  }

  listFilterRules(): Promise<NetworkFilterEntry[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/filter" }, z.array(networkFilterEntrySchema));
  }

  addFilterRule(wanted: NetworkFilterAdd): Promise<NetworkFilterEntry> {
    return this.#http.call({ method: "POST", path: "/v1/admin/filter", body: wanted }, networkFilterEntrySchema);
  }

  removeFilterRule(removal: NetworkFilterRemove): Promise<NetworkFilterEntry> {
    const path = "/v1/admin/filter/remove";
    return this.#http.call({ method: "POST", path, body: removal }, networkFilterEntrySchema);
  }

  listDnsRecords(): Promise<DnsEntry[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/dns/records" }, z.array(dnsEntrySchema));
  }

  addDnsRecord(wanted: DnsAdd): Promise<DnsEntry> {
    return this.#http.call({ method: "POST", path: "/v1/admin/dns/records", body: wanted }, dnsEntrySchema);
  }

  removeDnsRecords(removal: DnsRemove): Promise<DnsEntry[]> {
    const path = "/v1/admin/dns/records/remove";
    return this.#http.call({ method: "POST", path, body: removal }, z.array(dnsEntrySchema));
  }

  listDnsServers(): Promise<DnsServersEntry[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/dns/servers" }, z.array(dnsServersEntrySchema));
  }

  setDnsServers(wanted: DnsServersSet): Promise<DnsServersEntry> {
    return this.#http.call({ method: "POST", path: "/v1/admin/dns/servers", body: wanted }, dnsServersEntrySchema);
  }

  testPolicy(wanted: PolicyTest): Promise<PolicyReport> {
    return this.#http.call({ method: "POST", path: "/v1/admin/policy/test", body: wanted }, policyReportSchema);
  }

  overrideEndpoint(name: string, endpoint: string | null): Promise<AdminPeer> {
    return this.#changePeer(name, "override-endpoint", { endpoint });
  }

  setExitAllowed(name: string, allowed: boolean): Promise<PeerOffers> {
    const path = `/v1/admin/exits/${encodeURIComponent(name)}`;
    return this.#http.call({ method: "POST", path, body: { allowed } }, peerOffersSchema);
  }

  listRoutes(): Promise<AdvertisedRoute[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/routes" }, z.array(advertisedRouteSchema));
  }

  setRouteApproved(name: string, route: string, approved: boolean): Promise<PeerOffers> {
    const path = `/v1/admin/routes/${encodeURIComponent(name)}/${approved ? "approve" : "revoke"}`;
    return this.#http.call({ method: "POST", path, body: { route } }, peerOffersSchema);
  }

  reissueInvitation(name: string, request: z.input<typeof invitationReissueSchema>): Promise<TokenCreated> {
    const path = `/v1/admin/invitations/${encodeURIComponent(name)}/reissue`;
    return this.#http.call({ method: "POST", path, body: request }, tokenCreatedSchema);
  }

  /** One page of the audit log, oldest first, after the event of this id. */
  listEvents(query: { readonly since: string; readonly after: number }): Promise<AdminEvent[]> {
    const path = `/v1/admin/audit?${new URLSearchParams({ since: query.since, after: String(query.after) })}`;
    return this.#http.call({ method: "GET", path }, z.array(adminEventSchema));
  }

  backup(): Promise<Buffer> {
    return this.#http.bytes({ method: "GET", path: "/v1/admin/backup" });
  }

  #changePeer(name: string, verb: string, body: object): Promise<AdminPeer> {
    return this.#http.call({ method: "POST", path: `${peerPath(name)}/${verb}`, body }, adminPeerSchema);
  }
}

function peerPath(name: string): string {
  return `/v1/admin/peers/${encodeURIComponent(name)}`;
}

function cidrPath(name: string): string {
  return `/v1/admin/cidrs/${encodeURIComponent(name)}`;
}
