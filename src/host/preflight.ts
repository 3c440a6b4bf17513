import { readFileSync, statSync } from "node:fs";
import { errnoOf, MeshError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { cidrsOverlap, formatCidr, parseCidr, parseInterfaceAddress } from "../packet/cidr.ts";
import { groupId } from "./ffi/group-id.ts";
import type { HostAddress, HostRoute, IpRoute } from "./ip-route.ts";

// Bits of /proc/PID/status CapEff (capability.h).
const CAP_NET_ADMIN = 12n;

/**
 * The kernel takes every name up to 15 bytes without a slash, colon or white space but `.` and `..` (dev_valid_name);
 * we keep to printable ASCII, and without `%`, which the kernel would replace by a number.
 */
const INTERFACE_NAME = /^[!-~]{1,15}$/;

/** A route this wide is a default route by another name: `0.0.0.0/1`, `2000::/3`. */
const MAX_DEFAULT_LIKE_BITS = 3;

/** @throws MeshError `missing-capability` */
export function requireNetAdmin(statusFile = "/proc/self/status"): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(statusFile, "latin1"))?.[1];
  if (effective !== undefined && (BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) return;
  throw new MeshError("missing-capability", "CAP_NET_ADMIN is missing: without it no tunnel interface can be made");
}

/** @throws MeshError `no-tun-device` */
export function requireTunDevice(path = "/dev/net/tun"): void {
  try {
    if (statSync(path).isCharacterDevice()) return;
  } catch (failure) {
    if (errnoOf(failure) !== "ENOENT") throw failure;
  }
  throw new MeshError("no-tun-device", `there is no TUN device at ${path}`);
}

/** @throws MeshError `not-found` */
export function requireGroup(name: string): void {
  if (groupId(name) !== undefined) return;
  throw new MeshError("not-found", `there is no group ${quote(name)} on this host`, {
    hint: "Check the name, or make the group: `groupadd NAME`.",
  });
}

/** @throws MeshError `bad-interface-name` */
export function requireInterfaceName(name: string): void {
  if (INTERFACE_NAME.test(name) && !/[/:%]/.test(name) && name !== "." && name !== "..") return;
  throw new MeshError("bad-interface-name", `${JSON.stringify(name)} cannot be the name of an interface`);
}

/** @throws MeshError `interface-taken` */
export async function requireFreeInterface(name: string, ipRoute: IpRoute): Promise<void> {
  if ((await ipRoute.link(name)) === undefined) return;
  throw new MeshError("interface-taken", `there is an interface ${name} already`);
}

/**
 * Refuses a mesh whose ranges meet a network that this host reaches otherwise: the route of one would hide the other.
 * @param ranges the mesh's networks
 * @param networkOf of the mesh that has this interface
 * @throws MeshError `range-conflict`, naming the interface and the network that is in the way
 */
export async function requireFreeRanges(
  ranges: readonly string[],
  ipRoute: Pick<IpRoute, "addresses" | "routes">,
  networkOf: (interfaceName: string) => string | undefined = () => undefined,
): Promise<void> {
  const conflict = findRangeConflict(ranges, await ipRoute.addresses(), await ipRoute.routes());
  if (conflict === undefined) return;
  const network = networkOf(conflict.interfaceName);
  const whose = network === undefined ? "" : ` (the network ${network})`;
  throw new MeshError(
    "range-conflict",
    `the mesh's range ${conflict.range} overlaps ${conflict.with} of the interface ${conflict.interfaceName}${whose}`,
    network === undefined ? {} : { hint: `Only one of both can run here: \`mesh --network ${network} down\`.` },
  );
}

export interface RangeConflict {
  readonly range: string;
  readonly interfaceName: string;
  /** `"the address 10.86.3.1/24"` or `"the route 10.0.0.0/8"`. */
  readonly with: string;
}

/** The first conflict, if any. Default routes and routes that lead nowhere are in nobody's way. */
export function findRangeConflict(
  ranges: readonly string[],
  addresses: readonly HostAddress[],
  routes: readonly HostRoute[],
): RangeConflict | undefined {
  for (const range of ranges) {
    const cidr = parseCidr(range);
    for (const { interfaceName, address } of addresses) {
      const { address: bytes } = parseInterfaceAddress(address);
      if (cidrsOverlap(cidr, { address: bytes, prefixBits: bytes.length * 8 })) {
        return { range, interfaceName, with: `the address ${address}` };
      }
    }
    for (const { interfaceName, destination } of routes) {
      if (interfaceName === undefined) continue;
      const route = parseCidr(destination);
      if (route.prefixBits > MAX_DEFAULT_LIKE_BITS && cidrsOverlap(cidr, route)) {
        return { range, interfaceName, with: `the route ${formatCidr(route)}` };
      }
    }
  }
  return undefined;
}
