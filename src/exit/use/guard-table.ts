import { LINK_IPV4, LINK_IPV6, LOCAL_IPV4, LOCAL_IPV6, type LocalNetwork } from "./local-networks.ts";
import type { StandingConnection } from "./standing-connections.ts";

/** `inet`: one table for both families. */
export const GUARD_TABLE = { family: "inet", name: "mesh-guard" } as const;

/** Names of the counters of what was kept from leaving around the tunnel. */
export const GUARD_COUNTERS = { ipv4: "blocked4", ipv6: "blocked6" } as const;

export interface LocalReach {
  /** Those that this host is on. */
  readonly onLink: readonly LocalNetwork[];
  /** `ADDRESS/BITS`: networks that this host carries its peers' traffic to, by whichever way. */
  readonly carried: readonly string[];
}

export interface OtherMesh {
  readonly interface: string;
  /** `ADDRESS/BITS`. */
  readonly reach: readonly string[];
}

export interface GuardOptions {
  /** By which people know the network. */
  readonly network: string;
  /** Ours, into the tunnel. */
  readonly interfaceName: string;
  /** Of what carries the tunnel, and of what answers connections from outside; not 0. */
  readonly fwmark: number;
  /** `ADDRESS/BITS` of the mesh: nothing for it leaves by any other interface. */
  readonly meshRanges: readonly string[];
  /** What stays within reach beside the tunnel (name servers there excepted); undefined: nothing. */
  readonly lan: LocalReach | undefined;
  /** Other meshes of this host, where there is no exit: what is reached through them stays within reach. */
  readonly meshes: readonly OtherMesh[];
  /** Bridges that lead to containers and virtual machines of this host, and nowhere else. */
  readonly ownBridges: readonly string[];
  /** TCP connections that came from outside before there was a guard. */
  readonly standing: readonly StandingConnection[];
}

/** DNS, and DNS over TLS: a name server of the local network would see what is asked for. */
export const NAME_SERVER_PORTS = [53, 853] as const;

/** Neighbours, routers (RFC 4861) and listeners to multicast (RFC 3810) are found by these. */
const LINK_ICMPV6 =
  "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report";

/**
 * The nftables table that lets nothing out around an exit, whatever the routes say: what stands between its braces.
 *
 * What leaves is judged last of all, once its way is settled, so that what this host forwards for containers is judged as
 * well. A connection from outside keeps its way back: its first packet marks it, its answers get the mark of our own sockets,
 * and policy routing leaves them where they were. That is TCP by its SYN alone: the middle of a connection that connection
 * tracking never saw the start of may be one of ours that was open before the exit was chosen. UDP has no such sign; what
 * comes from a well-known port to one that is none is taken for an answer.
 */
export function guardTable(options: GuardOptions): string {
  const { network, interfaceName, fwmark, meshRanges, lan, meshes, ownBridges } = options;
  const mark = `0x${fwmark.toString(16)}`;
  const ours = `{ "lo", "${interfaceName}" }`;
  return `
comment "network ${network}, interface ${interfaceName}"
counter ${GUARD_COUNTERS.ipv4} { }
counter ${GUARD_COUNTERS.ipv6} { }
${standingSet("standing4", "ip", options)}
${standingSet("standing6", "ip6", options)}
chain arriving {
  type filter hook prerouting priority mangle; policy accept;
  iifname ${ours} return
${lines(meshes, (mesh) => `  iifname "${mesh.interface}" return`)}
  ip daddr . tcp dport . ip saddr . tcp sport @standing4 goto outside
  ip6 daddr . tcp dport . ip6 saddr . tcp sport @standing6 goto outside
  ct mark ${mark} goto outside
  ct direction != original return
  fib daddr type != local return
  ct status dnat goto outside
  tcp flags & (fin | syn | rst | ack) == syn goto outside
  meta l4proto tcp return
  udp sport < 1024 udp dport >= 1024 return
  goto outside
}
chain outside {
  ct mark set ${mark} meta mark set ${mark}
}
chain answering {
  type route hook output priority mangle; policy accept;
  ip saddr . tcp sport . ip daddr . tcp dport @standing4 ct mark set ${mark}
  ip6 saddr . tcp sport . ip6 daddr . tcp dport @standing6 ct mark set ${mark}
  ct mark ${mark} meta mark set ${mark}
}
chain leaving {
  type filter hook postrouting priority 300; policy accept;
  oifname ${ours} accept
  meta mark ${mark} ct mark set ${mark} accept
  udp sport 68 udp dport 67 accept
  udp sport 546 udp dport 547 accept
  icmpv6 type { ${LINK_ICMPV6} } accept
  meta l4proto igmp ip daddr 224.0.0.0/4 accept
${lines(meshRanges, (range) => `  ${family(range)} daddr ${range} goto blocked`)}
${lines(meshes, ({ interface: name, reach }) => lines(reach, (range) => `  oifname "${name}" ${family(range)} daddr ${range} accept`))}
${lines(ownBridges, (bridge) => `  oifname "${bridge}" jump local`)}
${lan === undefined ? "" : `  meta l4proto { tcp, udp } th dport { ${NAME_SERVER_PORTS.join(", ")} } goto blocked\n  jump lan`}
  goto blocked
}
chain local {
  ip daddr { ${LOCAL_IPV4.join(", ")} } accept
  ip6 daddr { ${LOCAL_IPV6.join(", ")} } accept
}
chain lan {
  ip daddr { ${LINK_IPV4.join(", ")} } accept
  ip6 daddr { ${LINK_IPV6.join(", ")} } accept
${lines(lan?.onLink ?? [], ({ interfaceName, network }) => `  oifname "${interfaceName}" ${family(network)} daddr ${network} accept`)}
${lines(lan?.carried ?? [], (network) => `  ${family(network)} daddr ${network} accept`)}
}
chain blocked {
  meta nfproto ipv4 counter name ${GUARD_COUNTERS.ipv4} drop
  counter name ${GUARD_COUNTERS.ipv6} drop
}`;
}

/** As packets of ours have them: source before destination. */
function standingSet(name: string, family: "ip" | "ip6", { standing }: GuardOptions): string {
  const elements = standing
    .filter(({ localAddress }) => localAddress.includes(":") === (family === "ip6"))
    .map((each) => `${each.localAddress} . ${each.localPort} . ${each.remoteAddress} . ${each.remotePort}`);
  const content = elements.length === 0 ? "" : `\n  elements = { ${elements.join(", ")} }`;
  return `set ${name} {\n  typeof ${family} saddr . tcp sport . ${family} daddr . tcp dport${content}\n}`;
}

function lines<Item>(items: readonly Item[], line: (item: Item) => string): string {
  return items.map(line).join("\n");
}

function family(range: string): "ip" | "ip6" {
  return range.includes(":") ? "ip6" : "ip";
}
