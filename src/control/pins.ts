import { z } from "zod";
import { verifyKeyProof } from "../api/key-proof.ts";
import type { MapPeer, NetworkMap } from "../api/network-map.ts";
import { ip4Schema, ip6Schema, key32Schema, nameSchema } from "../api/primitives.ts";

/** What this machine once learned of a peer and holds the coordinator to. */
export const pinSchema = z.strictObject({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  wireguardKey: key32Schema,
  machineKey: key32Schema,
  /** See `KeyProof`; 0 where the machine has not given its word for the WireGuard key. */
  keyIssuedAtMs: z.number().int().min(0).default(0),
});
export type Pin = z.infer<typeof pinSchema>;

/** An entry of a map that contradicts a pin; it is kept out of the map that is applied. */
export interface PinViolation {
  readonly name: string;
  readonly reason: string;
}

export interface PinCheck {
  readonly accepted: readonly MapPeer[];
  readonly violations: readonly PinViolation[];
  /** Every pin after this check: the old ones, and one for each peer that was met for the first time. */
  readonly pins: readonly Pin[];
}

/**
 * Holds `peers` to the pins: name, both addresses and both keys belong together for good. Only the machine itself can bring
 * another WireGuard key, by its word, given later than for the one before. A peer met for the first time is pinned. Pins of peers that are in the map no more stay, so that a name cannot come back with another key unnoticed.
 */
export function checkPins(pins: readonly Pin[], peers: readonly MapPeer[], networkId: string): PinCheck {
  const index = new PinIndex(pins, networkId);
  const accepted: MapPeer[] = [];
  const violations: PinViolation[] = [];
  for (const peer of peers) {
    const reason = index.contradiction(peer);
    if (reason !== undefined) {
      violations.push({ name: peer.name, reason });
      continue;
    }
    if (!index.has(peer)) index.add(pinOf(peer, networkId));
    accepted.push(peer);
  }
  return { accepted, violations, pins: index.all() };
}

/** Pins that a verified map implies; for when the pin file itself is lost. */
export function pinsOf(map: NetworkMap): Pin[] {
  return map.peers.map((peer) => pinOf(peer, map.network.id));
}

function pinOf(peer: MapPeer, networkId: string): Pin {
  const { name, ip4, ip6, wireguardKey, machineKey, keyProof } = peer;
  const isProved = keyProof !== null && verifyKeyProof(networkId, peer, keyProof);
  return { name, ip4, ip6, wireguardKey, machineKey, keyIssuedAtMs: isProved ? keyProof.issuedAtMs : 0 };
}

/** The pins without those of the peer called `name` (under any of its names, with any of its WireGuard keys); for an admin who replaced that machine. */
export function forgetPins(pins: readonly Pin[], name: string): Pin[] {
  const keys = new Set(pins.filter((pin) => pin.name === name).map((pin) => pin.machineKey));
  return pins.filter((pin) => !keys.has(pin.machineKey));
}

class PinIndex {
  /** A renamed or renumbered peer keeps the pins of its former names and addresses: nobody else may take them over. */
  readonly #pins = new Map<string, Pin>();
  readonly #byName = new Map<string, Pin>();
  readonly #byAddress = new Map<string, Pin>();
  readonly #byKey = new Map<string, Pin>();

  readonly #networkId: string;

  constructor(pins: readonly Pin[], networkId: string) {
    this.#networkId = networkId;
    for (const pin of pins) this.add(pin);
  }

  has(peer: MapPeer): boolean {
    return this.#pins.has(keyOf(peer));
  }

  add(pin: Pin): void {
    this.#pins.set(keyOf(pin), pin);
    this.#byName.set(pin.name, pin);
    this.#byAddress.set(pin.ip4, pin);
    this.#byAddress.set(pin.ip6, pin);
    this.#byKey.set(pin.wireguardKey, pin);
    this.#byKey.set(pin.machineKey, pin);
  }

  all(): Pin[] {
    return [...this.#pins.values()];
  }

  contradiction(peer: MapPeer): string | undefined {
    const named = this.#byName.get(peer.name);
    if (named !== undefined && !this.#isSame(named, peer)) return `${peer.name} comes with other keys than before`;
    for (const address of [peer.ip4, peer.ip6]) {
      const holder = this.#byAddress.get(address);
      if (holder !== undefined && !this.#isSame(holder, peer)) return `${address} belonged to ${holder.name} before`;
    }
    for (const key of [peer.wireguardKey, peer.machineKey]) {
      const holder = this.#byKey.get(key);
      if (holder !== undefined && !this.#isSame(holder, peer)) return `its keys belonged to ${holder.name} before`;
    }
    return undefined;
  }

  /** Same keys make the same peer; then it may be renamed or renumbered by the coordinator. */
  #isSame(pin: Pin, peer: MapPeer): boolean {
    if (pin.machineKey !== peer.machineKey) return false;
    const { keyProof } = peer;
    if (pin.wireguardKey === peer.wireguardKey) return true;
    return (
      keyProof !== null && keyProof.issuedAtMs > pin.keyIssuedAtMs && verifyKeyProof(this.#networkId, peer, keyProof)
    );
  }
}

function keyOf({ name, ip4, ip6, wireguardKey }: Pick<Pin, "name" | "ip4" | "ip6" | "wireguardKey">): string {
  return [name, ip4, ip6, wireguardKey].join(" ");
}
