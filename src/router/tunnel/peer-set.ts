import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { type Cidr, formatCidr, parseCidr } from "../../packet/cidr.ts";
import { type Endpoint, isSameRemote } from "../../packet/endpoint.ts";
import type { Device } from "../../wireguard/device.ts";
import type { EnginePeerConfig } from "../../wireguard/engine.ts";
import type { TransportPreference } from "../paths/events.ts";
import type { DataCommand } from "../shared/commands.ts";
import { parseEndpoint } from "./endpoint-text.ts";
import type { TunnelPeerConfig } from "./tunnel-types.ts";

const KEY_BYTES = 32;

/** A peer as it stands in the engine and the data plane. */
export interface ActivePeer {
  readonly id: number;
  readonly publicKey: string;
  config: ParsedPeer;
}

interface ParsedPeer {
  readonly engine: EnginePeerConfig;
  readonly hasPaths: boolean;
  readonly preference: TransportPreference | undefined;
  /** By canonical text. */
  readonly allowedIps: ReadonlyMap<string, AllowedPrefix>;
}

interface Owner {
  readonly peer: ActivePeer;
  readonly byExit: boolean;
}

interface AllowedPrefix {
  readonly cidr: Cidr;
  readonly byExit: boolean;
}

/** The peers that the engine and the data plane have, and the way from there to the peers that are wanted. */
export class PeerSet {
  readonly #device: Device;
  readonly #logger: Logger;
  readonly #byKey = new Map<string, ActivePeer>();
  readonly #byId = new Map<number, ActivePeer>();
  /** Which peer has a prefix: the data plane knows, but cannot be asked. */
  readonly #owners = new Map<string, Owner>();

  constructor(device: Device, logger: Logger) {
    this.#device = device;
    this.#logger = logger;
  }

  get(publicKey: string): ActivePeer | undefined {
    return this.#byKey.get(publicKey);
  }

  byId(id: number): ActivePeer | undefined {
    return this.#byId.get(id);
  }

  [Symbol.iterator](): Iterator<ActivePeer> {
    return this.#byKey.values();
  }

  /** The prefixes that lead to `peer` right now. */
  ownedPrefixes(peer: ActivePeer): string[] {
    return [...peer.config.allowedIps.keys()].filter((prefix) => this.#owners.get(prefix)?.peer === peer);
  }

  /**
   * Changes what differs from `desired` and nothing else; sessions of peers that stay survive. A peer that cannot be
   * configured is left out with a warning: it must not take the others down. Returns what the data plane is to do.
   */
  reconcile(desired: readonly TunnelPeerConfig[], nowMs: number): DataCommand[] {
    const wanted = this.#parseAll(desired);
    const commands: DataCommand[] = [];
    for (const peer of [...this.#byKey.values()]) {
      if (!wanted.has(peer.publicKey)) commands.push(...this.#remove(peer));
    }
    for (const [publicKey, config] of wanted) {
      const peer = this.#byKey.get(publicKey);
      if (peer !== undefined) commands.push(...this.#update(peer, config, nowMs));
      else commands.push(...this.#add(publicKey, config, nowMs));
    }
    commands.push(...this.#assignPrefixes());
    return commands;
  }

  #parseAll(desired: readonly TunnelPeerConfig[]): Map<string, ParsedPeer> {
    const parsed = new Map<string, ParsedPeer>();
    for (const peer of desired) {
      try {
        parsed.set(peer.publicKey, parsePeer(peer));
      } catch (failure) {
        this.#warn(peer.publicKey, failure);
      }
    }
    return parsed;
  }

  #add(publicKey: string, config: ParsedPeer, nowMs: number): DataCommand[] {
    try {
      const id = this.#device.addPeer(config.engine, nowMs);
      const peer: ActivePeer = { id, publicKey, config };
      this.#byKey.set(publicKey, peer);
      this.#byId.set(id, peer);
      return [{ type: "add-peer", peer: id, hasPaths: config.hasPaths }];
    } catch (failure) {
      this.#warn(publicKey, failure);
      return [];
    }
  }

  #update(peer: ActivePeer, config: ParsedPeer, nowMs: number): DataCommand[] {
    const isSame = isSameEngineConfig(peer.config.engine, config.engine);
    peer.config = config;
    return isSame ? [] : this.#device.updatePeer(peer.id, config.engine, nowMs);
  }

  #remove(peer: ActivePeer): DataCommand[] {
    this.#byKey.delete(peer.publicKey);
    this.#byId.delete(peer.id);
    for (const [prefix, owner] of this.#owners) if (owner.peer === peer) this.#owners.delete(prefix);
    return [...this.#device.removePeer(peer.id), { type: "remove-peer", peer: peer.id }];
  }

  /** Each prefix belongs to the last peer, in the order of the desired set, that names it. */
  #assignPrefixes(): DataCommand[] {
    const wanted = new Map<string, Owner & AllowedPrefix>();
    for (const peer of this.#byKey.values())
      for (const [prefix, allowed] of peer.config.allowedIps) wanted.set(prefix, { peer, ...allowed });
    const commands: DataCommand[] = [];
    for (const [prefix, { peer }] of [...this.#owners]) {
      if (wanted.has(prefix)) continue;
      this.#owners.delete(prefix);
      commands.push({ type: "disallow", peer: peer.id, ...parseCidr(prefix) });
    }
    for (const [prefix, { peer, byExit, cidr }] of wanted) {
      const owner = this.#owners.get(prefix);
      if (owner?.peer === peer && owner.byExit === byExit) continue;
      this.#owners.set(prefix, { peer, byExit });
      commands.push({ type: "allow", peer: peer.id, ...cidr, byExit });
    }
    return commands;
  }

  #warn(publicKey: string, failure: unknown): void {
    const { code, message } = asMeshError(failure);
    this.#logger.warn({ peer: publicKey, code }, `peer left out: ${message}`);
  }
}

function parsePeer(peer: TunnelPeerConfig): ParsedPeer {
  const publicKey = new Uint8Array(Buffer.from(peer.publicKey, "base64"));
  const presharedKey = peer.presharedKey ?? new Uint8Array(KEY_BYTES);
  const candidates: Endpoint[] = [...peer.endpoints.map(parseEndpoint), ...(peer.pipes ?? [])];
  const allowedIps = new Map<string, AllowedPrefix>();
  const allow = (text: string, byExit: boolean) => {
    const cidr = parseCidr(text);
    allowedIps.set(formatCidr(cidr), { cidr, byExit });
  };
  for (const text of peer.exitIps ?? []) allow(text, true);
  for (const text of peer.allowedIps) allow(text, false);
  const { persistentKeepaliveSeconds } = peer;
  const hasPaths = peer.hasPaths ?? false;
  const engine = { publicKey, presharedKey, candidates, persistentKeepaliveSeconds, answersCopies: hasPaths };
  return { engine, hasPaths, preference: peer.preference, allowedIps };
}

function isSameEngineConfig(a: EnginePeerConfig, b: EnginePeerConfig): boolean {
  return (
    a.persistentKeepaliveSeconds === b.persistentKeepaliveSeconds &&
    Buffer.compare(a.presharedKey, b.presharedKey) === 0 &&
    a.candidates.length === b.candidates.length &&
    a.candidates.every((candidate, i) => {
      return isSameRemote(candidate, b.candidates[i]!);
    })
  );
}
