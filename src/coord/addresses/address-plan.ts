import { MeshError } from "../../base/errors.ts";
import { formatAddress } from "../../packet/address.ts";
import { type Cidr, cidrContains, cidrOf, formatCidr, parseCidr } from "../../packet/cidr.ts";

/**
 * How IPv6 follows IPv4, and where the first CIDRs lie.
 *
 *     IPv4   | network prefix | subnet bits | host number |
 *     IPv6   | network prefix         | subnet bits | 0 … | host number (32 bits) |
 *
 * The subnet bits are the same in both, so the IPv6 tree nests exactly as the IPv4 tree does, whatever the order in
 * which CIDRs are made.
 */
export interface CidrPair {
  readonly cidr4: Cidr;
  readonly cidr6: Cidr;
}

const MIN_NETWORK_BITS = 8;
const MAX_NETWORK_BITS = 26;
const HOST_NUMBER_BITS = 32;

/** @throws MeshError `bad-cidr` */
export function parseNetwork(cidr4Text: string, cidr6Text: string): CidrPair {
  const cidr4 = parseCidr(cidr4Text);
  const cidr6 = parseCidr(cidr6Text);
  if (cidr4.address.length !== 4 || cidr4.prefixBits < MIN_NETWORK_BITS || cidr4.prefixBits > MAX_NETWORK_BITS) {
    throw new MeshError("bad-cidr", `the network's IPv4 range must be a /8 to /26, not ${cidr4Text}`);
  }
  if (cidr6.address.length !== 16 || cidr6.prefixBits > 64) {
    throw new MeshError("bad-cidr", `the network's IPv6 range must be a /64 or wider, not ${cidr6Text}`);
  }
  return { cidr4, cidr6 };
}

/** @throws MeshError `bad-cidr` when `cidr4` lies outside the network */
export function deriveCidr6(network: CidrPair, cidr4: Cidr): Cidr {
  if (!cidrContains(network.cidr4, cidr4)) {
    throw new MeshError("bad-cidr", `${formatCidr(cidr4)} is not inside ${formatCidr(network.cidr4)}`);
  }
  const subnetBits = cidr4.prefixBits - network.cidr4.prefixBits;
  const address = Uint8Array.from(network.cidr6.address);
  for (let bit = 0; bit < subnetBits; bit++) {
    if (getBit(cidr4.address, network.cidr4.prefixBits + bit)) setBit(address, network.cidr6.prefixBits + bit);
  }
  return cidrOf(address, network.cidr6.prefixBits + subnetBits);
}

/** A quarter of the network for the default leaf, a small corner for infra; the rest is for the admins' own CIDRs. */
export function firstCidrs(network: CidrPair): { infra: CidrPair; members: CidrPair } {
  const bits = network.cidr4.prefixBits;
  const membersAddress = Uint8Array.from(network.cidr4.address);
  setBit(membersAddress, bits + 1);
  const pair = (cidr4: Cidr): CidrPair => ({ cidr4, cidr6: deriveCidr6(network, cidr4) });
  return {
    infra: pair(cidrOf(network.cidr4.address, Math.min(bits + 8, 29))),
    members: pair(cidrOf(membersAddress, bits + 2)),
  };
}

/** The addresses of host `host` (the number after the CIDR's first address) in both families. */
export function hostAddressPair({ cidr4, cidr6 }: CidrPair, host: number): { ip4: string; ip6: string } {
  return { ip4: formatAddress(plus(cidr4.address, host)), ip6: formatAddress(plus(cidr6.address, host)) };
}

/** Number of an IPv4 address within `cidr4`. */
export function hostNumber(cidr4: Cidr, address: Uint8Array): number {
  return uint32(address) - uint32(cidr4.address);
}

/** The host numbers that peers can have: 1 up to this one. The network and broadcast addresses are left out. */
export function lastHostNumber(cidr4: Cidr): number {
  return 2 ** (32 - cidr4.prefixBits) - 2;
}

function plus(network: Uint8Array, host: number): Uint8Array {
  const address = Buffer.from(network);
  const offset = address.length - HOST_NUMBER_BITS / 8;
  address.writeUInt32BE((address.readUInt32BE(offset) | host) >>> 0, offset);
  return address;
}

function uint32(address: Uint8Array): number {
  return Buffer.from(address).readUInt32BE(0);
}

function getBit(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) === 1;
}

function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = bytes[bit >> 3]! | (1 << (7 - (bit & 7)));
}
