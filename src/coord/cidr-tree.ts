import type { MapCidr } from "../api/network-map.ts";
import { type Cidr, compareCidrs, parseCidr } from "../packet/cidr.ts";
import type { AssociationRow, CidrRow } from "./store/schema.ts";
import { Policy } from "./visibility.ts";

/** The CIDRs and associations as they stand, and the policy that follows from them. Immutable. */
export class CidrTree {
  readonly policy: Policy;
  readonly #cidrs: ReadonlyMap<number, CidrRow>;
  /** By the CIDR that is looked from. */
  readonly #seen = new Map<number, readonly MapCidr[]>();
  /** Those that hold others. */
  readonly #branches: ReadonlySet<number | null>;

  constructor(cidrs: readonly CidrRow[], associations: readonly AssociationRow[]) {
    this.#cidrs = new Map(cidrs.map((cidr) => [cidr.id, cidr]));
    this.#branches = new Set(cidrs.map(({ parent_id }) => parent_id));
    this.policy = new Policy(
      cidrs.map(({ id, parent_id, enabled, role }) => ({
        id,
        parentId: parent_id,
        enabled: enabled === 1,
        infra: role === "infra",
      })),
      associations.map(({ from_id, to_id, one_way }) => ({ fromId: from_id, toId: to_id, oneWay: one_way === 1 })),
    );
  }

  cidr(id: number): CidrRow | undefined {
    return this.#cidrs.get(id);
  }

  /** The id of the CIDR of this name. */
  named(name: string): number | undefined {
    for (const cidr of this.#cidrs.values()) if (cidr.name === name) return cidr.id;
    return undefined;
  }

  /** The ranges of the whole network. */
  get root(): readonly Cidr[] {
    for (const { id, parent_id } of this.#cidrs.values()) if (parent_id === null) return this.rangesOf(id);
    return [];
  }

  /** In IPv4 and in IPv6. */
  rangesOf(id: number): readonly Cidr[] {
    const row = this.#cidrs.get(id);
    return row === undefined ? [] : [parseCidr(row.cidr4), parseCidr(row.cidr6)];
  }

  isLeaf(id: number): boolean {
    return !this.#branches.has(id);
  }

  /** The CIDR itself, and those that it lies in. */
  around(id: number): readonly number[] {
    const line: number[] = [];
    for (let at: number | null | undefined = id; at != null; at = this.#cidrs.get(at)?.parent_id) line.push(at);
    return line;
  }

  /** Whether `inner` is `outer`, or lies in it. */
  contains(outer: number, inner: number): boolean {
    return this.around(inner).includes(outer);
  }

  /** Neither it nor a CIDR that it lies in is disabled. */
  isLive(id: number): boolean {
    return this.policy.isLive(id);
  }

  /** The CIDRs that peers in this one may know of: where they are themselves, and where those are whom they see. */
  seenFrom(id: number): readonly MapCidr[] {
    let seen = this.#seen.get(id);
    if (seen === undefined) {
      const rows = [...this.policy.seenFrom(id).keys()].map((other) => this.#cidrs.get(other)!);
      seen = rows
        .map(({ name, cidr4, cidr6 }) => ({ name, cidr4, cidr6 }))
        .sort((a, b) => compareCidrs(parseCidr(a.cidr4), parseCidr(b.cidr4)));
      this.#seen.set(id, seen);
    }
    return seen;
  }
}

/** Changes of the tree that deltas can still reach across; whoever is further behind gets everything anew. */
const FORMER_TREES = 64;

/** The tree in force, and which it was at recent versions. */
export class TreeHistory {
  #current: CidrTree;
  /** Oldest first. */
  #former: { readonly tree: CidrTree; readonly lastVersion: number }[] = [];
  /** The first version of which the tree is known. */
  #floor = 0;

  constructor(tree: CidrTree) {
    this.#current = tree;
  }

  get current(): CidrTree {
    return this.#current;
  }

  /** @param lastVersion the last one at which the tree up to now was in force */
  replace(tree: CidrTree, lastVersion: number): void {
    this.#former.push({ tree: this.#current, lastVersion });
    this.#current = tree;
    if (this.#former.length > FORMER_TREES) this.#floor = this.#former.shift()!.lastVersion + 1;
  }

  at(version: number): CidrTree | undefined {
    if (version < this.#floor) return undefined;
    return this.#former.find(({ lastVersion }) => version <= lastVersion)?.tree ?? this.#current;
  }
}
