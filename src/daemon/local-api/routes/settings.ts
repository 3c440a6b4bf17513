import { settingsRequestSchema, settleRequestSchema } from "../../../api/local-settings.ts";
import { answers, type Routes, takes } from "../route.ts";

/** How the daemon runs. To change it can let others through this machine, or give its socket to a group. */
export const settingsRoutes: Routes = {
  "GET /v1/settings": answers("group", (target) => target.settings()),
  "POST /v1/settings": takes("owner", settingsRequestSchema, (target, request) => target.set(request)),
  "POST /v1/settings/settle": takes("owner", settleRequestSchema, (target, request) => target.settle(request)),
};
