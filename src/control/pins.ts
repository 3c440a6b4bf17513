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
  /** It came under a name that another machine had, and nobody here has said yet that this is right. */
  awaitsAcceptance: z.boolean().default(false),
});
export type Pin = z.infer<typeof pinSchema>;

/** An entry of a map that contradicts a pin; it is kept out of the map that is applied. */
export interface PinViolation {
  readonly name: string;
  readonly reason: string;
  /** What a person may accept; null where nobody can. */
  readonly peer: MapPeer | null;
}

export interface PinCheck {
  readonly accepted: readonly MapPeer[];
  readonly violations: readonly PinViolation[];
  /** Every pin after this check: the old ones, and one for each peer that was met for the first time. */
  readonly pins: readonly Pin[];
}

/**
 * Holds `peers` to the pins: name, both addresses and both keys belong together for good. Only the machine itself can bring
 * another WireGuard key, by its word, given later than for the one before. A peer met for the first time is pinned. Pins of
 * peers that are in the map no more stay: their addresses and keys never pass to another machine. Their name may, at another
 * address, as after a delete; whether there was one is the coordinator's word alone, so the pin of the newcomer waits for a
 * person's acceptance, and says so until then.
 */
export function checkPins(pins: readonly Pin[], peers: readonly MapPeer[], networkId: string): PinCheck {
  const index = new PinIndex(pins, networkId);
  const present = new Set(peers.map(({ machineKey }) => machineKey));
  const accepted: MapPeer[] = [];
  const violations: PinViolation[] = [];
  for (const peer of peers) {
    const reason = index.contradiction(peer, present);
    if (reason !== undefined) {
      violations.push({ name: peer.name, reason, peer });
      continue;
    }
    if (index.isNamesake(peer)) index.add({ ...pinOf(peer, networkId), awaitsAcceptance: true });
    else if (!index.has(peer)) index.add(pinOf(peer, networkId));
    accepted.push(peer);
  }
  return { accepted, violations, pins: index.all() };
}

/** Those of `peers` that came under another machine's name and wait for a person's word. */
export function awaitingAcceptance(pins: readonly Pin[], peers: readonly MapPeer[]): MapPeer[] {
  const waiting = new Set(pins.filter((pin) => pin.awaitsAcceptance).map((pin) => pin.machineKey));
  return peers.filter(({ machineKey }) => waiting.has(machineKey));
}

/** The pins with this peer as it is now, and without those of any other machine that it contradicts. */
export function acceptPeer(pins: readonly Pin[], peer: MapPeer, networkId: string): Pin[] {
  const { name, ip4, ip6, wireguardKey, machineKey } = peer;
  const contradicts = (pin: Pin) =>
    pin.name === name || pin.ip4 === ip4 || pin.ip6 === ip6 || pin.wireguardKey === wireguardKey;
  const gone = new Set([machineKey, ...pins.filter(contradicts).map((pin) => pin.machineKey)]);
  return [...pins.filter((pin) => !gone.has(pin.machineKey)), pinOf(peer, networkId)];
}

/** Pins that a verified map implies; for when the pin file itself is lost. */
export function pinsOf(map: NetworkMap): Pin[] {
  return map.peers.map((peer) => pinOf(peer, map.network.id));
}

function pinOf(peer: MapPeer, networkId: string): Pin {
  const { name, ip4, ip6, wireguardKey, machineKey, keyProof } = peer;
  const isProved = keyProof !== null && verifyKeyProof(networkId, peer, keyProof);
  const keyIssuedAtMs = isProved ? keyProof.issuedAtMs : 0;
  return { name, ip4, ip6, wireguardKey, machineKey, keyIssuedAtMs, awaitsAcceptance: false };
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
    // The latest is the last, also when all are read again: a name belongs to who had it last.
    this.#pins.delete(keyOf(pin));
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

  /** Whether its name was another machine's. */
  isNamesake(peer: MapPeer): boolean {
    const named = this.#byName.get(peer.name);
    return named !== undefined && !this.#isSame(named, peer);
  }

  /** @param present machine keys in the map: who is still there has not given up its name */
  contradiction(peer: MapPeer, present: ReadonlySet<string>): string | undefined {
    const named = this.#byName.get(peer.name);
    if (named !== undefined && present.has(named.machineKey) && !this.#isSame(named, peer)) {
      return `${peer.name} comes with other keys than before`;
    }
    for (const address of [peer.ip4, peer.ip6]) {
      const holder = this.#byAddress.get(address);
      if (holder === undefined || this.#isSame(holder, peer)) continue;
      const isNamesake = holder.name === peer.name;
      return isNamesake
        ? `${peer.name} comes with other keys than before`
        : `${address} belonged to ${holder.name} before`;
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
