import type { IpFamily } from "../api/primitives.ts";
import { narrowestAround } from "../packet/cidr.ts";
import { LOCAL_RANGES } from "../packet/special-ranges.ts";

/** What a machine says of carrying for its peers. */
export interface CarrierState {
  readonly exit: {
    readonly offered: boolean;
    /** By an admin. */
    readonly forbidden: boolean;
    /** In which its host leads to the internet. */
    readonly families: readonly IpFamily[];
  };
  /** Networks that it says are behind it; `detail`: why one is not in force. */
  readonly routes: readonly { readonly cidr: string; readonly inForce: boolean; readonly detail: string }[];
  /** What goes to `routes` bears this host's address. */
  readonly snatRoutes: boolean;
  /** The ranges of the mesh. */
  readonly mesh: readonly string[];
}

/** Whether a machine carries on what peers send to an address, and why, or why not. */
export interface Carriage {
  readonly isCarried: boolean;
  readonly detail: string;
}

const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;

/** As `forwardedNetworks` has it: routes that are named win over what an exit spares. */
export function carriageTo(address: string, { exit, routes, snatRoutes, mesh }: CarrierState): Carriage {
  const refused = (detail: string): Carriage => ({ isCarried: false, detail });
  const within = (approved: boolean) =>
    narrowestAround(
      address,
      routes.filter(({ inForce }) => inForce === approved).map(({ cidr }) => cidr),
    );
  const approved = within(true);
  if (approved !== undefined) {
    const bears = snatRoutes
      ? "with its own address there"
      : "with the sender's address, to which hosts there need a way";
    const { detail } = routes.find(({ cidr }) => cidr === approved)!;
    return { isCarried: true, detail: `it carries to ${approved} behind it (${detail}), ${bears}` };
  }
  const family = address.includes(":") ? "ipv6" : "ipv4";
  const spared = narrowestAround(address, [...mesh, ...LOCAL_RANGES]);
  const isExit = exit.offered && !exit.forbidden && exit.families.includes(family);
  if (isExit && spared === undefined) {
    return { isCarried: true, detail: "it carries to the internet, with its own address there" };
  }
  const waiting = within(false);
  if (waiting !== undefined) {
    return refused(`${waiting} behind it is ${routes.find(({ cidr }) => cidr === waiting)!.detail}`);
  }
  if (!exit.offered) return refused("it offers no exit, and no network with this address");
  if (exit.forbidden) return refused("an admin forbids it to be an exit");
  if (spared !== undefined) return refused(`an exit leads to the internet alone, and ${spared} is none of it`);
  return refused(`its host has no way to the internet by ${FAMILY_NAMES[family]}`);
}
