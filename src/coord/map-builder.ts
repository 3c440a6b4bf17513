import type { MapDelta, MapPeer, NetworkInfo, NetworkMap, SelfInfo } from "../api/network-map.ts";
import type { View } from "./distribution.ts";
import { type Peer, RELAYS_CHANGED, type Registry } from "./registry.ts";
import { mayExchange, type PolicySubject } from "./visibility.ts";

/** What one peer is told of the network: a whole map, or the difference to a version it has. Pure but for its caches. */
export class MapBuilder {
  #network: NetworkInfo;
  #registry: Registry;
  /** Each peer's entry as JSON, made once per state of the peer and shared by all who see it. */
  #entries = new WeakMap<Peer, string>();
  /** Deltas of the current version that are the same for all viewers of one CIDR. */
  #shared = new Map<string, PeerChanges>();
  #sharedVersion = -1;

  constructor(network: NetworkInfo, registry: Registry) {
    this.#network = network;
    this.#registry = registry;
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

  selfInfo(peer: Peer): SelfInfo {
    const { name, ip4, ip6, cidr, admin, tags, wireguardKey, relays } = peer;
    return { name, ip4, ip6, cidr, admin, tags: [...tags], wireguardKey, relays: [...relays] };
  }

  /** The `map` message for `viewer`, as JSON text. */
  mapMessage(viewer: Peer): string {
    const entries: string[] = [];
    for (const peer of this.#registry.peers()) {
      if (mayExchange(this.#registry.policy, viewer, peer)) entries.push(this.#entry(peer));
    }
    const head: Omit<NetworkMap, "peers"> = {
      version: this.#registry.version,
      network: this.#network,
      self: this.selfInfo(viewer),
      relays: [...this.#registry.relays],
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
    if (changed === undefined) return "out-of-reach";
    const selfChanged = changed.has(viewer.id);
    let self: SelfInfo | undefined;
    if (selfChanged) {
      const before = changed.get(viewer.id);
      // Another view of everything: not worth a difference.
      if (before === undefined || before.cidrId !== viewer.cidrId || before.enabled !== viewer.enabled)
        return "out-of-reach";
      if (JSON.stringify(this.selfInfo(before)) !== JSON.stringify(this.selfInfo(viewer))) self = this.selfInfo(viewer);
    }
    const { removed, upserted } = selfChanged
      ? this.#peerChanges(viewer, changed)
      : this.#sharedChanges(viewer, scannedVersion, changed);
    const relays = changed.has(RELAYS_CHANGED) ? [...this.#registry.relays] : undefined;
    const isUnchanged = self === undefined && relays === undefined;
    if (isUnchanged && removed.length === 0 && upserted.length === 0) return "nothing";
    const head: Omit<MapDelta, "upserted"> = {
      fromVersion,
      toVersion: this.#registry.version,
      ...(self === undefined ? {} : { self }),
      ...(relays === undefined ? {} : { relays }),
      removed: [...removed],
    };
    return `{"type":"delta","delta":${JSON.stringify(head).slice(0, -1)},"upserted":[${upserted.join(",")}]}}`;
  }

  #sharedChanges(viewer: Peer, scannedVersion: number, changed: ReadonlyMap<number, Peer | undefined>): PeerChanges {
    if (this.#sharedVersion !== this.#registry.version) {
      this.#shared.clear();
      this.#sharedVersion = this.#registry.version;
    }
    const key = `${viewer.cidrId}:${viewer.enabled}:${scannedVersion}`;
    let changes = this.#shared.get(key);
    if (changes === undefined) {
      changes = this.#peerChanges(viewer, changed);
      this.#shared.set(key, changes);
    }
    return changes;
  }

  #peerChanges(viewer: PolicySubject, changed: ReadonlyMap<number, Peer | undefined>): PeerChanges {
    const { policy } = this.#registry;
    const removed: string[] = [];
    const upserted: string[] = [];
    for (const [id, before] of changed) {
      const now = this.#registry.byId(id);
      const wasSeen = before !== undefined && mayExchange(policy, viewer, before);
      const isSeen = now !== undefined && mayExchange(policy, viewer, now);
      if (wasSeen && !(isSeen && now.wireguardKey === before.wireguardKey)) removed.push(before.wireguardKey);
      if (isSeen && now !== before) upserted.push(this.#entry(now));
    }
    return { removed, upserted };
  }

  #entry(peer: Peer): string {
    let json = this.#entries.get(peer);
    if (json === undefined) {
      json = JSON.stringify(mapPeer(peer));
      this.#entries.set(peer, json);
    }
    return json;
  }
}

/** A delta from a version to itself: nothing changed. */
function upToDate(version: number): string {
  const delta: MapDelta = { fromVersion: version, toVersion: version, removed: [], upserted: [] };
  return JSON.stringify({ type: "delta", delta });
}

interface PeerChanges {
  readonly removed: readonly string[];
  /** Entries as JSON text. */
  readonly upserted: readonly string[];
}

function mapPeer(peer: Peer): MapPeer {
  const { name, ip4, ip6, cidr, tags, wireguardKey, machineKey, online, lastSeenAtMs } = peer;
  const { endpoints, overrideEndpoint, sshEndpoints, relays } = peer;
  return {
    name,
    ip4,
    ip6,
    cidr,
    tags: [...tags],
    wireguardKey,
    machineKey,
    allowedIps: [`${ip4}/32`, `${ip6}/128`],
    endpoints: [...endpoints],
    overrideEndpoint,
    sshEndpoints: [...sshEndpoints],
    relays: [...relays],
    online,
    lastSeenAt: lastSeenAtMs === null ? null : new Date(lastSeenAtMs).toISOString(),
  };
}
