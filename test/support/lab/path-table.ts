import type { TransportName } from "../../../src/base/transports.ts";
import type { NatPair } from "./nat-grid.ts";
import type { SiteKind } from "./site-kinds.ts";

/** The path that two peers get in the end, by their sites: the table of docs/nat.md. */
export const PATH_TABLE_KINDS = [
  "open",
  "dual",
  "easy",
  "forgetful",
  "double",
  "cgnat",
  "cone",
  "hard",
  "ipv6",
  "one-way",
  "no-udp",
  "no-udp-no-ssh",
  "only-443",
  "proxy",
] as const satisfies readonly SiteKind[];

/** Of each kind with itself and with those after it. */
const ROWS: Record<SiteKind, string> = {
  open: "udp udp udp udp udp udp udp udp relay ssh ssh relay relay relay",
  dual: "udp udp udp udp udp udp udp udp ssh ssh relay relay relay",
  easy: "udp udp udp udp udp relay relay relay relay relay relay relay",
  forgetful: "udp udp udp udp relay relay relay relay relay relay relay",
  double: "udp udp udp relay relay relay relay relay relay relay",
  cgnat: "udp udp relay relay relay relay relay relay relay",
  cone: "udp udp relay relay relay relay relay relay",
  hard: "relay relay relay relay relay relay relay",
  ipv6: "udp relay relay relay relay relay",
  "one-way": "relay relay relay relay relay",
  "no-udp": "relay relay relay relay",
  "no-udp-no-ssh": "relay relay relay",
  "only-443": "relay relay",
  proxy: "relay",
};

/** The transport by which peers of these two kinds of site end up. */
export function pathBetween({ a, b }: NatPair): TransportName {
  const [first, second] = [PATH_TABLE_KINDS.indexOf(a), PATH_TABLE_KINDS.indexOf(b)].sort((x, y) => x - y) as [
    number,
    number,
  ];
  return ROWS[PATH_TABLE_KINDS[first]!].split(" ")[second - first] as TransportName;
}
