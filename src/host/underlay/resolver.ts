import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { errnoOf } from "../../base/errors.ts";
import type { DnsSockets } from "../dns-exchange.ts";
import { type ResolverFiles, readFormerConf, SYSTEM_RESOLVER_FILES } from "../resolver/former-conf.ts";
import { queryAddresses } from "./dns-query.ts";
import { addressesInHosts, namesToAsk, parseResolvConf, type ResolvConf } from "./resolv-conf.ts";

/**
 * The addresses of a host, at least one.
 * @throws Error with `code` `ENOTFOUND` (there is no such name) or `EAI_AGAIN` (nobody who knows could be asked)
 */
export type Resolve = (host: string, signal?: AbortSignal) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

interface NameFiles extends ResolverFiles {
  readonly hosts: string;
}

const SYSTEM_FILES: NameFiles = { hosts: "/etc/hosts", ...SYSTEM_RESOLVER_FILES };

/**
 * Resolves by `/etc/hosts` and the name servers that `/etc/resolv.conf` would have without us, over sockets of our own: those
 * of the C library, which `dns.lookup` uses, cannot be marked. The files are read anew each time.
 */
export function ownResolver(deps: DnsSockets, files: NameFiles = SYSTEM_FILES): Resolve {
  return async (host, signal) => {
    if (isIP(host) !== 0) return [host];
    // RFC 6761 §6.3.
    if (/^(?:.+\.)?localhost\.?$/i.test(host)) return ["127.0.0.1", "::1"];
    const noted = addressesInHosts(await readText(files.hosts), host);
    if (noted.length > 0) return noted;
    const conf = parseResolvConf(await readFormerConf(files));
    for (const name of namesToAsk(host, conf)) {
      const addresses = await askServers(name, conf, deps, signal);
      if (addresses.length > 0) return addresses;
    }
    throw nameError("ENOTFOUND", `there is no host ${host}`);
  };
}

/** The first server that answers for both families decides. */
async function askServers(
  name: string,
  { servers, attempts, timeoutMs }: ResolvConf,
  deps: DnsSockets,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  let failure: unknown;
  for (let round = 0; round < attempts; round++) {
    for (const server of servers) {
      const limit = AbortSignal.timeout(timeoutMs);
      const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
      const ask = (type: "A" | "AAAA") => queryAddresses(server, name, type, deps, until);
      const [v6, v4] = await Promise.allSettled([ask("AAAA"), ask("A")]);
      signal?.throwIfAborted();
      const answers = [v6, v4].flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      const addresses = answers.flat();
      // A server that will not speak of one family may know the other all the same.
      if (addresses.length > 0 || answers.length === 2) return addresses;
      failure = v4.status === "rejected" ? v4.reason : v6.status === "rejected" ? v6.reason : failure;
    }
  }
  const said = failure instanceof Error ? failure.message : String(failure);
  throw nameError("EAI_AGAIN", `no name server tells about ${name}: ${said}`);
}

function nameError(code: string, message: string): Error {
  return Object.assign(new Error(`${message} (${code})`), { code });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return "";
    throw failure;
  }
}
