import type { EndFacts, WayBeyond } from "../../api/explain.ts";
import type { RouteView } from "../../api/local-exit.ts";
import type { IpFamily } from "../../api/primitives.ts";
import type { GuardWord } from "../../exit/use/beside-exit.ts";
import { narrowestAround } from "../../packet/cidr.ts";
import { LOCAL_RANGES } from "../../packet/special-ranges.ts";
import type { ExitStanding } from "../exit/exit-standings.ts";

/** What this machine has of an exit that was asked for. */
export interface ExitAsked {
  readonly standings: readonly ExitStanding[];
  /** The peer that is used. Null: none can be. */
  readonly using: string | null;
  /** Those that it has. */
  readonly itsFamilies: readonly IpFamily[];
  /** Those that go by it: this machine needs an address in the mesh, too. */
  readonly families: readonly IpFamily[];
  readonly isGuarded: boolean;
  /** Where the host sends the packet by another interface than the tunnel's. */
  readonly beside: GuardWord | undefined;
}

export interface WayOutFacts {
  readonly address: string;
  /** Where the host sends it. */
  readonly host: NonNullable<EndFacts["route"]>;
  /** The peer to which the packet path sends it. */
  readonly peer: string | null;
  /** Networks behind peers. */
  readonly routes: readonly RouteView[];
  readonly exit: ExitAsked | undefined;
}

const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;
const LOOPBACK = "lo";

/** Which way a packet takes that this machine sends to an address that is no machine of the mesh. */
export function wayOut(facts: WayOutFacts): WayBeyond {
  const { host, peer, exit } = facts;
  const isGuarded = exit?.isGuarded ?? null;
  const route = routeAround(facts);
  if (route?.inForce && route.peer === peer) {
    return { by: "route", carrier: peer, isGuarded, detail: `${route.cidr} is behind it: approved, and accepted here` };
  }
  const note =
    route === undefined ? "" : `${route.cidr} behind ${route.peer} is not reached through it: ${route.detail}; `;
  const alone = (by: "host" | "kept-in", detail: string): WayBeyond => {
    return { by, carrier: null, isGuarded, detail: note + detail };
  };
  const leaves = host.interface === null ? "its host has no route to it" : `its host sends it by ${host.interface}`;
  if (host.interface === LOOPBACK) return alone("host", "it stays on its host");
  if (exit === undefined) {
    const outside = host.isOurs
      ? "its host sends it into the mesh, where no peer leads to it"
      : `${leaves}, outside the mesh`;
    return alone("host", `no exit is in use, and ${outside}`);
  }
  if (!host.isOurs && host.interface !== null) {
    if (exit.beside?.passes) return alone("host", `${leaves}, beside the exit: ${exit.beside.detail}`);
    if (!exit.isGuarded) return alone("host", `${leaves}, around the exit: the guard is gone, see \`mesh exit check\``);
    return alone("kept-in", `${leaves}, where the guard keeps it in: ${exit.beside?.detail}`);
  }
  const obstacle = obstacleOf(facts.address, exit);
  if (obstacle !== undefined) return alone("kept-in", obstacle);
  if (peer === null || peer !== exit.using) return alone("kept-in", `the way by ${exit.using} is not in force yet`);
  return { by: "exit", carrier: peer, isGuarded, detail: note + choice(exit) };
}

/** Which way a packet has come by from such an address. @param isUnasked it came by the exit in use */
export function wayIn(
  address: string,
  { peer, routes, isUnasked }: Pick<WayOutFacts, "peer" | "routes"> & { readonly isUnasked: boolean },
): WayBeyond {
  const isGuarded = null;
  if (peer === null) return { by: "host", carrier: null, isGuarded, detail: "no peer leads to it" };
  if (isUnasked) return { by: "exit", carrier: peer, isGuarded, detail: "" };
  const route = routeAround({ address, routes });
  return { by: "route", carrier: peer, isGuarded, detail: route === undefined ? "" : `${route.cidr} is behind it` };
}

/** The narrowest network behind another peer that has the address in it; of the same, the one in force. */
function routeAround({ address, routes }: Pick<WayOutFacts, "address" | "routes">): RouteView | undefined {
  const others = routes.filter(({ peer }) => peer !== null);
  const cidr = narrowestAround(
    address,
    others.map((route) => route.cidr),
  );
  const same = others.filter((route) => route.cidr === cidr);
  return same.find(({ inForce }) => inForce) ?? same[0];
}

/** Why the exit in use does not carry it. */
function obstacleOf(address: string, { using, standings, itsFamilies, families }: ExitAsked): string | undefined {
  if (using === null) return `none of the exits asked for can be used: ${standingsText(standings)}`;
  const range = narrowestAround(address, LOCAL_RANGES);
  if (range !== undefined) return `an exit leads to the internet alone, and ${range} is none of it`;
  const family = address.includes(":") ? "ipv6" : "ipv4";
  if (families.includes(family)) return undefined;
  const who = itsFamilies.includes(family) ? "this machine has none in the mesh" : `the exit ${using} has none`;
  return `${FAMILY_NAMES[family]} goes nowhere: ${who}`;
}

function choice({ standings, using }: ExitAsked): string {
  if (standings.length === 1) return "the only one asked for";
  const place = standings.findIndex(({ name }) => name === using);
  const isFirst = place === 0 ? "the first" : "the first that answered";
  return `${isFirst} of ${standingsText(standings)}`;
}

function standingsText(standings: readonly ExitStanding[]): string {
  return standings.map(({ name, state }) => `${name} (${state})`).join(", ");
}
