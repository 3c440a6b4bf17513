import { MeshError } from "../base/errors.ts";
import { addressVersion, formatAddress, parseAddress } from "./address.ts";

/** A network: an address whose host bits are zero, and its prefix length. One shape for IPv4 (4 bytes) and IPv6 (16). */
export interface Cidr {
  readonly address: Uint8Array;
  readonly prefixBits: number;
}

/** Makes a network of any address in it. @throws MeshError `bad-cidr` when the prefix length does not fit the family */
export function cidrOf(address: Uint8Array, prefixBits: number): Cidr {
  if (!Number.isInteger(prefixBits) || prefixBits < 0 || prefixBits > address.length * 8) {
    throw new MeshError("bad-cidr", `${formatAddress(address)} cannot have a prefix of ${prefixBits} bits`);
  }
  return { address: address.map((byte, i) => byte & byteMask(prefixBits, i)), prefixBits };
}

/**
 * Parses `ADDRESS/BITS`; a bare address is a network of one. Host bits must be zero: a typing error there is likely.
 * @throws MeshError `bad-cidr`
 */
export function parseCidr(text: string): Cidr {
  const { address, prefixBits } = parseInterfaceAddress(text);
  const cidr = cidrOf(address, prefixBits);
  if (!sameBytes(cidr.address, address)) {
    throw new MeshError("bad-cidr", `${text} has host bits set; the network is ${formatCidr(cidr)}`);
  }
  return cidr;
}

/** Parses `ADDRESS/BITS` keeping the host bits: an interface's address together with its network's prefix length. */
export function parseInterfaceAddress(text: string): { address: Uint8Array; prefixBits: number } {
  const slash = text.indexOf("/");
  const addressText = slash < 0 ? text : text.slice(0, slash);
  let address: Uint8Array;
  try {
    address = parseAddress(addressText);
  } catch (cause) {
    throw new MeshError("bad-cidr", `not a network: ${JSON.stringify(text)}`, { cause });
  }
  if (slash < 0) return { address, prefixBits: address.length * 8 };
  const bitsText = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bitsText) || Number(bitsText) > address.length * 8) {
    throw new MeshError("bad-cidr", `not a prefix length: ${JSON.stringify(text)}`);
  }
  return { address, prefixBits: Number(bitsText) };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.address)}/${cidr.prefixBits}`;
}

/** The canonical text of a network. @throws MeshError `bad-cidr` */
export function canonicalCidr(text: string): string {
  return formatCidr(parseCidr(text));
}

export function cidrContainsAddress(cidr: Cidr, address: Uint8Array): boolean {
  return address.length === cidr.address.length && commonPrefixBits(cidr.address, address) >= cidr.prefixBits;
}

/** The narrowest of the networks that has the address in it; all of them as text. */
export function narrowestAround(address: string, cidrs: readonly string[]): string | undefined {
  const bytes = parseAddress(address);
  const around = cidrs.filter((cidr) => cidrContainsAddress(parseCidr(cidr), bytes));
  return around.sort((a, b) => parseCidr(b).prefixBits - parseCidr(a).prefixBits)[0];
}

/** True when `inner` is `outer` or lies within it. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  return inner.prefixBits >= outer.prefixBits && cidrContainsAddress(outer, inner.address);
}

/** True when they share an address: one then contains the other. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b) || cidrContains(b, a);
}

/** All host bits set: the broadcast address of an IPv4 network. */
export function lastAddress(cidr: Cidr): Uint8Array {
  return cidr.address.map((byte, i) => byte | (~byteMask(cidr.prefixBits, i) & 0xff));
}

/** The address after `address`, or undefined after the last of its family. */
export function nextAddress(address: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(address);
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = next[i]! + 1;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

/**
 * The addresses of a network that a host can have, in order: without the network and broadcast addresses of IPv4 and the
 * subnet-router anycast address of IPv6 (RFC 4291 §2.6.1), except in networks of one or two addresses (RFC 3021, 6164).
 */
export function* hostAddresses(cidr: Cidr): Generator<Uint8Array, void, undefined> {
  const tiny = cidr.address.length * 8 - cidr.prefixBits <= 1;
  const last = lastAddress(cidr);
  const isV4 = addressVersion(cidr.address) === 4;
  let address: Uint8Array | undefined = tiny ? cidr.address : nextAddress(cidr.address);
  while (address !== undefined) {
    const atEnd = sameBytes(address, last);
    if (atEnd && isV4 && !tiny) return;
    yield address;
    if (atEnd) return;
    address = nextAddress(address);
  }
}

/** −1, 0 or 1: IPv4 before IPv6, then by address, then the wider network first. For sorted, stable output. */
export function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.address.length !== b.address.length) return a.address.length - b.address.length < 0 ? -1 : 1;
  return Buffer.compare(a.address, b.address) || Math.sign(a.prefixBits - b.prefixBits);
}

function byteMask(prefixBits: number, byteIndex: number): number {
  const bits = Math.min(8, Math.max(0, prefixBits - 8 * byteIndex));
  return (0xff00 >> bits) & 0xff;
}

/** How many leading bits two addresses of one family have in common. */
function commonPrefixBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return a.length * 8;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
