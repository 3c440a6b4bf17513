import { policyTestSchema } from "../../api/policy-test.ts";
import { PolicySnapshot } from "../policy-test/policy-snapshot.ts";
import { testPolicy } from "../policy-test/test-policy.ts";
import type { Handler } from "./app.ts";
import type { AdminRoute } from "./authorize.ts";
import type { PeerRoutesDeps } from "./peer-routes.ts";
import { proposedPolicy } from "./proposed-policy.ts";

type PolicyRoute = Extract<AdminRoute, `${string} /v1/admin/policy${string}`>;

/** The admins' route for putting the policy to the test; contract in `src/api/policy-test.ts`. */
export function policyRoutes(deps: PeerRoutesDeps): Record<PolicyRoute, Handler> {
  const { registry, clock } = deps;
  return {
    "POST /v1/admin/policy/test": async ({ body, caller }) => {
      const { text, proposed } = await body(policyTestSchema);
      if (proposed === undefined) {
        return { policy: "live", ...(await testPolicy(text, PolicySnapshot.of(registry, clock.wallMs()))) };
      }
      return { policy: "proposed", ...(await testPolicy(text, await proposedPolicy(proposed, caller, deps))) };
    },
  };
}
