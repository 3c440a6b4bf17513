import type { Route, Routes } from "./route.ts";
import { ADMIN_PREFIX, adminRoutes } from "./routes/admin.ts";
import { diagnosticRoutes } from "./routes/diagnostics.ts";
import { dnsRoutes } from "./routes/dns.ts";
import { exitRoutes } from "./routes/exit.ts";
import { filterRoutes } from "./routes/filter.ts";
import { lifecycleRoutes } from "./routes/lifecycle.ts";
import { logRoutes } from "./routes/logs.ts";
import { peerRoutes } from "./routes/peers.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { statusRoutes } from "./routes/status.ts";

/** Every route of this machine's own. `docs/local-api.md` has a line for each; a test holds the two together. */
export const ROUTES: Routes = {
  ...statusRoutes,
  ...logRoutes,
  ...lifecycleRoutes,
  ...settingsRoutes,
  ...peerRoutes,
  ...filterRoutes,
  ...dnsRoutes,
  ...exitRoutes,
  ...diagnosticRoutes,
};

/** @param path without query */
export function routeOf(method: string, path: string): Route | undefined {
  if (path.startsWith(ADMIN_PREFIX)) return adminRoutes.get(method);
  const route = `${method} ${path}`;
  return Object.hasOwn(ROUTES, route) ? ROUTES[route] : undefined;
}

/** The methods to which a path answers; none where there is no such path. */
export function methodsOf(path: string): string[] {
  if (path.startsWith(ADMIN_PREFIX)) return [...adminRoutes.keys()];
  const routes = Object.keys(ROUTES).map((route) => route.split(" "));
  return routes.flatMap(([method = "", ofRoute]) => (ofRoute === path ? method : []));
}
