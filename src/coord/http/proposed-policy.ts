import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProposedChange } from "../../api/policy-test.ts";
import { MeshError } from "../../base/errors.ts";
import { notRegistered } from "../joining/registration.ts";
import { ChangeLog } from "../maps/change-log.ts";
import { PolicySnapshot } from "../policy-test/policy-snapshot.ts";
import { readRegistry } from "../read-registry.ts";
import type { Registry } from "../registry.ts";
import type { Handler } from "./app.ts";
import { type AdminRoute, authorize, type Caller, peerCaller } from "./authorize.ts";
import { checkValue } from "./body.ts";
import { cidrRoutes } from "./cidr-routes.ts";
import { filterRoutes } from "./filter-routes.ts";
import { type PeerRoutesDeps, peerRoutes } from "./peer-routes.ts";

/** The requests that change who may reach whom, by what names, or who may change it. */
export const CHANGES = [
  "POST /v1/admin/cidrs",
  "POST /v1/admin/cidrs/:name/rename",
  "POST /v1/admin/cidrs/:name/enable",
  "POST /v1/admin/cidrs/:name/disable",
  "DELETE /v1/admin/cidrs/:name",
  "POST /v1/admin/associations",
  "DELETE /v1/admin/associations/:from/:to",
  "POST /v1/admin/filter",
  "POST /v1/admin/filter/remove",
  "POST /v1/admin/peers/:name/rename",
  "POST /v1/admin/peers/:name/enable",
  "POST /v1/admin/peers/:name/disable",
  "POST /v1/admin/peers/:name/admin",
  "POST /v1/admin/peers/:name/tags",
  "DELETE /v1/admin/peers/:name",
] as const satisfies readonly AdminRoute[];

/** Nobody asks for what has changed since. */
const MAX_CHANGES_KEPT = 1;

/** As regular expressions over `METHOD /path`; a part of the path never holds a slash. */
const PATTERNS = CHANGES.map((route) => ({
  route,
  pattern: new RegExp(`^${route.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
}));

/**
 * The policy as it would be after these changes. They are made by the handlers of the real requests, with the caller's right
 * at each step, in a copy of the database and a registry of its own that nobody listens to: nothing is kept, nobody is told.
 * @throws MeshError `bad-changes`; or what the real request would be refused with; the line is named
 */
export async function proposedPolicy(
  proposed: readonly ProposedChange[],
  caller: Caller,
  live: PeerRoutesDeps,
): Promise<PolicySnapshot> {
  const store = await live.store.copyToMemory();
  try {
    const registry = await readRegistry(store.reader, new ChangeLog(0, MAX_CHANGES_KEPT));
    const deps = { ...live, store, registry, disconnect: () => {} };
    const handlers = { ...cidrRoutes(deps), ...filterRoutes(deps), ...peerRoutes(deps) };
    for (const change of proposed) {
      try {
        await make(change, callerIn(registry, caller), handlers);
      } catch (thrown) {
        if (!(thrown instanceof MeshError)) throw thrown;
        const { code, hint } = thrown;
        throw new MeshError(code, `line ${change.line}: ${thrown.message}`, { hint, cause: thrown });
      }
      // A copy in memory never waits for anything: others get their turn here.
      await nextTurn();
    }
    return PolicySnapshot.of(registry, live.clock.wallMs());
  } finally {
    await store.close();
  }
}

async function make(
  { method, path, body }: ProposedChange,
  caller: Caller,
  handlers: Readonly<Record<(typeof CHANGES)[number], Handler>>,
): Promise<void> {
  const { route, params } = routeOf(method, path);
  authorize(caller, route);
  await handlers[route]({
    caller,
    param: (name) => params[name],
    query: (schema) => checkValue({}, schema),
    body: async (schema) => checkValue(body, schema),
  });
}

function routeOf(method: string, path: string) {
  for (const { route, pattern } of PATTERNS) {
    const match = pattern.exec(`${method} ${path}`);
    if (match === null) continue;
    const params = Object.entries(match.groups ?? {}).map(([name, part]) => [name, decodePart(part)] as const);
    return { route, params: Object.fromEntries(params) as Readonly<Record<string, string>> };
  }
  throw new MeshError("bad-changes", "this changes nothing in who may reach whom");
}

/** @throws MeshError `bad-request` */
function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new MeshError("bad-request", "the path is not valid");
  }
}

/** The caller as the changes so far have left it: who has lost the admin right makes no further ones. */
function callerIn(registry: Registry, caller: Caller): Caller {
  if (caller.kind !== "peer") return caller;
  const peer = registry.byId(caller.id);
  if (peer === undefined) throw notRegistered();
  return peerCaller(peer, caller.address);
}
