import { parseAddress } from "./address.ts";
import { type Cidr, cidrContainsAddress, parseCidr } from "./cidr.ts";

/** Unspecified, loopback, multicast and reserved: of no use to another machine. */
const USELESS = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "ff00::/8"].map(parseCidr);

/**
 * Whether another machine may be reached at `address`, text of either family: not one of no use, not one with a zone,
 * which means something on its own machine only, and none inside `ranges` (those of the mesh: it would be carried by
 * itself).
 */
export function isReachableAddress(address: string, ranges: readonly Cidr[]): boolean {
  if (address.includes("%")) return false;
  const bytes = parseAddress(address);
  return ![...USELESS, ...ranges].some((cidr) => cidrContainsAddress(cidr, bytes));
}
