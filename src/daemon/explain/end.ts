import type { NetworkMap } from "../../api/network-map.ts";
import { canonicalAddress, parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../packet/cidr.ts";
import { isMeantBy } from "../pinger.ts";

/** One end of a connection as this machine's map has it, or who carries the connection to an end that is no machine of the mesh. */
export interface End {
  readonly name: string;
  readonly cidr: string;
  /** Canonical. */
  readonly address: string;
  /** WireGuard key; undefined for this machine. */
  readonly publicKey: string | undefined;
}

/** What was asked for that is no end: an address that nobody in sight has, or a name. */
export interface NoEnd {
  /** Canonical; undefined for a name. */
  readonly address: string | undefined;
  readonly isInNetwork: boolean;
}

/** An address outside the mesh. */
export interface Beyond extends NoEnd {
  readonly address: string;
  readonly isInNetwork: false;
}

/** Who is meant: a name, a name in the network's domain, an address, or an address behind a peer. */
export function endOf(map: NetworkMap, target: string, family: 4 | 6): End | NoEnd {
  const known = [...map.peers, map.self].find(isMeantBy(map, target));
  const address = addressOf(target);
  if (known !== undefined) {
    const { name, cidr, ip4, ip6 } = known;
    const publicKey = known === map.self ? undefined : known.wireguardKey;
    return { name, cidr, address: canonicalAddress(address ?? (family === 4 ? ip4 : ip6)), publicKey };
  }
  if (address === undefined) return { address, isInNetwork: false };
  const bytes = parseAddress(address);
  const router = map.peers.find(({ allowedIps }) => allowedIps.some((ip) => cidrContainsAddress(parseCidr(ip), bytes)));
  if (router !== undefined) return { name: router.name, cidr: router.cidr, address, publicKey: router.wireguardKey };
  const { cidr4, cidr6 } = map.network;
  return { address, isInNetwork: [cidr4, cidr6].some((range) => cidrContainsAddress(parseCidr(range), bytes)) };
}

export function isEnd(end: End | NoEnd): end is End {
  return "name" in end;
}

export function isBeyond(end: End | NoEnd): end is Beyond {
  return !isEnd(end) && end.address !== undefined && !end.isInNetwork;
}

/** This machine. */
export function isOwn(end: End | NoEnd): end is End & { readonly publicKey: undefined } {
  return isEnd(end) && end.publicKey === undefined;
}

/** Who carries a connection with `address`, by name; undefined where nobody in this map has it. */
export function carrierOf(map: NetworkMap, name: string, address: string): End | undefined {
  const known = [...map.peers, map.self].find((one) => one.name === name);
  if (known === undefined) return undefined;
  return { name, cidr: known.cidr, address, publicKey: known === map.self ? undefined : known.wireguardKey };
}

function addressOf(text: string): string | undefined {
  try {
    return canonicalAddress(text);
  } catch {
    return undefined;
  }
}
