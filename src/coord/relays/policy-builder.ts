import type { PolicyDelta, RelayPolicyDocument } from "../../api/relay-policy.ts";
import type { View } from "../maps/distribution.ts";
import { type Peer, type Registry, TREE_CHANGED } from "../registry.ts";

type PolicyPeer = RelayPolicyDocument["peers"][number];

/** What stand-alone relays are told of the network: who its peers are, and who may exchange with whom. */
export class PolicyBuilder implements View {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  whole(): string {
    const { policy, version } = this.#registry;
    const groups = Array.from(policy.live, (id) => ({ id, sees: [...policy.seenFrom(id).keys()] }));
    const peers = [...this.#registry.peers()].filter(({ enabled }) => enabled).map(policyPeer);
    return JSON.stringify({ type: "policy", policy: { version, groups, peers } satisfies RelayPolicyDocument });
  }

  delta(fromVersion: number, scannedVersion: number): string | "nothing" | "out-of-reach" {
    const changed = this.#registry.changes.since(scannedVersion);
    // Other groups are another policy as a whole.
    if (changed === undefined || changed.has(TREE_CHANGED)) return "out-of-reach";
    const removed: string[] = [];
    const upserted: PolicyPeer[] = [];
    for (const [id, before] of changed) {
      const now = this.#registry.byId(id);
      const [was, is] = [before?.enabled ? policyPeer(before) : undefined, now?.enabled ? policyPeer(now) : undefined];
      if (JSON.stringify(was) === JSON.stringify(is)) continue;
      if (was !== undefined && was.machineKey !== is?.machineKey) removed.push(was.machineKey);
      if (is !== undefined) upserted.push(is);
    }
    if (removed.length === 0 && upserted.length === 0) return "nothing";
    return deltaMessage({ fromVersion, toVersion: this.#registry.version, removed, upserted });
  }

  upToDate(version: number): string {
    return deltaMessage({ fromVersion: version, toVersion: version, removed: [], upserted: [] });
  }
}

function deltaMessage(delta: PolicyDelta): string {
  return JSON.stringify({ type: "policy-delta", delta });
}

function policyPeer({ name, machineKey, wireguardKey, cidrId }: Peer): PolicyPeer {
  return { name, machineKey, wireguardKey, group: cidrId };
}
