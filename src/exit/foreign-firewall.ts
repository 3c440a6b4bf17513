import type { FirewallRule } from "../host/firewall/firewall-rules.ts";
import type { IptablesProgram } from "../host/firewall/iptables-program.ts";

/** A table of somebody else's, and where in it others may put rules of their own. */
interface Place {
  readonly family: "ip" | "ip6";
  readonly table: "filter";
  readonly chain: string;
}

/** Docker's manual names its chain for this; ufw's are what `ufw route allow` writes to. */
const PLACES: readonly Place[] = [
  { family: "ip", table: "filter", chain: "DOCKER-USER" },
  { family: "ip6", table: "filter", chain: "DOCKER-USER" },
  { family: "ip", table: "filter", chain: "ufw-user-forward" },
  { family: "ip6", table: "filter", chain: "ufw6-user-forward" },
];

/** The place that the table which drops our packets leaves for us; undefined where it leaves none. */
export function placeIn(
  by: { readonly family: string; readonly table: string },
  chains: ReadonlySet<string>,
): Place | undefined {
  return PLACES.find(
    ({ family, table, chain }) =>
      family === by.family && table === by.table && chains.has(`${family} ${table} ${chain}`),
  );
}

/**
 * What is to stand there: what we forward comes from the mesh, and only answers go back. Our own table decides on the rest.
 * @param iptables whose program the chain is: it could not read the rules of another in it; undefined where that is not here
 */
export function rulesAt(
  { family, table, chain }: Place,
  interfaceName: string,
  iptables: IptablesProgram | undefined,
): readonly FirewallRule[] {
  const common =
    iptables === undefined
      ? ({ tool: "nft", family, table, chain } as const)
      : ({ tool: iptables, family: "", table, chain } as const);
  const [there, back] =
    iptables !== undefined
      ? [
          ["-i", interfaceName, "-j", "ACCEPT"],
          ["-o", interfaceName, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
        ]
      : [
          ["iifname", interfaceName, "accept"],
          ["oifname", interfaceName, "ct", "state", "established,related", "accept"],
        ];
  return [
    { ...common, words: there!, tag: `mesh-exit-${interfaceName}` },
    { ...common, words: back!, tag: `mesh-exit-${interfaceName}-back` },
  ];
}

/** What a person can do about a table that drops what we forward. */
export function adviceOn(by: { readonly table: string } | undefined, interfaceName: string): string {
  if (by?.table === "firewalld")
    return `have firewalld let it pass: firewall-cmd --permanent --zone=trusted --add-interface=${interfaceName}, then firewall-cmd --reload`;
  return `have it accept what comes in by ${interfaceName}, and what goes out there in established connections`;
}
