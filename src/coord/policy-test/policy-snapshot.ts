import type { CidrTree } from "../cidr-tree.ts";
import { RuleAudience, type RuleContext } from "../filter/rules-of-peer.ts";
import { isExpired, type StoredRule } from "../filter/stored-rule.ts";
import type { Peer, Registry } from "../registry.ts";

/** All that decides who may reach whom, as it is at one moment. */
export class PolicySnapshot implements RuleContext {
  readonly tree: CidrTree;
  readonly rules: readonly StoredRule[];
  readonly audience: RuleAudience;
  readonly #peers: ReadonlyMap<number, Peer>;

  constructor(tree: CidrTree, peers: Iterable<Peer>, rules: readonly StoredRule[], nowMs: number) {
    this.tree = tree;
    this.#peers = new Map(Array.from(peers, (peer) => [peer.id, peer]));
    this.rules = rules.filter((rule) => !isExpired(rule, nowMs));
    this.audience = new RuleAudience(this.rules, this);
  }

  static of(registry: Registry, nowMs: number): PolicySnapshot {
    return new PolicySnapshot(registry.tree, registry.peers(), registry.filterRules, nowMs);
  }

  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  byId(id: number): Peer | undefined {
    return this.#peers.get(id);
  }
}
