import type { NetworkMap } from "../api/network-map.ts";
import { MeshError } from "../base/errors.ts";
import { checkPins, type Pin, type PinViolation } from "./pins.ts";

/** What this machine knows of itself and holds every map to. */
export interface MapExpectation {
  readonly networkId: string;
  readonly wireguardKey: string;
  readonly machineKey: string;
}

declare const VERIFIED: unique symbol;

/** A map that `verifyMap` let through. What is applied is of this type, so that nothing can be applied before it is checked. */
export type VerifiedMap = NetworkMap & { readonly [VERIFIED]: true };

export interface Verification {
  /** The map without the peers that contradict a pin. */
  readonly map: VerifiedMap;
  readonly pins: readonly Pin[];
  readonly violations: readonly PinViolation[];
}

/**
 * Checks a map before anything of it is applied. A map for another network or another key is refused whole; a peer that
 * contradicts its pin, or carries our own keys, is left out.
 *
 * @param seenAtMs see `PinContext`
 * @throws MeshError `map-refused`
 */
export function verifyMap(
  map: NetworkMap,
  expected: MapExpectation,
  pins: readonly Pin[],
  seenAtMs: number,
): Verification {
  if (map.network.id !== expected.networkId) {
    throw new MeshError("map-refused", `the coordinator speaks for another network (${map.network.name})`);
  }
  if (map.self.wireguardKey !== expected.wireguardKey) {
    throw new MeshError("map-refused", "the coordinator sent the map of another peer");
  }
  const ours: PinViolation[] = [];
  const others = map.peers.filter((peer) => {
    const isOurs = peer.wireguardKey === expected.wireguardKey || peer.machineKey === expected.machineKey;
    const isOurAddress = peer.ip4 === map.self.ip4 || peer.ip6 === map.self.ip6;
    const what = isOurs ? "keys" : "an address";
    if (isOurs || isOurAddress)
      ours.push({ name: peer.name, reason: `${peer.name} comes with ${what} of this machine`, peer: null });
    return !isOurs && !isOurAddress;
  });
  const check = checkPins(pins, others, { networkId: expected.networkId, seenAtMs });
  return {
    map: { ...map, peers: [...check.accepted] } as VerifiedMap,
    pins: check.pins,
    violations: [...ours, ...check.violations],
  };
}
