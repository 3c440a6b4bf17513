import { MeshError } from "../../../base/errors.ts";
import { type Exchange, readText, sendJson } from "../exchange.ts";
import type { Route } from "../route.ts";

export const ADMIN_PREFIX = "/v1/admin/";

/** All that is the coordinator's. Which routes there are, and what they take, is the coordinator's to know. */
export const adminRoute: Route = { access: "owner", handle: passToCoordinator };

async function passToCoordinator({ request, response, target }: Exchange): Promise<void> {
  const { method, url: path = "" } = request;
  if (method !== "GET" && method !== "POST" && method !== "DELETE") {
    throw new MeshError("method-not-allowed", `nothing of the coordinator's answers to ${method}`);
  }
  const body = await readText(request);
  sendJson(response, 200, await target.admin({ method, path, body: body === "" ? undefined : body }));
}
