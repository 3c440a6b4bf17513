import { dnsAddSchema, dnsRemoveSchema, dnsServersSetSchema } from "../../api/network-dns.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { DnsChange } from "../dns/dns-records.ts";
import { addRecord, type DnsAuthority, listRecords, removeRecords } from "../dns/manage-records.ts";
import { listServers, setServers } from "../dns/manage-servers.ts";
import type { Registry } from "../registry.ts";
import type { Store } from "../store/store.ts";
import type { Handler } from "./app.ts";
import { type AdminRoute, actorOf, type Caller } from "./authorize.ts";

interface DnsRoutesDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
}

type DnsRoute = Extract<AdminRoute, `${string} /v1/admin/dns${string}`>;

/** DNS of the network; contract in `src/api/network-dns.ts`. */
export function dnsRoutes({ store, registry, clock }: DnsRoutesDeps): Record<DnsRoute, Handler> {
  const changeBy = (caller: Caller): DnsChange => ({ registry, actor: actorOf(caller), nowMs: clock.wallMs() });
  const authorityOf = (caller: Caller): DnsAuthority => {
    if (caller.kind !== "peer" || caller.admin) return "all";
    const peer = registry.named(caller.name);
    if (peer === undefined) throw new MeshError("not-registered", `${caller.name} is no peer any more`);
    return peer;
  };
  return {
    "GET /v1/admin/dns/records": ({ caller }) => listRecords(registry, authorityOf(caller)),
    "POST /v1/admin/dns/records": async ({ caller, body }) => {
      const wanted = await body(dnsAddSchema);
      return store.write((writer) => addRecord(writer, wanted, authorityOf(caller), changeBy(caller)));
    },
    "POST /v1/admin/dns/records/remove": async ({ caller, body }) => {
      const wanted = await body(dnsRemoveSchema);
      return store.write((writer) => removeRecords(writer, wanted, authorityOf(caller), changeBy(caller)));
    },
    "GET /v1/admin/dns/servers": () => listServers(registry),
    "POST /v1/admin/dns/servers": async ({ caller, body }) => {
      const wanted = await body(dnsServersSetSchema);
      return store.write((writer) => setServers(writer, wanted, changeBy(caller)));
    },
  };
}
