import { asMeshError } from "../base/errors.ts";
import type { HostAddress, HostRoute } from "../host/ip-route.ts";
import { findRangeConflict } from "../host/preflight.ts";
import { advertisableRoute } from "./advertised-route.ts";

/** What this host reaches otherwise than by the mesh. */
export interface HostNetworks {
  readonly addresses: readonly HostAddress[];
  readonly routes: readonly HostRoute[];
}

/**
 * Why a network behind a peer is not reached through it, or undefined: it is none that can be behind a peer, or this host has one
 * of the same addresses, which it would hide.
 * @param mesh the ranges of the mesh
 */
export function routeRefusal(route: string, mesh: readonly string[], host: HostNetworks): string | undefined {
  try {
    advertisableRoute(route, mesh);
  } catch (failure) {
    return asMeshError(failure).message;
  }
  const conflict = findRangeConflict([route], host.addresses, host.routes);
  return conflict && `it overlaps ${conflict.with} of this machine's interface ${conflict.interfaceName}`;
}
