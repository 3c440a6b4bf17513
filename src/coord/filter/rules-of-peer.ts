import type { FilterDirection } from "../../api/filter-rule.ts";
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
  readonly #context: RuleContext;
  /** By the end at which somebody is (`endKey`), so that a thousand rules about others cost a peer nothing. */
  readonly #sides = new Map<string, Side[]>();
  /** By tag: the CIDRs where a peer that is not disabled has it. */
  readonly #worn = new Map<string, Set<number>>();

  /** For as long as nothing changes there. */
  constructor(rules: readonly StoredRule[], context: RuleContext) {
    this.#context = context;
    if (rules.length === 0) return;
    for (const [index, rule] of rules.entries()) {
      const { source, destination } = rule;
      this.#add({ rule, order: 2 * index, direction: "out", near: source, far: destination });
      this.#add({ rule, order: 2 * index + 1, direction: "in", near: destination, far: source });
    }
    for (const { tags, cidrId, enabled } of context.peers()) {
      for (const tag of enabled ? tags : []) this.#worn.set(tag, (this.#worn.get(tag) ?? new Set()).add(cidrId));
    }
  }

  rulesOf(viewer: Peer): MapFilterRule[] {
    return this.#sidesOf(viewer).flatMap(({ rule, direction, near, far }) => {
      const { id, action, protocol, ports, expiresAtMs } = rule;
      const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
      return this.#farFrom(viewer, far).map((farWords) => {
        const nearWords = selectorOf(near, this.#context);
        const [source, destination] = direction === "out" ? [nearWords, farWords] : [farWords, nearWords];
        return { id, rule: { action, direction, protocol, ports, source, destination, comment: null }, expiresAt };
      });
    });
  }

  #add(side: Side): void {
    const key = endKey(side.near);
    const sides = this.#sides.get(key);
    if (sides === undefined) this.#sides.set(key, [side]);
    else sides.push(side);
  }

  /** Those where the viewer is meant, or addresses that may be routed through it; in the order of the rules. */
  #sidesOf(viewer: Peer): readonly Side[] {
    if (this.#sides.size === 0) return [];
    const { tree } = this.#context;
    const ends: RuleEnd[] = [
      { kind: "any" },
      { kind: "peer", id: viewer.id },
      ...[...new Set(viewer.tags)].map((tag) => ({ kind: "tag", tag }) as const),
      ...tree.around(viewer.cidrId).map((id) => ({ kind: "cidr", id }) as const),
    ];
    const addresses = [viewer.ip4, viewer.ip6].map(parseAddress);
    const ranged = (this.#sides.get(RANGES) ?? []).filter(
      ({ near }) =>
        near.kind === "range" &&
        (!isInNetwork(near, tree) || addresses.some((address) => cidrContainsAddress(near.range, address))),
    );
    return [...ranged, ...ends.flatMap((end) => this.#sides.get(endKey(end)) ?? [])].sort((a, b) => a.order - b.order);
  }

  /** The end in words that say no more than the viewer knows; none when nobody whom it sees is meant. */
  #farFrom(viewer: Peer, end: RuleEnd): readonly string[] {
    const { tree } = this.#context;
    const seen = tree.policy.seenFrom(viewer.cidrId);
    const inWords = () => [selectorOf(end, this.#context)];
    switch (end.kind) {
      case "any":
        return inWords();
      case "peer": {
        const peer = this.#context.byId(end.id);
        return peer !== undefined && mayExchange(tree.policy, viewer, peer) ? inWords() : [];
      }
      case "tag":
        return [...(this.#worn.get(end.tag) ?? [])].some((cidr) => seen.has(cidr)) ? inWords() : [];
      case "cidr": {
        if (seen.has(end.id)) return inWords();
        // What it sees of a CIDR that it does not know of.
        const inside = [...seen.keys()].filter((cidr) => tree.contains(end.id, cidr));
        return inside
          .filter((cidr) => !inside.some((other) => other !== cidr && tree.contains(other, cidr)))
          .map((id) => selectorOf({ kind: "cidr", id }, this.#context));
      }
      case "range":
        return !isInNetwork(end, tree) || [...seen.keys()].some((cidr) => isLeafIn(end, cidr, tree)) ? inWords() : [];
    }
  }
}

/** A rule as one of its ends sees it. */
interface Side {
  readonly rule: StoredRule;
  readonly order: number;
  readonly direction: FilterDirection;
  readonly near: RuleEnd;
  readonly far: RuleEnd;
}

const RANGES = "range";

function endKey(end: RuleEnd): string {
  switch (end.kind) {
    case "any":
      return end.kind;
    case "range":
      return RANGES;
    case "tag":
      return `tag ${end.tag}`;
    case "peer":
    case "cidr":
      return `${end.kind} ${end.id}`;
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
