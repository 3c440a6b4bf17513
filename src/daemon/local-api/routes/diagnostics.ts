import { explainRequestSchema } from "../../../api/explain.ts";
import { hangUp, sendJson } from "../exchange.ts";
import { type Routes, takes } from "../route.ts";

/** What measures and explains. */
export const diagnosticRoutes: Routes = {
  "POST /v1/explain": takes("group", explainRequestSchema, (target, request) => target.explain(request)),
  "POST /v1/netcheck": {
    access: "group",
    handle: async ({ response, target }) => sendJson(response, 200, await target.netcheck(hangUp(response))),
  },
};
