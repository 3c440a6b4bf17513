import { isIP } from "node:net";

/** What `/etc/resolv.conf` says (resolv.conf(5)), as far as it matters for addresses. */
export interface ResolvConf {
  /** Asked in this order. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** A name with fewer dots is looked for below the search domains first. */
  readonly ndots: number;
  /** For one server to answer. */
  readonly timeoutMs: number;
  /** Rounds through all servers. */
  readonly attempts: number;
}

const MAX_SERVERS = 3;
const MAX_SEARCH = 6;

/** What cannot be understood is passed over, as by the C library; without a server it is the one on this host. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  const options = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [key, ...words] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (key === "nameserver" && isIP(words[0] ?? "") !== 0) servers.push(words[0]!);
    else if (key === "search" || key === "domain")
      search = words.map((word) => word.replace(/\.$/, "")).filter(Boolean);
    else if (key === "options") {
      for (const [, name, value] of words.join(" ").matchAll(/(\w+):(\d{1,5})/g)) options.set(name!, Number(value));
    }
  }
  const within = (name: string, least: number, most: number, usual: number) =>
    Math.min(most, Math.max(least, options.get(name) ?? usual));
  return {
    servers: servers.length === 0 ? ["127.0.0.1"] : servers.slice(0, MAX_SERVERS),
    search: search.slice(0, MAX_SEARCH),
    ndots: within("ndots", 0, 15, 1),
    timeoutMs: within("timeout", 1, 30, 2) * 1000,
    attempts: within("attempts", 1, 5, 2),
  };
}

/** The names to ask for, in order. */
export function namesToAsk(name: string, { search, ndots }: Pick<ResolvConf, "search" | "ndots">): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const below = search.map((domain) => `${name}.${domain}`);
  return name.split(".").length - 1 >= ndots ? [name, ...below] : [...below, name];
}

/** The addresses of `name` in the text of a hosts(5) file, in its order. */
export function addressesInHosts(text: string, name: string): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((each) => each.toLowerCase() === wanted) ? [address] : [];
  });
}
