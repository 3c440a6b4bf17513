import type { DnsRouteStatus } from "../../api/local-dns.ts";
import type { MapDns } from "../../api/network-map.ts";
import type { Neighbour } from "../neighbours/notice.ts";

/** The exit in use, as a name server. */
export interface ExitServer {
  readonly name: string;
  readonly ip4: string;
}

/** `awaited`: an exit was asked for, and none can be used yet. Undefined: none was. */
export type ExitState = ExitServer | "awaited" | undefined;

export type PlannedRoute = Omit<DnsRouteStatus, "unanswered">;

export interface UpstreamSources {
  readonly dns: MapDns;
  /** What this host asked before we came. */
  readonly system: { readonly servers: readonly string[]; readonly source: string };
  readonly exit: ExitState;
  /** Where we answer ourselves. */
  readonly own: readonly string[];
  /** The mesh domain: names below it are answered here. */
  readonly domain: string;
  /** Other networks of this machine: each has a name server that knows its own names. */
  readonly neighbours: readonly Pick<Neighbour, "network" | "exit" | "dns">[];
}

/** Names below the domain of another network are asked of that one, unless they are names of this one too. */
export function isAskedOf(ofOther: string, domain: string): boolean {
  return ofOther !== domain && !ofOther.endsWith(`.${domain}`);
}

/** Who is asked for which names. The suffixes stand side by side: each has its own servers, and takes none of another's. */
export function planUpstreams(sources: UpstreamSources): readonly PlannedRoute[] {
  const { dns, system, exit, own, domain, neighbours } = sources;
  const route = (suffix: string | null, servers: readonly string[], reason: string): PlannedRoute => ({
    suffix,
    servers: servers.filter((server) => !own.includes(server)),
    reason: `${reason}${throughExit(exit)}`,
    skipped: servers.filter((server) => own.includes(server)),
  });
  const others = neighbours.flatMap(({ network, dns: other }) => {
    const names = other === null ? [] : [other.domain, ...other.zones].filter((each) => isAskedOf(each, domain));
    return names.map((suffix) => ({
      suffix,
      servers: [other!.server],
      reason: `the network ${network}, joined here too`,
      skipped: [],
    }));
  });
  // Of two alike the first one is asked: our own.
  const splits = [
    ...dns.splits.map(({ suffix, servers }) => route(suffix, servers, "the network's for this suffix")),
    ...others,
  ];
  if (dns.servers.length > 0) return [...splits, route(null, dns.servers, "the network's")];
  // This host's own are not asked then, also where they are on the internet: most are the provider's, who would learn what the
  // exit is to hide, and from whom.
  if (exit !== undefined) return [...splits, route(null, exit === "awaited" ? [] : [exit.ip4], "the exit's own")];
  const other = neighbours.find((neighbour) => neighbour.exit);
  // The same holds for an exit of another network: its name server asks the exit's.
  if (other?.dns != null)
    return [...splits, route(null, [other.dns.server], `the network ${other.network}, whose exit is used`)];
  return [...splits, route(null, system.servers, `this host's own, of ${system.source}`)];
}

function throughExit(exit: ExitState): string {
  if (exit === undefined) return "";
  return exit === "awaited" ? ", once an exit can be used" : `, through the exit ${exit.name}`;
}
