import type { MayStart } from "../api/network-map.ts";

/**
 * Who may see whom, and who may start connections to whom. A peer in CIDR C sees the peers in
 *
 *     subtree(C) ∪ subtree(infra) ∪ subtree(A) for every A associated with C or with an ancestor of C
 *
 * and who sees is seen. Associations do not add up to longer chains. Peers live in leaves; disabled peers, and all peers
 * below a disabled CIDR, neither see nor are seen.
 *
 * Where a one-way association is all that joins two peers, one of them may start connections. Anything else that joins
 * them lets both.
 */
export interface PolicyCidr {
  readonly id: number;
  readonly parentId: number | null;
  readonly enabled: boolean;
  readonly infra: boolean;
}

/** Joins the subtrees of two CIDRs. */
export interface PolicyAssociation {
  readonly fromId: number;
  readonly toId: number;
  /** Only `from` may start connections. */
  readonly oneWay: boolean;
}

/** What the policy knows a peer by. */
export interface PolicySeat {
  readonly cidrId: number;
  readonly enabled: boolean;
}

export interface PolicySubject extends PolicySeat {
  readonly id: number;
}

/** An immutable view of the tree, with everything that does not depend on single peers worked out. */
export interface Policy {
  /**
   * For each live CIDR: the CIDRs whose peers its peers see, with who of the two may start (`self`: the former). The
   * relation of b to a mirrors that of a to b.
   */
  readonly seenFrom: ReadonlyMap<number, ReadonlyMap<number, MayStart>>;
}

/** Costs time and memory by the pairs of CIDRs that see each other. */
export function makePolicy(cidrs: readonly PolicyCidr[], associations: readonly PolicyAssociation[] = []): Policy {
  const subtrees = liveSubtrees(cidrs);
  const seenFrom = new Map(Array.from(subtrees.keys(), (id) => [id, new Map<number, MayStart>()]));
  const relate = (a: number, b: number, mayStart: MayStart) => {
    const known = seenFrom.get(a)!.get(b) ?? mayStart;
    const united = known === mayStart ? mayStart : "both";
    seenFrom.get(a)!.set(b, united);
    seenFrom.get(b)!.set(a, mirrored(united));
  };
  const relateAll = (some: Iterable<number>, others: Iterable<number>, mayStart: MayStart) => {
    for (const a of some) for (const b of others) relate(a, b, mayStart);
  };
  for (const [id, subtree] of subtrees) relateAll([id], subtree, "both");
  for (const { id } of cidrs.filter(({ infra }) => infra)) relateAll(subtrees.keys(), subtrees.get(id) ?? [], "both");
  for (const { fromId, toId, oneWay } of associations) {
    relateAll(subtrees.get(fromId) ?? [], subtrees.get(toId) ?? [], oneWay ? "self" : "both");
  }
  return { seenFrom };
}

/** Who of two peers in different machines may start connections; undefined when they do not see each other. */
export function relationOf(policy: Policy, viewer: PolicySeat, subject: PolicySeat): MayStart | undefined {
  if (!viewer.enabled || !subject.enabled) return undefined;
  return policy.seenFrom.get(viewer.cidrId)?.get(subject.cidrId);
}

/** The one decision: is `subject` part of `viewer`'s network map? */
export function mayExchange(policy: Policy, viewer: PolicySubject, subject: PolicySubject): boolean {
  return viewer.id !== subject.id && relationOf(policy, viewer, subject) !== undefined;
}

/** Each live CIDR with those in its subtree, itself among them. Below a disabled one nothing is live. */
function liveSubtrees(cidrs: readonly PolicyCidr[]): ReadonlyMap<number, readonly number[]> {
  const byId = new Map(cidrs.map((cidr) => [cidr.id, cidr]));
  const subtrees = new Map<number, number[]>();
  for (const cidr of cidrs) {
    const line = lineage(cidr, byId);
    if (!line.every(({ enabled }) => enabled)) continue;
    for (const { id } of line) {
      const subtree = subtrees.get(id);
      if (subtree === undefined) subtrees.set(id, [cidr.id]);
      else subtree.push(cidr.id);
    }
  }
  return subtrees;
}

/** The CIDR itself and its ancestors. */
function lineage(cidr: PolicyCidr, byId: ReadonlyMap<number, PolicyCidr>): readonly PolicyCidr[] {
  const path: PolicyCidr[] = [];
  for (let at: PolicyCidr | undefined = cidr; at !== undefined; ) {
    path.push(at);
    at = at.parentId === null ? undefined : byId.get(at.parentId);
  }
  return path;
}

function mirrored(mayStart: MayStart): MayStart {
  if (mayStart === "both") return "both";
  return mayStart === "self" ? "peer" : "self";
}
