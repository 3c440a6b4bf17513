import { MeshError } from "../base/errors.ts";
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
