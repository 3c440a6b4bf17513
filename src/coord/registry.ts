import type { KeyProof } from "../api/key-proof.ts";
import type { RelayInfo } from "../api/network-map.ts";
import type { IpFamily } from "../api/primitives.ts";
import { MeshError } from "../base/errors.ts";
import { CidrTree, TreeHistory } from "./cidr-tree.ts";
import { NO_STORED_DNS, type StoredDns } from "./dns/stored-record.ts";
import type { StoredRule } from "./filter/stored-rule.ts";
import type { ChangeLog } from "./maps/change-log.ts";
import { homeRelays, type RelayChoice } from "./relays/home-relays.ts";
import type { AssociationRow, CidrRow, PeerRow } from "./store/schema.ts";
import type { Policy } from "./visibility.ts";

/** A peer as the others may come to see it. Immutable: a change makes another one. */
export interface Peer {
  readonly id: number;
  readonly name: string;
  readonly machineKey: string;
  readonly wireguardKey: string;
  readonly keyProof: KeyProof | null;
  readonly ip4: string;
  readonly ip6: string;
  readonly cidrId: number;
  readonly cidr: string;
  readonly admin: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly tags: readonly string[];
  /** Best first. */
  readonly endpoints: readonly string[];
  /** `HOST:PORT` by the word of an admin. */
  readonly overrideEndpoint: string | null;
  /** Best first; known while the coordinator runs and the peer has told. */
  readonly sshEndpoints: readonly string[];
  /** At which relays it is to be found, best first. */
  readonly relays: readonly string[];
  /** Relays that it cannot reach, as it said last. */
  readonly unreachedRelays: readonly string[];
  /** Families in which it would be an exit, as it said last. */
  readonly exitFamilies: readonly IpFamily[];
  readonly exitForbidden: boolean;
  /** Networks behind it, as it said last. */
  readonly advertisedRoutes: readonly string[];
  readonly approvedRoutes: readonly string[];
  readonly online: boolean;
  /** When it came online, went offline or registered again, last. */
  readonly lastSeenAtMs: number | null;
}

/** In the change log: the relays that peers are told of have changed. No peer has this id. */
export const RELAYS_CHANGED = 0;
/** Likewise: CIDRs or associations have changed. */
export const TREE_CHANGED = -1;
/** Likewise: the filter rules of the network have changed. */
export const FILTER_CHANGED = -2;
/** Likewise: what the network says of DNS has changed. */
export const DNS_CHANGED = -3;

const NO_RELAYS: RelayChoice = { standalone: [], hasOwn: false };

/**
 * The peers in memory, as the database has them plus what lives here alone (presence). Every change gets the next
 * version number and is kept in the change log; whoever distributes maps is told through `onChange`.
 */
export class Registry {
  readonly changes: ChangeLog<Peer>;
  /** Of the network, in DNS. */
  readonly domain: string;
  onChange: () => void = () => {};
  onFilterRules: () => void = () => {};
  #trees: TreeHistory;
  #peers = new Map<number, Peer>();
  #byMachineKey = new Map<string, Peer>();
  #byWireguardKey = new Map<string, Peer>();
  #policyListeners = new Set<() => void>();
  #relays: readonly RelayInfo[] = [];
  #filterRules: readonly StoredRule[];
  #filterRulesVersion: number;
  #dns: StoredDns;
  #dnsVersion: number;
  #relayChoice = NO_RELAYS;
  /** Peers whose endpoints, offers or last-seen time the disk does not have yet. */
  #unsaved = new Set<number>();

  constructor(
    cidrs: readonly CidrRow[],
    peers: readonly PeerRow[],
    changes: ChangeLog<Peer>,
    associations: readonly AssociationRow[] = [],
    filterRules: readonly StoredRule[] = [],
    { domain, dns }: { readonly domain: string; readonly dns: StoredDns } = { domain: "mesh", dns: NO_STORED_DNS },
  ) {
    this.domain = domain;
    this.#dns = dns;
    this.#dnsVersion = changes.version;
    this.changes = changes;
    this.#filterRules = filterRules;
    this.#filterRulesVersion = changes.version;
    this.#trees = new TreeHistory(new CidrTree(cidrs, associations));
    for (const row of peers) this.#put(this.#peerOf(row));
  }

  get policy(): Policy {
    return this.tree.policy;
  }

  get tree(): CidrTree {
    return this.#trees.current;
  }

  /** The tree as it was at this version; undefined when that is out of reach. */
  treeAt(version: number): CidrTree | undefined {
    return this.#trees.at(version);
  }

  /** The stand-alone relays that peers are told of. */
  get relays(): readonly RelayInfo[] {
    return this.#relays;
  }

  /** The filter rules of the network, the oldest first. */
  get filterRules(): readonly StoredRule[] {
    return this.#filterRules;
  }

  /** The last version at which the rules, or whom they concern, may have become others. */
  get filterRulesVersion(): number {
    return this.#filterRulesVersion;
  }

  get dns(): StoredDns {
    return this.#dns;
  }

  /** The last version at which what is said of DNS, or who may know it, may have become something else. */
  get dnsVersion(): number {
    return this.#dnsVersion;
  }

  get version(): number {
    return this.changes.version;
  }

  peers(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  byId(id: number): Peer | undefined {
    return this.#peers.get(id);
  }

  named(name: string): Peer | undefined {
    for (const peer of this.#peers.values()) if (peer.name === name) return peer;
    return undefined;
  }

  byMachineKey(machineKey: string): Peer | undefined {
    return this.#byMachineKey.get(machineKey);
  }

  byWireguardKey(wireguardKey: string): Peer | undefined {
    return this.#byWireguardKey.get(wireguardKey);
  }

  /** Calls back when who is a peer, or who may see whom, has changed: not for presence or endpoints. */
  onPolicyChange(listener: () => void): () => void {
    this.#policyListeners.add(listener);
    return () => this.#policyListeners.delete(listener);
  }

  /** Takes over what the database now says of a peer; presence and endpoints are kept. */
  applyRow(row: PeerRow): void {
    const before = this.#peers.get(row.id);
    const fresh = this.#peerOf(row);
    const after =
      before === undefined
        ? fresh
        : {
            ...fresh,
            online: before.online,
            endpoints: before.endpoints,
            sshEndpoints: before.sshEndpoints,
            relays: before.relays,
            unreachedRelays: before.unreachedRelays,
            exitFamilies: before.exitFamilies,
            advertisedRoutes: before.advertisedRoutes,
            lastSeenAtMs: before.lastSeenAtMs,
          };
    this.#replace(row.id, after);
  }

  /** Takes over the tree that the database now has. */
  applyTree(cidrs: readonly CidrRow[], associations: readonly AssociationRow[]): void {
    this.#trees.replace(new CidrTree(cidrs, associations), this.version);
    this.changes.record(TREE_CHANGED, undefined);
    this.#filterRulesVersion = this.version;
    this.#dnsVersion = this.version;
    for (const peer of [...this.#peers.values()]) {
      const cidr = this.#cidrName(peer.cidrId, peer.name);
      if (cidr !== peer.cidr) this.#replace(peer.id, { ...peer, cidr });
    }
    this.onChange();
    this.#tellPolicyListeners();
  }

  setFilterRules(rules: readonly StoredRule[]): void {
    this.#filterRules = rules;
    this.changes.record(FILTER_CHANGED, undefined);
    this.#filterRulesVersion = this.version;
    this.onFilterRules();
    this.onChange();
  }

  setDns(dns: StoredDns): void {
    this.#dns = dns;
    this.changes.record(DNS_CHANGED, undefined);
    this.#dnsVersion = this.version;
    this.onChange();
  }

  remove(id: number): void {
    this.#replace(id, undefined);
    this.#unsaved.delete(id);
  }

  setPresence(id: number, online: boolean, nowMs: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || (peer.online === online && online)) return;
    this.#replace(id, { ...peer, online, lastSeenAtMs: nowMs });
    this.#unsaved.add(id);
  }

  /** The peer showed itself in another way than by connecting; who is online is seen all the time. */
  setSeen(id: number, nowMs: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || peer.online) return;
    this.#replace(id, { ...peer, lastSeenAtMs: nowMs });
    this.#unsaved.add(id);
  }

  setEndpoints(id: number, endpoints: readonly string[], sshEndpoints: readonly string[] = []): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    if (sameList(peer.endpoints, endpoints) && sameList(peer.sshEndpoints, sshEndpoints)) return;
    this.#replace(id, { ...peer, endpoints, sshEndpoints });
    this.#unsaved.add(id);
  }

  setOffers(id: number, exitFamilies: readonly IpFamily[], advertisedRoutes: readonly string[]): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    if (sameList(peer.exitFamilies, exitFamilies) && sameList(peer.advertisedRoutes, advertisedRoutes)) return;
    this.#replace(id, { ...peer, exitFamilies, advertisedRoutes });
    this.#unsaved.add(id);
  }

  /** Other relays than before, or others to choose from. */
  setRelays(relays: readonly RelayInfo[], choice: RelayChoice): void {
    const isNews = JSON.stringify(relays) !== JSON.stringify(this.#relays);
    this.#relays = relays;
    this.#relayChoice = choice;
    if (isNews) {
      this.changes.record(RELAYS_CHANGED, undefined);
      this.onChange();
    }
    for (const { id, machineKey, unreachedRelays } of [...this.#peers.values()]) {
      this.#setHomeRelays(id, homeRelays(machineKey, choice, unreachedRelays), unreachedRelays);
    }
  }

  /** The peer cannot reach these relays: it is to be found at others. */
  setUnreachedRelays(id: number, unreached: readonly string[]): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#setHomeRelays(id, homeRelays(peer.machineKey, this.#relayChoice, unreached), unreached);
  }

  /** What the disk does not have yet; the caller writes it. */
  takeUnsaved(): readonly Peer[] {
    const peers = [...this.#unsaved].map((id) => this.#peers.get(id)).filter((peer) => peer !== undefined);
    this.#unsaved.clear();
    return peers;
  }

  #replace(id: number, after: Peer | undefined): void {
    const before = this.#peers.get(id);
    if (before !== undefined) {
      this.#peers.delete(id);
      this.#byMachineKey.delete(before.machineKey);
      this.#byWireguardKey.delete(before.wireguardKey);
    }
    if (after !== undefined) this.#put(after);
    this.changes.record(id, before);
    if (!isSameToFilter(before, after)) this.#filterRulesVersion = this.version;
    if (!isSameToFilter(before, after) || before?.ip4 !== after?.ip4) this.#dnsVersion = this.version;
    this.onChange();
    if (!isSameToPolicy(before, after)) this.#tellPolicyListeners();
  }

  #tellPolicyListeners(): void {
    for (const listener of this.#policyListeners) listener();
  }

  #setHomeRelays(id: number, relays: readonly string[], unreachedRelays: readonly string[]): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    if (sameList(peer.relays, relays) && sameList(peer.unreachedRelays, unreachedRelays)) return;
    this.#replace(id, { ...peer, relays, unreachedRelays });
  }

  #put(peer: Peer): void {
    this.#peers.set(peer.id, peer);
    this.#byMachineKey.set(peer.machineKey, peer);
    this.#byWireguardKey.set(peer.wireguardKey, peer);
  }

  #cidrName(id: number, peerName: string): string {
    const cidr = this.tree.cidr(id);
    if (cidr === undefined) throw new MeshError("store-damaged", `peer ${peerName} is in a CIDR that does not exist`);
    return cidr.name;
  }

  #peerOf(row: PeerRow): Peer {
    return {
      id: row.id,
      name: row.name,
      machineKey: row.machine_key,
      wireguardKey: row.wireguard_key,
      keyProof: row.key_proof === null ? null : JSON.parse(row.key_proof),
      ip4: row.ip4,
      ip6: row.ip6,
      cidrId: row.cidr_id,
      cidr: this.#cidrName(row.cidr_id, row.name),
      admin: row.admin === 1,
      enabled: row.state === "active",
      ephemeral: row.ephemeral === 1,
      tags: JSON.parse(row.tags),
      endpoints: JSON.parse(row.endpoints),
      overrideEndpoint: row.override_endpoint,
      sshEndpoints: [],
      relays: homeRelays(row.machine_key, this.#relayChoice, []),
      unreachedRelays: [],
      exitFamilies: JSON.parse(row.exit_families),
      exitForbidden: row.exit_forbidden === 1,
      advertisedRoutes: JSON.parse(row.advertised_routes),
      approvedRoutes: JSON.parse(row.approved_routes),
      online: false,
      lastSeenAtMs: row.last_seen_at,
    };
  }
}

function isSameToPolicy(before: Peer | undefined, after: Peer | undefined): boolean {
  return (
    before?.machineKey === after?.machineKey &&
    before?.wireguardKey === after?.wireguardKey &&
    before?.cidrId === after?.cidrId &&
    before?.enabled === after?.enabled
  );
}

/** Which rules of the network concern a peer, and are told of it, is the same. */
function isSameToFilter(before: Peer | undefined, after: Peer | undefined): boolean {
  return (
    isSameToPolicy(before, after) && before?.name === after?.name && sameList(before?.tags ?? [], after?.tags ?? [])
  );
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
