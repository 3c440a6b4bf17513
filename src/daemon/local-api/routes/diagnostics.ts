import { explainRequestSchema } from "../../../api/explain.ts";
import { bugReportRequestSchema } from "../../../api/local-bug-report.ts";
import { type Exchange, hangUp, readJson, sendJson } from "../exchange.ts";
import { parseWith, type Routes, takes } from "../route.ts";

/** What measures and explains. */
export const diagnosticRoutes: Routes = {
  "POST /v1/explain": takes("group", explainRequestSchema, (target, request) => target.explain(request)),
  "POST /v1/netcheck": {
    access: "group",
    handle: async ({ response, target }) => sendJson(response, 200, await target.netcheck(hangUp(response))),
  },
  "POST /v1/bugreport": { access: "group", handle: sendBugReport },
};

async function sendBugReport({ request, response, target }: Exchange): Promise<void> {
  const asked = parseWith(bugReportRequestSchema, await readJson(request));
  sendJson(response, 200, await target.bugReport(asked, hangUp(response)));
}
