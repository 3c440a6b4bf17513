import { networkFilterAddSchema, networkFilterRemoveSchema } from "../../api/network-filter.ts";
import type { Clock } from "../../base/clock.ts";
import { addRule, listRules, removeRule } from "../filter/manage-rules.ts";
import type { RuleChange } from "../filter/rule-records.ts";
import type { Registry } from "../registry.ts";
import type { Store } from "../store/store.ts";
import type { Handler } from "./app.ts";
import { type AdminRoute, actorOf, type Caller } from "./authorize.ts";

interface FilterRoutesDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
}

type FilterRoute = Extract<AdminRoute, `${string} /v1/admin/filter${string}`>;

/** The admins' routes for the network's packet filter; contract in `src/api/network-filter.ts`. */
export function filterRoutes({ store, registry, clock }: FilterRoutesDeps): Record<FilterRoute, Handler> {
  const changeBy = (caller: Caller): RuleChange => ({ registry, actor: actorOf(caller), nowMs: clock.wallMs() });
  return {
    "GET /v1/admin/filter": () => listRules(registry, clock.wallMs()),
    "POST /v1/admin/filter": async ({ caller, body }) => {
      const wanted = await body(networkFilterAddSchema);
      return store.write((writer) => addRule(writer, wanted, changeBy(caller)));
    },
    "POST /v1/admin/filter/remove": async ({ caller, body }) => {
      const wanted = await body(networkFilterRemoveSchema);
      return store.write((writer) => removeRule(writer, wanted, changeBy(caller)));
    },
  };
}
