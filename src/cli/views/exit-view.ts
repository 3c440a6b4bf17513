import type { AdvertisedRoute } from "../../api/admin-offers.ts";
import type {
  ExitCheck,
  ExitCheckItem,
  ExitOffer,
  ExitPeer,
  ExitUseView,
  ExitView,
  RouteView,
} from "../../api/local-exit.ts";
import { renderTable } from "./table.ts";

const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;

export function renderExits({ offer, use, exits }: ExitView): string {
  const lines = [exits.length === 0 ? "no peer is an exit for this machine" : renderTable(EXIT_COLUMNS, exits)];
  if (use.nodes.length > 0) lines.push(renderUse(use));
  if (offer.offered) lines.push(renderOffer(offer));
  return lines.join("\n");
}

/** In one line. */
export function renderUse({ nodes, using, families, allowLan, confirmBy }: ExitUseView): string {
  if (nodes.length === 0) return `no exit is used${confirmText(confirmBy)}`;
  const way =
    using === null || families.length === 0
      ? `none of ${nodes.join(", ")} can be used: nothing leaves this machine but to peers`
      : `${using} carries ${familiesInWords(families)} to the internet`;
  return `${way}${allowLan ? "; the local network stays within reach" : ""}${confirmText(confirmBy)}`;
}

export function renderCheck({ ok, checks }: ExitCheck): string {
  const word = { true: "pass", false: "FAIL", null: "-" } as const;
  const table = renderTable(
    [
      { title: "RESULT", cell: (item: ExitCheckItem) => word[`${item.ok}`] },
      { title: "WHAT", cell: (item: ExitCheckItem) => item.what },
      { title: "EVIDENCE", cell: (item: ExitCheckItem) => item.evidence },
    ],
    checks,
  );
  return `${table}\n${ok ? "pass: nothing gets around the exit" : "FAIL: something gets around the exit"}`;
}

function confirmText(confirmBy: string | null): string {
  return confirmBy === null ? "" : `; until ${confirmBy}, unless mesh exit confirm comes before`;
}

export function renderOffer({ offered, families, forbidden }: ExitOffer): string {
  if (!offered) return "this machine does not offer to be an exit";
  if (forbidden) return "this machine offers to be an exit, which an admin forbids";
  if (families.length === 0)
    return "this machine offers to be an exit, but has no default route to the internet itself";
  return `this machine is an exit for ${familiesInWords(families)}`;
}

export function renderRoutes(routes: readonly RouteView[]): string {
  return routes.length === 0 ? "no networks behind peers" : renderTable(ROUTE_COLUMNS, routes);
}

export function renderAdvertisedRoutes(routes: readonly AdvertisedRoute[]): string {
  return routes.length === 0 ? "no peer advertises a network" : renderTable(ADVERTISED_COLUMNS, routes);
}

function familiesInWords(families: ExitPeer["families"]): string {
  return families.map((family) => FAMILY_NAMES[family]).join(" and ");
}

const EXIT_COLUMNS = [
  { title: "EXIT", cell: (exit: ExitPeer) => exit.name },
  { title: "ONLINE", cell: (exit: ExitPeer) => (exit.online ? "yes" : "no") },
  { title: "FAMILIES", cell: (exit: ExitPeer) => familiesInWords(exit.families) },
  { title: "IPV4", cell: (exit: ExitPeer) => exit.ip4 },
  { title: "IPV6", cell: (exit: ExitPeer) => exit.ip6 },
  { title: "TAGS", cell: (exit: ExitPeer) => exit.tags.join(", ") || "-" },
] as const;

const ROUTE_COLUMNS = [
  { title: "NETWORK", cell: (route: RouteView) => route.cidr },
  { title: "BEHIND", cell: (route: RouteView) => route.peer ?? "this machine" },
  { title: "IN FORCE", cell: (route: RouteView) => (route.inForce ? "yes" : "no") },
  { title: "WHY", cell: (route: RouteView) => route.detail },
] as const;

const ADVERTISED_COLUMNS = [
  { title: "NETWORK", cell: (route: AdvertisedRoute) => route.cidr },
  { title: "PEER", cell: (route: AdvertisedRoute) => route.peer },
  { title: "ADVERTISED", cell: (route: AdvertisedRoute) => (route.advertised ? "yes" : "no") },
  { title: "APPROVED", cell: (route: AdvertisedRoute) => (route.approved ? "yes" : "no") },
] as const;
