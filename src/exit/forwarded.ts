import type { IpFamily } from "../api/primitives.ts";
import { LOCAL_RANGES } from "../packet/special-ranges.ts";

export const DEFAULT_ROUTES: Readonly<Record<IpFamily, string>> = { ipv4: "0.0.0.0/0", ipv6: "::/0" };

/** What a machine carries for its peers. */
export interface Forwarding {
  /** To the internet, in these families. */
  readonly exit: readonly IpFamily[];
  /** To these networks behind it. */
  readonly routes: readonly string[];
}

/**
 * As networks: to which is forwarded, and to which is not within these. Routes that are named win over what an exit spares.
 * @param mesh the ranges of the mesh
 */
export function forwardedNetworks(
  { exit, routes }: Forwarding,
  mesh: readonly string[],
): { readonly forwarded: readonly string[]; readonly spared: readonly string[] } {
  const forwarded = [...exit.map((family) => DEFAULT_ROUTES[family]), ...routes];
  return { forwarded, spared: [...mesh, ...LOCAL_RANGES] };
}
