import { z } from "zod";
import { EPHEMERAL_PIN_MS } from "../api/bounds.ts";
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
  /** Of a peer that was ephemeral when it was met: when a map had it last, and the pin lapses. Null: it never does. */
  ephemeralSeenAtMs: z.number().int().min(0).nullable().default(null),
});
export type Pin = z.infer<typeof pinSchema>;

/** Where and when a map comes from. */
export interface PinContext {
  readonly networkId: string;
  /** `Clock.wallMs` of when the coordinator's word for it was heard: earlier than now for one from the disk. */
  readonly seenAtMs: number;
}

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
 *
 * Pins of ephemeral peers lapse `EPHEMERAL_PIN_MS` after a map had them last: then they count as never met. Whether a peer is
 * ephemeral is settled when it is met: no later map makes a pin lapse that was to last, nor one of the same machine.
 */
export function checkPins(pins: readonly Pin[], peers: readonly MapPeer[], context: PinContext): PinCheck {
  const index = new PinIndex(heldAt(pins, context.seenAtMs), context.networkId);
  const present = new Set(peers.map(({ machineKey }) => machineKey));
  const accepted: MapPeer[] = [];
  const violations: PinViolation[] = [];
  for (const peer of peers) {
    const reason = index.contradiction(peer, present);
    if (reason !== undefined) {
      violations.push({ name: peer.name, reason, peer });
      continue;
    }
    const known = index.get(peer);
    const awaitsAcceptance = index.isNamesake(peer);
    if (awaitsAcceptance || known === undefined) {
      const isLasting = !peer.ephemeral || index.hasLasting(peer.machineKey);
      index.add({ ...pinOf(peer, context, isLasting), awaitsAcceptance });
    } else if (known.ephemeralSeenAtMs !== null) {
      index.add({ ...known, ephemeralSeenAtMs: context.seenAtMs });
    }
    accepted.push(peer);
  }
  return { accepted, violations, pins: index.all() };
}

/** Those of `peers` that came under another machine's name and wait for a person's word. */
export function awaitingAcceptance(pins: readonly Pin[], peers: readonly MapPeer[]): MapPeer[] {
  const waiting = new Set(pins.filter((pin) => pin.awaitsAcceptance).map((pin) => pin.machineKey));
  return peers.filter(({ machineKey }) => waiting.has(machineKey));
}

/**
 * The pins with this peer as it is now, and without those of any other machine that it contradicts. Where one of them was
 * to last, so is this one.
 */
export function acceptPeer(pins: readonly Pin[], peer: MapPeer, context: PinContext): Pin[] {
  const { name, ip4, ip6, wireguardKey, machineKey } = peer;
  const contradicts = (pin: Pin) =>
    pin.name === name || pin.ip4 === ip4 || pin.ip6 === ip6 || pin.wireguardKey === wireguardKey;
  const gone = new Set([machineKey, ...pins.filter(contradicts).map((pin) => pin.machineKey)]);
  const isLasting = !peer.ephemeral || pins.some((pin) => gone.has(pin.machineKey) && pin.ephemeralSeenAtMs === null);
  return [...pins.filter((pin) => !gone.has(pin.machineKey)), pinOf(peer, context, isLasting)];
}

/** Pins that a verified map implies; for when the pin file itself is lost. */
export function pinsOf(map: NetworkMap, seenAtMs: number): Pin[] {
  return map.peers.map((peer) => pinOf(peer, { networkId: map.network.id, seenAtMs }, !peer.ephemeral));
}

/** The pins that have not lapsed by then. */
function heldAt(pins: readonly Pin[], nowMs: number): Pin[] {
  return pins.flatMap((pin) => {
    if (pin.ephemeralSeenAtMs === null) return pin;
    // What was seen later than now was seen before the clock was set back: the time counts from now.
    const ephemeralSeenAtMs = Math.min(pin.ephemeralSeenAtMs, nowMs);
    return nowMs - ephemeralSeenAtMs < EPHEMERAL_PIN_MS ? { ...pin, ephemeralSeenAtMs } : [];
  });
}

function pinOf(peer: MapPeer, { networkId, seenAtMs }: PinContext, isLasting: boolean): Pin {
  const { name, ip4, ip6, wireguardKey, machineKey, keyProof } = peer;
  const isProved = keyProof !== null && verifyKeyProof(networkId, peer, keyProof);
  const keyIssuedAtMs = isProved ? keyProof.issuedAtMs : 0;
  const ephemeralSeenAtMs = isLasting ? null : seenAtMs;
  return { name, ip4, ip6, wireguardKey, machineKey, keyIssuedAtMs, awaitsAcceptance: false, ephemeralSeenAtMs };
}

class PinIndex {
  /** A renamed or renumbered peer keeps the pins of its former names and addresses: nobody else may take them over. */
  readonly #pins = new Map<string, Pin>();
  readonly #byName = new Map<string, Pin>();
  readonly #byAddress = new Map<string, Pin>();
  readonly #byKey = new Map<string, Pin>();
  /** Machine keys. */
  readonly #lasting = new Set<string>();

  readonly #networkId: string;

  constructor(pins: readonly Pin[], networkId: string) {
    this.#networkId = networkId;
    for (const pin of pins) this.add(pin);
  }

  get(peer: MapPeer): Pin | undefined {
    return this.#pins.get(keyOf(peer));
  }

  /** Whether the machine was met as one that stays. */
  hasLasting(machineKey: string): boolean {
    return this.#lasting.has(machineKey);
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
    if (pin.ephemeralSeenAtMs === null) this.#lasting.add(pin.machineKey);
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
