import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Warnings } from "../warnings.ts";
import { UapiServer } from "./uapi.ts";
import type { UapiDevice } from "./uapi-text.ts";

export interface ServeUapiDeps {
  readonly warnings: Warnings;
  readonly logger: Logger;
}

/** Lets `wg show` see this interface. Without it everything else goes on, and the user is told. */
export async function serveUapi(
  interfaceName: string,
  device: () => UapiDevice,
  { warnings, logger }: ServeUapiDeps,
): Promise<UapiServer | undefined> {
  const path = UapiServer.socketPath(interfaceName);
  warnings.clear("uapi");
  try {
    const server = await UapiServer.open(path, device, { logger });
    if (server === undefined) warnings.set("uapi", `${path} is served by another process: wg shows that one`);
    return server;
  } catch (failure) {
    warnings.set("uapi", `wg cannot show this interface: ${asMeshError(failure).message}`);
    return undefined;
  }
}
