import { type HostRouteChange, type HostRuleChange, MAIN_TABLE } from "../../host/changes/host-change.ts";
import { DEFAULT_ROUTES } from "../forwarded.ts";
import type { StandingConnection } from "./standing-connections.ts";

/** Holds the ways of what may leave by the tunnel alone: clear of the tables that the system and wg-quick (51820) use. */
export const EXIT_TABLE = 8326;

/** In which order the rules are asked: well before those of the main table (32766). */
const PRIORITIES = { standing: 5209, moreSpecific: 5210, exit: 5211 } as const;

/** Behind any other route of the table. */
const LAST_METRIC = 0xffff_ffff;

export type Family = HostRuleChange["family"];

export interface GuardPlanOptions {
  readonly fwmark: number;
  /** Those that this kernel has. */
  readonly families: readonly Family[];
  readonly standing: readonly StandingConnection[];
}

export interface GuardPlan {
  /** Kernel settings, by their key. */
  readonly sysctls: readonly (readonly [key: string, value: string])[];
  readonly routes: readonly HostRouteChange[];
  readonly rules: readonly HostRuleChange[];
}

/**
 * The routing half of the guard, in the order in which it is put in: what has no mark of ours goes by the exit's table, which
 * leads nowhere until `exitRoutes` stand in it; the main table keeps a say for all but its default route.
 *
 * The settings have answers of the kernel, and connections that it accepts, go by the mark of what they answer. They look up
 * their way before any packet filter sees them, and would find none.
 */
export function guardPlan({ fwmark, families, standing }: GuardPlanOptions): GuardPlan {
  const mark = `0x${fwmark.toString(16)}`;
  const rule = (family: Family, priority: number, table: number, ...words: string[]): HostRuleChange => {
    return { kind: "rule", family, priority, table, words };
  };
  return {
    sysctls: [
      // Strict filters of reverse paths ask for the way back of what has the mark, too (`rp_filter`).
      ["net.ipv4.conf.all.src_valid_mark", "1"],
      // Both families.
      ["net.ipv4.tcp_fwmark_accept", "1"],
      ...families.map((family) => [`net.${family}.fwmark_reflect`, "1"] as const),
    ],
    routes: families.map((family) => ({
      kind: "route",
      destination: DEFAULT_ROUTES[family],
      table: EXIT_TABLE,
      interface: null,
      metric: LAST_METRIC,
    })),
    rules: families.flatMap((family) => [
      // Sockets of connections older than the setting have no mark. What else leaves by these ports the packet filter keeps.
      ...portsOf(standing, family).map((port) =>
        rule(family, PRIORITIES.standing, MAIN_TABLE, "ipproto", "tcp", "sport", String(port)),
      ),
      rule(family, PRIORITIES.moreSpecific, MAIN_TABLE, "suppress_prefixlength", "0"),
      rule(family, PRIORITIES.exit, EXIT_TABLE, "not", "fwmark", mark),
    ]),
  };
}

/** Into the tunnel, for the families that the exit has. */
export function exitRoutes(
  families: readonly Family[],
  device: NonNullable<HostRouteChange["interface"]>,
): Omit<HostRouteChange, "kind">[] {
  return families.map((family) => {
    return { destination: DEFAULT_ROUTES[family], table: EXIT_TABLE, interface: device, metric: null };
  });
}

function portsOf(standing: readonly StandingConnection[], family: Family): number[] {
  const ofFamily = standing.filter(({ localAddress }) => localAddress.includes(":") === (family === "ipv6"));
  return [...new Set(ofFamily.map(({ localPort }) => localPort))].sort((a, b) => a - b);
}
