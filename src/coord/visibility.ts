/**
 * Who may see whom. A peer in CIDR C sees the peers in subtree(C) and in subtree(infra), and who sees is seen: the
 * relation is made symmetric. Peers live in leaves; disabled peers, and all peers below a disabled CIDR, neither see nor
 * are seen.
 */
export interface PolicyCidr {
  readonly id: number;
  readonly parentId: number | null;
  readonly enabled: boolean;
  readonly infra: boolean;
}

export interface PolicySubject {
  readonly id: number;
  readonly cidrId: number;
  readonly enabled: boolean;
}

/** An immutable view of the tree, with everything that does not depend on single peers worked out. */
export interface Policy {
  /** For each CIDR: the CIDRs whose peers its peers see. Symmetric. */
  readonly seenFrom: ReadonlyMap<number, ReadonlySet<number>>;
}

const NOTHING: ReadonlySet<number> = new Set();

export function makePolicy(cidrs: readonly PolicyCidr[]): Policy {
  const byId = new Map(cidrs.map((cidr) => [cidr.id, cidr]));
  const lineages = new Map(cidrs.map((cidr) => [cidr.id, lineage(cidr, byId)]));
  const live = cidrs.filter((cidr) => lineages.get(cidr.id)!.every((ancestor) => ancestor.enabled));
  const inSubtree = (cidr: PolicyCidr, root: PolicyCidr) => lineages.get(cidr.id)!.includes(root);
  const inInfra = (cidr: PolicyCidr) => lineages.get(cidr.id)!.some((ancestor) => ancestor.infra);
  const sees = (viewer: PolicyCidr, subject: PolicyCidr) => inSubtree(subject, viewer) || inInfra(subject);
  return {
    seenFrom: new Map(
      live.map((a) => [a.id, new Set(live.filter((b) => sees(a, b) || sees(b, a)).map(({ id }) => id))]),
    ),
  };
}

/** The one decision: is `subject` part of `viewer`'s network map? */
export function mayExchange(policy: Policy, viewer: PolicySubject, subject: PolicySubject): boolean {
  if (viewer.id === subject.id || !viewer.enabled || !subject.enabled) return false;
  return (policy.seenFrom.get(viewer.cidrId) ?? NOTHING).has(subject.cidrId);
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
