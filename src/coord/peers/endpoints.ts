import type { NetworkInfo } from "../../api/network-map.ts";
import { canonicalAddress } from "../../packet/address.ts";
import { parseCidr } from "../../packet/cidr.ts";
import { isReachableAddress } from "../../packet/reachable-address.ts";

const MAX_ENDPOINTS = 33;

/**
 * The endpoints to tell others: those that the peer names, best first, then the address that it was seen at with its
 * WireGuard port. Without doubles, without addresses inside the mesh (WireGuard would be carried by itself), and without
 * link-local zones, which mean something on the peer's own machine only.
 */
export function advertisedEndpoints(
  network: Pick<NetworkInfo, "cidr4" | "cidr6">,
  claimed: readonly string[],
  observedAddress: string,
  listenPort: number,
): readonly string[] {
  const ranges = [parseCidr(network.cidr4), parseCidr(network.cidr6)];
  const result = new Set<string>();
  for (const endpoint of [...claimed, formatEndpoint(observedAddress, listenPort)]) {
    const colon = endpoint.lastIndexOf(":");
    const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, "");
    if (!isReachableAddress(host, ranges)) continue;
    result.add(formatEndpoint(canonicalAddress(host), Number(endpoint.slice(colon + 1))));
  }
  return [...result].slice(0, MAX_ENDPOINTS);
}

function formatEndpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The hosts of `endpoints`, in their order, at each of `ports`. */
export function atPorts(endpoints: readonly string[], ports: readonly number[]): readonly string[] {
  const hosts = new Set(endpoints.map((endpoint) => endpoint.slice(0, endpoint.lastIndexOf(":"))));
  return [...hosts].flatMap((host) => ports.map((port) => `${host}:${port}`)).slice(0, MAX_ENDPOINTS);
}
