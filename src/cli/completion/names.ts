import { TRANSPORT_NAMES } from "../../base/transports.ts";
import { listNetworks, resolveHome } from "../../daemon/networks/home.ts";
import { localClient } from "../clients/local-client.ts";
import type { GlobalOptions } from "../options/globals.ts";
import type { NamesOf } from "./candidates.ts";

const PEERS = new Set(["peer", "peers", "ends"]);

/** Names as this machine knows them; none where no daemon runs, or this user may not ask it. */
export function namesInNetwork(globals: GlobalOptions): NamesOf {
  return async (placeholder) => {
    if (placeholder === "transport") return [...TRANSPORT_NAMES, "auto"];
    try {
      if (placeholder === "network") return listNetworks(resolveHome(globals.home));
      if (!PEERS.has(placeholder)) return [];
      const { self, peers } = await localClient(globals).status();
      return [...(self === null ? [] : [self.name]), ...peers.map(({ name }) => name)];
    } catch {
      return [];
    }
  };
}
