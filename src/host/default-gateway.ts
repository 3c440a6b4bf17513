import { readFileSync } from "node:fs";
import { BlockList } from "node:net";
import { type Interfaces, ownInterfaces } from "./own-interfaces.ts";

export interface DefaultGateway {
  /** Next hop of the IPv4 default route. */
  readonly gateway: string;
  /** Our address on its network. */
  readonly localAddress: string;
}

/** `RTF_GATEWAY` (linux/route.h). */
const HAS_GATEWAY = 0x2;

/** The next hop of the IPv4 default route with the lowest metric; null when there is none, or none of our addresses fits. */
export function defaultGateway(
  routes: string = readRoutes(),
  interfaces: Interfaces = ownInterfaces(),
): DefaultGateway | null {
  let best: { readonly device: string; readonly gateway: string; readonly metric: number } | undefined;
  for (const line of routes.split("\n").slice(1)) {
    const [device = "", destination, gateway = "", flags = "0", , , metric = "0", mask] = line.trim().split(/\s+/);
    const isDefault = destination === "00000000" && mask === "00000000";
    if (!isDefault || (Number.parseInt(flags, 16) & HAS_GATEWAY) === 0) continue;
    if (best === undefined || Number(metric) < best.metric)
      best = { device, gateway: addressOf(gateway), metric: Number(metric) };
  }
  if (best === undefined) return null;
  const { device, gateway } = best;
  const own = interfaces[device]?.find(({ family, cidr }) => family === "IPv4" && contains(cidr, gateway));
  return own === undefined ? null : { gateway, localAddress: own.address };
}

/** proc(5) `/proc/net/route`: of the namespace of this process. */
function readRoutes(): string {
  try {
    return readFileSync("/proc/net/route", "latin1");
  } catch {
    // A kernel without IPv4.
    return "";
  }
}

/** Eight hexadecimal digits in the machine's byte order, little-endian. */
function addressOf(hex: string): string {
  return Buffer.from(hex, "hex").reverse().join(".");
}

function contains(cidr: string | null, address: string): boolean {
  const [network, bits] = cidr?.split("/") ?? [];
  if (network === undefined || bits === undefined) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits));
  return list.check(address);
}
