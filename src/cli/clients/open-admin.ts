import type { GlobalOptions } from "../options/globals.ts";
import type { AdminClient } from "./admin-client.ts";

/** How a command comes by whom it asks. */
export type OpenAdmin = (options: GlobalOptions) => Promise<AdminClient>;

/** The coordinator. What speaks to it is loaded when it is asked for: other commands do not pay for it. */
export const openAdmin: OpenAdmin = async (options) => {
  const { AdminClient } = await import("./admin-client.ts");
  return AdminClient.open(options);
};
