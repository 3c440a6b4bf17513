import type { MapFilterRule } from "../../api/network-map.ts";
import { parseAddress } from "../../packet/address.ts";
import { cidrContains, cidrContainsAddress, cidrsOverlap } from "../../packet/cidr.ts";
import type { CidrTree } from "../cidr-tree.ts";
import type { Peer } from "../registry.ts";
import { mayExchange } from "../visibility.ts";
import { type RuleEnd, type RuleNames, type StoredRule, selectorOf } from "./stored-rule.ts";

/** The network as it stands: what rules are read against. */
export interface RuleContext extends RuleNames {
  byId(id: number): Peer | undefined;
  peers(): Iterable<Peer>;
}

/**
 * What each peer is told of the network's rules: those about connections that it may have, as they are seen from it. It learns
 * the name of no peer, CIDR or tag that it does not see anyhow, and no comment, which may hold any name.
 */
export class RuleAudience {
  readonly #rules: readonly StoredRule[];
  readonly #context: RuleContext;
  /** By tag: the CIDRs where a peer that is not disabled has it. */
  readonly #worn = new Map<string, Set<number>>();

  /** For as long as nothing changes there. */
  constructor(rules: readonly StoredRule[], context: RuleContext) {
    this.#rules = rules;
    this.#context = context;
    if (rules.length === 0) return;
    for (const { tags, cidrId, enabled } of context.peers()) {
      for (const tag of enabled ? tags : []) this.#worn.set(tag, (this.#worn.get(tag) ?? new Set()).add(cidrId));
    }
  }

  rulesOf(viewer: Peer): MapFilterRule[] {
    return this.#rules.flatMap((rule) => {
      const { id, action, protocol, ports, expiresAtMs } = rule;
      const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
      return this.#viewsOf(rule, viewer).map((view) => ({
        id,
        rule: { action, protocol, ports, ...view, comment: null },
        expiresAt,
      }));
    });
  }

  #viewsOf({ source, destination }: StoredRule, viewer: Peer) {
    const views: { direction: "in" | "out"; source: string; destination: string }[] = [];
    if (this.#isAt(source, viewer)) {
      const near = selectorOf(source, this.#context);
      for (const far of this.#farFrom(viewer, destination)) {
        views.push({ direction: "out", source: near, destination: far });
      }
    }
    if (this.#isAt(destination, viewer)) {
      const near = selectorOf(destination, this.#context);
      for (const far of this.#farFrom(viewer, source)) views.push({ direction: "in", source: far, destination: near });
    }
    return views;
  }

  /** Whether the viewer is meant, or addresses that may be routed through it. */
  #isAt(end: RuleEnd, viewer: Peer): boolean {
    const { tree } = this.#context;
    switch (end.kind) {
      case "any":
        return true;
      case "peer":
        return end.id === viewer.id;
      case "tag":
        return viewer.tags.includes(end.tag);
      case "cidr":
        return tree.contains(end.id, viewer.cidrId);
      case "range":
        return (
          !isInNetwork(end, tree) ||
          [viewer.ip4, viewer.ip6].some((address) => cidrContainsAddress(end.range, parseAddress(address)))
        );
    }
  }

  /** The end in words that say no more than the viewer knows; none when nobody whom it sees is meant. */
  #farFrom(viewer: Peer, end: RuleEnd): readonly string[] {
    const { tree } = this.#context;
    const seen = tree.policy.seenFrom(viewer.cidrId);
    const inWords = [selectorOf(end, this.#context)];
    switch (end.kind) {
      case "any":
        return inWords;
      case "peer": {
        const peer = this.#context.byId(end.id);
        return peer !== undefined && mayExchange(tree.policy, viewer, peer) ? inWords : [];
      }
      case "tag":
        return [...(this.#worn.get(end.tag) ?? [])].some((cidr) => seen.has(cidr)) ? inWords : [];
      case "cidr": {
        if (seen.has(end.id)) return inWords;
        // What it sees of a CIDR that it does not know of.
        const inside = [...seen.keys()].filter((cidr) => tree.contains(end.id, cidr));
        return inside
          .filter((cidr) => !inside.some((other) => other !== cidr && tree.contains(other, cidr)))
          .map((id) => selectorOf({ kind: "cidr", id }, this.#context));
      }
      case "range":
        return !isInNetwork(end, tree) || [...seen.keys()].some((cidr) => isLeafIn(end, cidr, tree)) ? inWords : [];
    }
  }
}

type Range = Extract<RuleEnd, { kind: "range" }>;

/** Other addresses than the network's are routed through some peer. */
function isInNetwork({ range }: Range, tree: CidrTree): boolean {
  return tree.root.some((network) => cidrContains(network, range));
}

/** Peers live in leaves: those around them have no more addresses. */
function isLeafIn({ range }: Range, cidrId: number, tree: CidrTree): boolean {
  return tree.isLeaf(cidrId) && tree.rangesOf(cidrId).some((leaf) => cidrsOverlap(leaf, range));
}
