import { type NetworkRule, parseSelector } from "../../api/filter-rule.ts";
import type { NetworkFilterEntry } from "../../api/network-filter.ts";
import { type Cidr, formatCidr, parseCidr } from "../../packet/cidr.ts";
import type { CidrTree } from "../cidr-tree.ts";
import type { FilterRuleRow } from "../store/schema.ts";

/** One end of a rule. Peers and CIDRs are meant by what they are, not by their names: the rule follows when these change. */
export type RuleEnd =
  | { readonly kind: "any" }
  | { readonly kind: "peer" | "cidr"; readonly id: number }
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "range"; readonly range: Cidr };

/** A rule of the network's packet filter. */
export interface StoredRule extends Omit<NetworkRule, "source" | "destination"> {
  readonly id: string;
  readonly source: RuleEnd;
  readonly destination: RuleEnd;
  readonly expiresAtMs: number | null;
}

/** What names are looked up in. */
export interface RuleNames {
  readonly tree: CidrTree;
  byId(id: number): { readonly name: string } | undefined;
}

export function ruleOfRow(row: FilterRuleRow): StoredRule {
  const { id, action, protocol, ports, comment, expires_at } = row;
  return {
    id,
    action,
    protocol,
    ports,
    source: endOf(row.source_peer_id, row.source_cidr_id, row.source_word),
    destination: endOf(row.destination_peer_id, row.destination_cidr_id, row.destination_word),
    comment,
    expiresAtMs: expires_at,
  };
}

function endOf(peerId: number | null, cidrId: number | null, word: string | null): RuleEnd {
  if (peerId !== null) return { kind: "peer", id: peerId };
  if (cidrId !== null) return { kind: "cidr", id: cidrId };
  const selector = word === null ? undefined : parseSelector(word);
  if (selector === undefined) return { kind: "any" };
  return selector.kind === "tag"
    ? { kind: "tag", tag: selector.word }
    : { kind: "range", range: parseCidr(selector.word) };
}

/** As people write it: `peer:bob`. */
export function selectorOf(end: RuleEnd, names: RuleNames): string {
  switch (end.kind) {
    case "any":
      return "any";
    case "peer":
      return `peer:${names.byId(end.id)!.name}`;
    case "cidr":
      return `cidr:${names.tree.cidr(end.id)!.name}`;
    case "tag":
      return `tag:${end.tag}`;
    case "range":
      return `cidr:${formatCidr(end.range)}`;
  }
}

export function describeRule(rule: StoredRule, names: RuleNames): Omit<NetworkFilterEntry, "note"> {
  const { id, action, protocol, ports, source, destination, comment, expiresAtMs } = rule;
  return {
    id,
    layer: "coordinator",
    action,
    protocol,
    ports,
    source: selectorOf(source, names),
    destination: selectorOf(destination, names),
    comment,
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

export function isExpired({ expiresAtMs }: Pick<StoredRule, "expiresAtMs">, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}
