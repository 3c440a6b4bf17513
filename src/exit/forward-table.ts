import type { Forwarding } from "./forwarded.ts";

/** One rule of the host's packet filter, in the order in which a packet meets them. */
export interface ForwardingOptions extends Forwarding {
  readonly interfaceName: string;
  /** The ranges of the mesh, IPv4 and IPv6. */
  readonly mesh: readonly string[];
  /** Where to an exit does not lead, unless it is in `routes`. */
  readonly spared: readonly string[];
  /** What goes to `routes` bears this host's address. */
  readonly snatRoutes: boolean;
}

/**
 * The text of our nftables table, between its braces. It forwards what comes from the mesh to where we offer to and nowhere
 * else, and gives it this host's address. What other tables drop it cannot let pass.
 */
export function forwardTable(options: ForwardingOptions): string {
  const { interfaceName, exit, routes, mesh, spared, snatRoutes } = options;
  const named = sorted(routes);
  const near = sorted(spared);
  const into = (range: readonly string[], what: string, verdict: string) =>
    (["ip", "ip6"] as const).flatMap((family) =>
      networksOf(range, family).length === 0 ? [] : [`${family} ${what} ${setOf(range, family)} ${verdict}`],
    );
  const families = { ipv4: "meta nfproto ipv4", ipv6: "meta nfproto ipv6" } as const;
  const forward = [
    // Half-known connections would go out with an address of the mesh.
    "ct state invalid drop",
    "ct state established,related accept",
    `oifname "${interfaceName}" drop`,
    ...into(named, "daddr", "accept"),
    ...into(near, "daddr", "drop"),
    ...exit.map((family) => `${families[family]} accept`),
    "drop",
  ];
  const masquerade = [
    ...into(named, "daddr", snatRoutes ? "masquerade" : "return"),
    ...exit.map((family) => `${families[family]} masquerade`),
  ];
  return [
    "chain forward {",
    "type filter hook forward priority filter; policy accept;",
    `iifname "${interfaceName}" jump from_mesh`,
    "}",
    "chain from_mesh {",
    ...forward,
    "}",
    "chain nat {",
    "type nat hook postrouting priority srcnat; policy accept;",
    `oifname "${interfaceName}" return`,
    ...into(mesh, "saddr", "jump from_mesh_nat"),
    "}",
    "chain from_mesh_nat {",
    ...masquerade,
    "}",
  ].join("\n");
}

/** A rule at the head of a chain of iptables(8) or ip6tables(8). */
export interface IptablesRule {
  readonly tool: "iptables" | "ip6tables";
  readonly table: "filter" | "nat";
  readonly chain: "FORWARD" | "POSTROUTING";
  readonly words: readonly string[];
}

/** The same in rules of iptables, for hosts without nftables: each chain's in the order in which a packet meets them. */
export function forwardRules(options: ForwardingOptions): IptablesRule[] {
  const { interfaceName, exit, routes, mesh, spared, snatRoutes } = options;
  return (["iptables", "ip6tables"] as const).flatMap((tool) => {
    const family = tool === "iptables" ? "ip" : "ip6";
    const from = ["-i", interfaceName];
    const states = (names: string) => ["-m", "conntrack", "--ctstate", names];
    const isExit = exit.includes(tool === "iptables" ? "ipv4" : "ipv6");
    const forward = [
      [...from, ...states("INVALID"), "-j", "DROP"],
      [...from, ...states("ESTABLISHED,RELATED"), "-j", "ACCEPT"],
      [...from, "-o", interfaceName, "-j", "DROP"],
      ...networksOf(routes, family).map((network) => [...from, "-d", network, "-j", "ACCEPT"]),
      ...networksOf(spared, family).map((network) => [...from, "-d", network, "-j", "DROP"]),
      [...from, "-j", isExit ? "ACCEPT" : "DROP"],
      ["-o", interfaceName, ...states("ESTABLISHED,RELATED"), "-j", "ACCEPT"],
    ];
    const leaving = networksOf(mesh, family).flatMap((network) => {
      const out = ["-s", network, "!", "-o", interfaceName];
      return [
        ...networksOf(routes, family).map((route) => [...out, "-d", route, "-j", snatRoutes ? "MASQUERADE" : "RETURN"]),
        ...(isExit ? [[...out, "-j", "MASQUERADE"]] : []),
      ];
    });
    return [
      ...forward.map((words) => ({ tool, table: "filter" as const, chain: "FORWARD" as const, words })),
      ...leaving.map((words) => ({ tool, table: "nat" as const, chain: "POSTROUTING" as const, words })),
    ];
  });
}

function networksOf(networks: readonly string[], family: "ip" | "ip6"): string[] {
  return networks.filter((network) => network.includes(":") === (family === "ip6"));
}

function setOf(networks: readonly string[], family: "ip" | "ip6"): string {
  return `{ ${networksOf(networks, family).join(", ")} }`;
}

function sorted(networks: readonly string[]): string[] {
  return [...new Set(networks)].sort();
}
