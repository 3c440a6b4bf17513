import { parseAddress } from "./address.ts";

/**
 * Who pays for what comes from `address`: an IPv4 address itself, or the /64 of an IPv6 one, since a host has all of that
 * to itself. A key for a `RateLimiter`.
 * @throws MeshError `bad-address`
 */
export function sourceBlock(address: string): string {
  const bytes = parseAddress(address.replace(/%.*$/, ""));
  return bytes.length === 4 ? address : Buffer.from(bytes.subarray(0, 8)).toString("hex");
}
