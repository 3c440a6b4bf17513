import { isIP } from "node:net";
import { formatAddress, parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../packet/cidr.ts";
import { LOCAL_RANGES } from "../../packet/special-ranges.ts";

/** What says nothing of who it is. Those with an IPv4 address inside are as public as that one. */
const PRIVATE_RANGES = LOCAL_RANGES.filter((range) => range !== "::ffff:0:0/96" && range !== "64:ff9b:1::/48").map(
  parseCidr,
);

const IPV4_LIKE = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)/g;
const IPV6_LIKE = /(?<![\w:.])(?=[\da-f]{0,4}:[\da-f]{0,4}:)[\da-f:]+(?![\w:])/gi;

/** Of IPv6 made from a network card's number (RFC 4291, appendix A), which is the same wherever the machine goes. */
function hasHardwareAddress(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[11] === 0xff && bytes[12] === 0xfe;
}

/**
 * Puts `public4-1`, `public6-2` … in the place of public addresses: the same for the same one as long as this lives, so that a
 * reader still sees which endpoints are one, and by which family.
 */
export class PublicAddresses {
  readonly #standIns = new Map<string, string>();
  readonly #counts = { 4: 0, 6: 0 };

  hide(text: string): string {
    // IPv4 first: it may stand at the end of an IPv6 address.
    return text
      .replace(IPV4_LIKE, (like) => this.#standInFor(like))
      .replace(IPV6_LIKE, (like) => this.#standInFor(like));
  }

  #standInFor(like: string): string {
    const family = isIP(like);
    if (family !== 4 && family !== 6) return like;
    const bytes = parseAddress(like);
    if (!hasHardwareAddress(bytes) && PRIVATE_RANGES.some((range) => cidrContainsAddress(range, bytes))) return like;
    const address = formatAddress(bytes);
    const known = this.#standIns.get(address);
    if (known !== undefined) return known;
    const standIn = `public${family}-${++this.#counts[family]}`;
    this.#standIns.set(address, standIn);
    return standIn;
  }
}
