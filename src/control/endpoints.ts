import { BlockList, isIP } from "node:net";
import { MAX_ANNOUNCED_ENDPOINTS } from "../api/control-channel.ts";
import { type Interfaces, ownInterfaces } from "../host/own-interfaces.ts";

export interface EndpointOptions {
  /** Where our WireGuard socket listens. */
  readonly listenPort: number;
  /** Ranges of the mesh itself: an address inside would lead a packet into its own tunnel. */
  readonly excludedCidrs: readonly string[];
  /** Interfaces that never lead to a peer: our own. */
  readonly excludedInterfaces: readonly string[];
}

/**
 * Addresses of this machine at which peers may try to reach it, best first: public before private, IPv4 before IPv6
 * within each. Loopback and link-local addresses are left out: they mean something else on every machine.
 */
export function localEndpoints(options: EndpointOptions, interfaces: Interfaces = ownInterfaces()): string[] {
  const excluded = blockListOf(options.excludedCidrs);
  const found: { readonly text: string; readonly rank: number }[] = [];
  for (const [name, addresses] of Object.entries(interfaces)) {
    if (options.excludedInterfaces.includes(name)) continue;
    for (const { address, internal } of addresses ?? []) {
      const family = isIP(address);
      if (internal || family === 0) continue;
      const type = family === 4 ? "ipv4" : "ipv6";
      if (NEVER.check(address, type) || excluded.check(address, type)) continue;
      const text = family === 4 ? `${address}:${options.listenPort}` : `[${address}]:${options.listenPort}`;
      found.push({ text, rank: (PRIVATE.check(address, type) ? 2 : 0) + (family === 4 ? 0 : 1) });
    }
  }
  found.sort((a, b) => a.rank - b.rank);
  return [...new Set(found.map(({ text }) => text))].slice(0, MAX_ANNOUNCED_ENDPOINTS);
}

/**
 * What is told of our UDP socket, as much as a message may carry. What others see of us goes first: it leads here from
 * everywhere, where one of our own addresses may lead to a stranger.
 */
export function endpointsToTell(outside: readonly string[], local: readonly string[]): string[] {
  return [...new Set([...outside, ...local])].slice(0, MAX_ANNOUNCED_ENDPOINTS);
}

/** Whether `address` is one of this machine's own: if not, the coordinator sees us through a NAT. */
export function isLocalAddress(address: string, interfaces: Interfaces = ownInterfaces()): boolean {
  return Object.values(interfaces).some((addresses) => addresses?.some((candidate) => candidate.address === address));
}

const NEVER = blockListOf([
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fe80::/10",
  "ff00::/8",
]);
const PRIVATE = blockListOf(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]);

function blockListOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const slash = cidr.lastIndexOf("/");
    const address = cidr.slice(0, slash);
    list.addSubnet(address, Number(cidr.slice(slash + 1)), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
