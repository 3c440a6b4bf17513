import type { AdminCall } from "../../admin-call.ts";
import { type Exchange, readText, sendJson } from "../exchange.ts";
import type { Route } from "../route.ts";

export const ADMIN_PREFIX = "/v1/admin/";

const METHODS = ["GET", "POST", "DELETE"] as const;

/** All that is the coordinator's, by method. Which routes there are, and what they take, is the coordinator's to know. */
export const adminRoutes: ReadonlyMap<string, Route> = new Map(
  METHODS.map((method) => [
    method,
    { access: "owner", handle: (exchange: Exchange) => passToCoordinator(method, exchange) },
  ]),
);

async function passToCoordinator(method: AdminCall["method"], { request, response, target }: Exchange): Promise<void> {
  const body = await readText(request);
  const path = request.url ?? "";
  sendJson(response, 200, await target.admin({ method, path, body: body === "" ? undefined : body }));
}
