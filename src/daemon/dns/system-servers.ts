import { readFile } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";
import { parseResolvConf } from "../../host/underlay/resolv-conf.ts";

export interface SystemServers {
  readonly servers: readonly string[];
  /** Where that is said. */
  readonly source: string;
}

const RESOLV_CONF = "/etc/resolv.conf";

/** Whom this host's programs ask. */
export async function readSystemServers(path = RESOLV_CONF): Promise<SystemServers> {
  try {
    return { servers: parseResolvConf(await readFile(path, "utf8")).servers, source: path };
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return { servers: [], source: path };
    throw failure;
  }
}
