import { associationSchema, cidrCreateSchema, cidrRenameSchema } from "../../api/admin-cidrs.ts";
import type { Clock } from "../../base/clock.ts";
import { addAssociation, deleteAssociation, listAssociations } from "../cidrs/associations.ts";
import { addCidr, deleteCidr, listCidrs, renameCidr, setCidrEnabled, type TreeChange } from "../cidrs/cidrs.ts";
import type { Registry } from "../registry.ts";
import type { Store } from "../store/store.ts";
import type { Call, Handler } from "./app.ts";
import { type AdminRoute, actorOf, type Caller } from "./authorize.ts";

interface CidrRoutesDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
}

type CidrRoute = Extract<AdminRoute, `${string} /v1/admin/${"cidrs" | "associations"}${string}`>;

/** The admins' routes for CIDRs and associations; contract in `src/api/admin-cidrs.ts`. */
export function cidrRoutes({ store, registry, clock }: CidrRoutesDeps): Record<CidrRoute, Handler> {
  const changeBy = (caller: Caller): TreeChange => ({ registry, actor: actorOf(caller), nowMs: clock.wallMs() });
  const setEnabled = ({ caller, param }: Call, enabled: boolean) =>
    store.write((writer) => setCidrEnabled(writer, { name: param("name") ?? "", enabled }, changeBy(caller)));
  return {
    "GET /v1/admin/cidrs": () => listCidrs(store.reader),
    "POST /v1/admin/cidrs": async ({ caller, body }) => {
      const wanted = await body(cidrCreateSchema);
      return store.write((writer) => addCidr(writer, wanted, changeBy(caller)));
    },
    "POST /v1/admin/cidrs/:name/rename": async ({ caller, body, param }) => {
      const { to } = await body(cidrRenameSchema);
      return store.write((writer) => renameCidr(writer, { name: param("name") ?? "", to }, changeBy(caller)));
    },
    "POST /v1/admin/cidrs/:name/enable": (call) => setEnabled(call, true),
    "POST /v1/admin/cidrs/:name/disable": (call) => setEnabled(call, false),
    "DELETE /v1/admin/cidrs/:name": ({ caller, param }) =>
      store.write((writer) => deleteCidr(writer, param("name") ?? "", changeBy(caller))),
    "GET /v1/admin/associations": () => listAssociations(store.reader),
    "POST /v1/admin/associations": async ({ caller, body }) => {
      const wanted = await body(associationSchema);
      return store.write((writer) => addAssociation(writer, wanted, changeBy(caller)));
    },
    "DELETE /v1/admin/associations/:from/:to": ({ caller, param }) => {
      const names = { from: param("from") ?? "", to: param("to") ?? "" };
      return store.write((writer) => deleteAssociation(writer, names, changeBy(caller)));
    },
  };
}
