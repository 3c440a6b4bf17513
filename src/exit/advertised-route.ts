import { MeshError } from "../base/errors.ts";
import type { HostRoute } from "../host/ip-route.ts";
import { type Cidr, canonicalCidr, cidrsOverlap, formatCidr, parseCidr } from "../packet/cidr.ts";
import { UNROUTED_RANGES } from "../packet/special-ranges.ts";

/** Ranges that cannot be behind a peer, by what they are called. */
function reserved(mesh: readonly string[]): [string, Cidr][] {
  return [
    ...mesh.map((range): [string, Cidr] => [`the mesh's own range ${range}`, parseCidr(range)]),
    ...UNROUTED_RANGES.map((range): [string, Cidr] => [
      `${range}, which is on no network behind a peer`,
      parseCidr(range),
    ]),
  ];
}

/**
 * A network that a peer may say is behind it, in canonical form.
 * @param mesh the ranges of the mesh
 * @throws MeshError `bad-cidr`, `default-route-advertised`, `route-overlap`
 */
export function advertisableRoute(text: string, mesh: readonly string[]): string {
  const cidr = parseCidr(text);
  if (cidr.prefixBits === 0) {
    throw new MeshError("default-route-advertised", `${formatCidr(cidr)} is the way to everywhere, not a network`);
  }
  const clash = reserved(mesh).find(([, range]) => cidrsOverlap(cidr, range));
  if (clash !== undefined) throw new MeshError("route-overlap", `${text} overlaps ${clash[0]}`);
  return canonicalCidr(text);
}

/**
 * Whether this host has a way there of its own, at least to a part of it: an address in it or a route to it, other than the
 * default route and what leads into the mesh.
 * @param routes of the host's main table
 */
export function isBehindHost(route: string, routes: readonly HostRoute[], meshInterface: string): boolean {
  const cidr = parseCidr(route);
  return routes.some(({ destination, interfaceName }) => {
    if (interfaceName === undefined || interfaceName === meshInterface) return false;
    const way = parseCidr(destination);
    return way.prefixBits > 0 && cidrsOverlap(way, cidr);
  });
}

/** Those of `texts` that may be advertised, each once. */
export function advertisableRoutes(texts: readonly string[], mesh: readonly string[]): string[] {
  const routes = texts.flatMap((text) => {
    try {
      return [advertisableRoute(text, mesh)];
    } catch {
      return [];
    }
  });
  return [...new Set(routes)];
}
