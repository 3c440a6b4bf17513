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

type Row = ReadonlyMap<number, MayStart>;

/** The other end of an association. */
type Associate = readonly [id: number, mayStart: MayStart];

/** An immutable view of the tree. What one CIDR sees is worked out when it is asked for first, and kept. */
export class Policy {
  readonly #cidrs: ReadonlyMap<number, PolicyCidr>;
  /** Of each live CIDR: itself and what it holds. Below a disabled one nothing is live. */
  readonly #subtrees: ReadonlyMap<number, readonly number[]>;
  /** Of each CIDR: those that an association joins it with, and who of the two may start. */
  readonly #associates: ReadonlyMap<number, readonly Associate[]>;
  readonly #infra: readonly PolicyCidr[];
  readonly #rows = new Map<number, Row>();

  constructor(cidrs: readonly PolicyCidr[], associations: readonly PolicyAssociation[] = []) {
    this.#cidrs = new Map(cidrs.map((cidr) => [cidr.id, cidr]));
    this.#infra = cidrs.filter(({ infra }) => infra);
    const lines = cidrs
      .map((cidr) => lineage(cidr, this.#cidrs))
      .filter((line) => line.every(({ enabled }) => enabled));
    this.#subtrees = grouped(lines.flatMap((line) => line.map(({ id }) => [id, line[0]!.id] as const)));
    this.#associates = grouped(
      associations.flatMap(({ fromId, toId, oneWay }): [number, Associate][] => [
        [fromId, [toId, oneWay ? "self" : "both"]],
        [toId, [fromId, oneWay ? "peer" : "both"]],
      ]),
    );
  }

  /** CIDRs that are not disabled, and in none that is. */
  get live(): Iterable<number> {
    return this.#subtrees.keys();
  }

  isLive(id: number): boolean {
    return this.#subtrees.has(id);
  }

  /**
   * The CIDRs whose peers those in this one see, and who of the two may start: `self` is this one. Nothing for a CIDR that
   * is not live. Who sees is seen: the row of the other one says the same of this one. Costs time and memory by its length.
   */
  seenFrom(id: number): Row {
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = this.#rowOf(id);
      this.#rows.set(id, row);
    }
    return row;
  }

  #rowOf(id: number): Row {
    const row = new Map<number, MayStart>();
    const cidr = this.#cidrs.get(id);
    if (cidr === undefined || !this.isLive(id)) return row;
    const add = (ids: Iterable<number>, mayStart: MayStart) => {
      for (const other of ids) row.set(other, (row.get(other) ?? mayStart) === mayStart ? mayStart : "both");
    };
    const line = lineage(cidr, this.#cidrs);
    add(this.#subtrees.get(id)!, "both");
    for (const infra of this.#infra) {
      add(line.includes(infra) ? this.live : (this.#subtrees.get(infra.id) ?? []), "both");
    }
    for (const around of line) {
      // They see what they hold, this one among it.
      add([around.id], "both");
      for (const [other, mayStart] of this.#associates.get(around.id) ?? []) {
        add(this.#subtrees.get(other) ?? [], mayStart);
      }
    }
    return row;
  }
}

/** Who of two peers may start connections to the other; undefined when they do not see each other. */
export function relationOf(policy: Policy, viewer: PolicySeat, subject: PolicySeat): MayStart | undefined {
  if (!viewer.enabled || !subject.enabled) return undefined;
  return policy.seenFrom(viewer.cidrId).get(subject.cidrId);
}

/** The one decision: is `subject` part of `viewer`'s network map? */
export function mayExchange(policy: Policy, viewer: PolicySubject, subject: PolicySubject): boolean {
  return viewer.id !== subject.id && relationOf(policy, viewer, subject) !== undefined;
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

function grouped<Key, Value>(entries: readonly (readonly [Key, Value])[]): ReadonlyMap<Key, readonly Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const [key, value] of entries) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
