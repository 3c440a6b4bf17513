import type {
  MapCidr,
  MapDelta,
  MapDns,
  MapFilterRule,
  MapPeer,
  MayStart,
  NetworkInfo,
  NetworkMap,
  SelfInfo,
} from "../../api/network-map.ts";
import type { CidrTree } from "../cidr-tree.ts";
import { DnsAudience } from "../dns/records-of-peer.ts";
import { RuleAudience } from "../filter/rules-of-peer.ts";
import { type Peer, RELAYS_CHANGED, type Registry } from "../registry.ts";
import { type PolicySeat, relationOf } from "../visibility.ts";
import type { View } from "./distribution.ts";
import { Told } from "./told.ts";

/** What one peer is told of the network: a whole map, or the difference to a version it has. Pure but for its caches. */
export class MapBuilder {
  #network: NetworkInfo;
  #registry: Registry;
  /** Each peer's entry as JSON, made once per state of the peer and shared by all who see it. */
  #entries = new WeakMap<Peer, string>();
  /** What is the same for all viewers of one CIDR: deltas to the current version. */
  #shared = new Map<string, SharedChanges>();
  #sharedVersion = -1;
  #toldRules: Told<readonly MapFilterRule[]>;
  #toldDns: Told<MapDns>;

  constructor(network: NetworkInfo, registry: Registry) {
    this.#network = network;
    this.#registry = registry;
    this.#toldRules = new Told<readonly MapFilterRule[]>(registry, {
      version: () => registry.filterRulesVersion,
      audience: () => {
        const audience = new RuleAudience(registry.filterRules, registry);
        return (viewer) => audience.rulesOf(viewer);
      },
      nothing: [],
    });
    this.#toldDns = new Told<MapDns>(registry, {
      version: () => registry.dnsVersion,
      audience: () => {
        const audience = new DnsAudience(registry.dns, registry);
        return (viewer) => audience.dnsOf(viewer);
      },
      nothing: { records: [], servers: [], splits: [] },
    });
  }

  /** What the peer of this id is told, as it is at each moment. */
  viewOf(id: number): View {
    const viewer = () => this.#registry.byId(id);
    return {
      whole: () => {
        const peer = viewer();
        return peer === undefined ? undefined : this.mapMessage(peer);
      },
      delta: (fromVersion, scannedVersion) => {
        const peer = viewer();
        return peer === undefined ? "out-of-reach" : this.deltaMessage(peer, fromVersion, scannedVersion);
      },
      upToDate,
    };
  }

  /** The `map` message for `viewer`, as JSON text. */
  mapMessage(viewer: Peer): string {
    const entries: string[] = [];
    for (const peer of this.#registry.peers()) {
      const mayStart = relationOf(this.#registry.policy, viewer, peer);
      if (mayStart !== undefined && peer.id !== viewer.id) entries.push(this.#entry(peer, mayStart));
    }
    const head: Omit<NetworkMap, "peers"> = {
      version: this.#registry.version,
      network: this.#network,
      self: selfInfo(viewer),
      relays: [...this.#registry.relays],
      cidrs: [...this.#registry.tree.seenFrom(viewer.cidrId)],
      filterRules: [...this.#toldRules.whole(viewer)],
      dns: this.#toldDns.whole(viewer),
    };
    return `{"type":"map","map":${JSON.stringify(head).slice(0, -1)},"peers":[${entries.join(",")}]}}`;
  }

  /**
   * The `delta` message that takes `viewer` from `fromVersion` to the present, where everything up to `scannedVersion`
   * is known not to concern it.
   * @returns JSON text; `nothing` when no change since concerns the viewer; `out-of-reach` when it needs a whole map
   */
  deltaMessage(viewer: Peer, fromVersion: number, scannedVersion: number): string | "nothing" | "out-of-reach" {
    const changed = this.#registry.changes.since(scannedVersion);
    const treeThen = this.#registry.treeAt(scannedVersion);
    if (changed === undefined || treeThen === undefined) return "out-of-reach";
    const selfChanged = changed.has(viewer.id);
    let self: SelfInfo | undefined;
    if (selfChanged) {
      const before = changed.get(viewer.id);
      // Another view of everything: not worth a difference.
      if (before === undefined || before.cidrId !== viewer.cidrId || before.enabled !== viewer.enabled)
        return "out-of-reach";
      if (JSON.stringify(selfInfo(before)) !== JSON.stringify(selfInfo(viewer))) self = selfInfo(viewer);
    }
    const changes = this.#sharedChanges(viewer, scannedVersion, changed, treeThen);
    // Nobody is a peer of its own.
    const removed = changes.removed.without(viewer.id);
    const upserted = changes.upserted.without(viewer.id);
    const relays = changed.has(RELAYS_CHANGED) ? [...this.#registry.relays] : undefined;
    const { cidrs } = changes;
    const filterRules = this.#toldRules.since(viewer, scannedVersion);
    const dns = this.#toldDns.since(viewer, scannedVersion);
    const isUnchanged = [self, relays, cidrs, filterRules, dns].every((part) => part === undefined);
    if (isUnchanged && removed === "" && upserted === "") return "nothing";
    const head: Omit<MapDelta, "removed" | "upserted"> = {
      fromVersion,
      toVersion: this.#registry.version,
      ...(self === undefined ? {} : { self }),
      ...(relays === undefined ? {} : { relays }),
      ...(cidrs === undefined ? {} : { cidrs: [...cidrs] }),
      ...(filterRules === undefined ? {} : { filterRules: [...filterRules] }),
      ...(dns === undefined ? {} : { dns }),
    };
    const start = JSON.stringify(head).slice(0, -1);
    return `{"type":"delta","delta":${start},"removed":[${removed}],"upserted":[${upserted}]}}`;
  }

  #sharedChanges(
    viewer: Peer,
    scannedVersion: number,
    changed: ReadonlyMap<number, Peer | undefined>,
    treeThen: CidrTree,
  ): SharedChanges {
    if (this.#sharedVersion !== this.#registry.version) {
      this.#shared.clear();
      this.#sharedVersion = this.#registry.version;
    }
    const key = `${viewer.cidrId}:${viewer.enabled}:${scannedVersion}`;
    let changes = this.#shared.get(key);
    if (changes === undefined) {
      changes = {
        ...this.#peerChanges(viewer, changed, treeThen),
        cidrs: cidrChanges(viewer.cidrId, treeThen, this.#registry.tree),
      };
      this.#shared.set(key, changes);
    }
    return changes;
  }

  /** As for somebody else in the same place: the viewer may be among them. */
  #peerChanges(
    viewer: PolicySeat,
    changed: ReadonlyMap<number, Peer | undefined>,
    treeThen: CidrTree,
  ): Pick<SharedChanges, "removed" | "upserted"> {
    const { tree } = this.#registry;
    const removed = new Map<number, string>();
    const upserted = new Map<number, string>();
    const compare = (id: number, before: Peer | undefined, now: Peer | undefined) => {
      const was = before === undefined ? undefined : relationOf(treeThen.policy, viewer, before);
      const is = now === undefined ? undefined : relationOf(tree.policy, viewer, now);
      const isSameKey = before?.wireguardKey === now?.wireguardKey;
      if (before !== undefined && was !== undefined && (is === undefined || !isSameKey)) {
        removed.set(id, JSON.stringify(before.wireguardKey));
      }
      if (now !== undefined && is !== undefined && (now !== before || is !== was)) {
        upserted.set(id, this.#entry(now, is));
      }
    };
    for (const [id, before] of changed) compare(id, before, this.#registry.byId(id));
    if (treeThen !== tree) {
      for (const peer of this.#registry.peers()) if (!changed.has(peer.id)) compare(peer.id, peer, peer);
    }
    return { removed: new SharedTexts(removed), upserted: new SharedTexts(upserted) };
  }

  #entry(peer: Peer, mayStart: MayStart): string {
    let json = this.#entries.get(peer);
    if (json === undefined) {
      json = JSON.stringify(mapPeer(peer));
      this.#entries.set(peer, json);
    }
    const own = viewersFields(peer, mayStart);
    return own === "{}" ? json : `${json.slice(0, -1)},${own.slice(1)}`;
  }
}

/** What a peer is told of itself. */
export function selfInfo(peer: Peer): SelfInfo {
  const { name, ip4, ip6, cidr, admin, tags, wireguardKey, relays, exitForbidden } = peer;
  const lists = { tags: [...tags], relays: [...relays], approvedRoutes: [...routesInForce(peer)] };
  return { name, ip4, ip6, cidr, admin, wireguardKey, exitForbidden, ...lists };
}

/** What is another list of CIDRs than before, or undefined. */
function cidrChanges(cidrId: number, treeThen: CidrTree, tree: CidrTree): readonly MapCidr[] | undefined {
  if (treeThen === tree) return undefined;
  const cidrs = tree.seenFrom(cidrId);
  return JSON.stringify(treeThen.seenFrom(cidrId)) === JSON.stringify(cidrs) ? undefined : cidrs;
}

/** Pieces of JSON by the peers' ids. Joined once for all viewers who are not among them: with many, that is what costs. */
class SharedTexts {
  readonly #texts: ReadonlyMap<number, string>;
  #joined: string | undefined;

  constructor(texts: ReadonlyMap<number, string>) {
    this.#texts = texts;
  }

  /** All but that of this id, as the inside of a JSON array. */
  without(id: number): string {
    if (this.#texts.has(id)) {
      const others = [...this.#texts].filter(([other]) => other !== id);
      return others.map(([, text]) => text).join(",");
    }
    this.#joined ??= [...this.#texts.values()].join(",");
    return this.#joined;
  }
}

/** A delta from a version to itself: nothing changed. */
function upToDate(version: number): string {
  const delta: MapDelta = { fromVersion: version, toVersion: version, removed: [], upserted: [] };
  return JSON.stringify({ type: "delta", delta });
}

interface SharedChanges {
  /** WireGuard keys. */
  readonly removed: SharedTexts;
  /** Entries. */
  readonly upserted: SharedTexts;
  readonly cidrs: readonly MapCidr[] | undefined;
}

type ViewersFields = Pick<MapPeer, "mayStart" | "exit" | "routes">;

/** What depends on who looks, as JSON; most often nothing. What may not be started is not offered. */
function viewersFields(peer: Peer, mayStart: MayStart): string {
  const fields: Partial<ViewersFields> = {};
  if (mayStart !== "both") fields.mayStart = mayStart;
  if (mayStart !== "peer") {
    const routes = routesInForce(peer);
    if (routes.length > 0) fields.routes = [...routes];
    if (peer.exitFamilies.length > 0 && !peer.exitForbidden) fields.exit = [...peer.exitFamilies];
  }
  return JSON.stringify(fields);
}

function routesInForce({ advertisedRoutes, approvedRoutes }: Peer): readonly string[] {
  return advertisedRoutes.filter((route) => approvedRoutes.includes(route));
}

function mapPeer(peer: Peer): Omit<MapPeer, keyof ViewersFields> {
  const { name, ip4, ip6, cidr, tags, admin, ephemeral, online, lastSeenAtMs } = peer;
  const { wireguardKey, machineKey, keyProof } = peer;
  const { endpoints, overrideEndpoint, sshEndpoints, relays } = peer;
  return {
    name,
    ip4,
    ip6,
    cidr,
    tags: [...tags],
    admin,
    wireguardKey,
    machineKey,
    keyProof,
    ephemeral,
    allowedIps: [`${ip4}/32`, `${ip6}/128`],
    endpoints: [...endpoints],
    overrideEndpoint,
    sshEndpoints: [...sshEndpoints],
    relays: [...relays],
    online,
    lastSeenAt: lastSeenAtMs === null ? null : new Date(lastSeenAtMs).toISOString(),
  };
}
