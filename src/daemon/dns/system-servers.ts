import { readFormerConf, SYSTEM_RESOLVER_FILES } from "../../host/resolver/former-conf.ts";
import { parseResolvConf } from "../../host/underlay/resolv-conf.ts";

export interface SystemServers {
  readonly servers: readonly string[];
  /** Where that is said. */
  readonly source: string;
}

/** Whom this host's programs ask, or would ask without us. */
export async function readSystemServers(files = SYSTEM_RESOLVER_FILES): Promise<SystemServers> {
  const text = await readFormerConf(files);
  return { servers: text === "" ? [] : parseResolvConf(text).servers, source: files.resolvConf };
}
