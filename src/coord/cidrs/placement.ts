import { MeshError } from "../../base/errors.ts";
import { type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr } from "../../packet/cidr.ts";
import { type CidrPair, deriveCidr6 } from "../addresses/address-plan.ts";
import type { CidrRow } from "../store/schema.ts";

/** What the rules of the tree look at. */
export type TreeCidr = Pick<CidrRow, "id" | "name" | "cidr4" | "cidr6" | "parent_id">;

interface Wanted {
  readonly cidr4: string;
  readonly cidr6?: string | undefined;
  /** Name of the parent that is expected. */
  readonly parent?: string | undefined;
}

export interface Placement<Row extends TreeCidr> extends CidrPair {
  readonly parent: Row;
}

/** The narrowest range that still has an address for a host. */
const MAX_PREFIX_BITS4 = 30;

/**
 * Where a new CIDR belongs: inside its parent, which is the closest one around it, and beside its siblings, in both
 * families. IPv6 follows IPv4 from the parent on.
 * @throws MeshError `bad-cidr`, `cidr-overlap`, `cidr-wrong-parent`, `not-found` (no CIDR of the parent's name)
 */
export function placeCidr<Row extends TreeCidr>(cidrs: readonly Row[], wanted: Wanted): Placement<Row> {
  const cidr4 = parseCidr4(wanted.cidr4);
  const parent = closestContainer(cidrs, cidr4);
  if (wanted.parent !== undefined) requireParent(cidrs, parent, cidr4, wanted.parent);
  const ranges = { cidr4: parseCidr(parent.cidr4), cidr6: parseCidr(parent.cidr6) };
  if (ranges.cidr4.prefixBits === cidr4.prefixBits) {
    throw new MeshError("cidr-overlap", `${formatCidr(cidr4)} is ${parent.name} already`);
  }
  const cidr6 = wanted.cidr6 === undefined ? deriveCidr6(ranges, cidr4) : parseCidr6(wanted.cidr6, cidr4);
  if (cidr6.prefixBits <= ranges.cidr6.prefixBits || !cidrContains(ranges.cidr6, cidr6)) {
    throw new MeshError("bad-cidr", `${formatCidr(cidr6)} is not inside ${parent.name} (${parent.cidr6})`);
  }
  const siblings = cidrs.filter(({ parent_id }) => parent_id === parent.id);
  requireApart(cidr4, siblings, (sibling) => sibling.cidr4);
  requireApart(cidr6, siblings, (sibling) => sibling.cidr6);
  return { parent, cidr4, cidr6 };
}

function parseCidr4(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr.address.length !== 4) {
    throw new MeshError("bad-cidr", `${text} is not IPv4`, { hint: "Give the IPv4 range first, then the IPv6 one." });
  }
  if (cidr.prefixBits > MAX_PREFIX_BITS4) {
    throw new MeshError("bad-cidr", `${text} has no room for a peer: a CIDR is a /${MAX_PREFIX_BITS4} at least`);
  }
  return cidr;
}

/** Hosts have the same number in both families. */
function parseCidr6(text: string, cidr4: Cidr): Cidr {
  const cidr = parseCidr(text);
  if (cidr.address.length !== 16) throw new MeshError("bad-cidr", `${text} is not IPv6`);
  const maxPrefixBits = 128 - (32 - cidr4.prefixBits);
  if (cidr.prefixBits > maxPrefixBits) {
    throw new MeshError(
      "bad-cidr",
      `${text} has fewer addresses than ${formatCidr(cidr4)}: it must be a /${maxPrefixBits} or wider`,
    );
  }
  return cidr;
}

function closestContainer<Row extends TreeCidr>(cidrs: readonly Row[], cidr4: Cidr): Row {
  const bitsOf = (cidr: Row) => parseCidr(cidr.cidr4).prefixBits;
  const [closest] = cidrs
    .filter((cidr) => cidrContains(parseCidr(cidr.cidr4), cidr4))
    .sort((a, b) => bitsOf(b) - bitsOf(a));
  if (closest !== undefined) return closest;
  const root = cidrs.find(({ parent_id }) => parent_id === null);
  throw new MeshError("bad-cidr", `${formatCidr(cidr4)} is not inside the network (${root?.cidr4})`);
}

function requireParent(cidrs: readonly TreeCidr[], parent: TreeCidr, cidr4: Cidr, name: string): void {
  if (name === parent.name) return;
  if (!cidrs.some((cidr) => cidr.name === name)) throw new MeshError("not-found", `there is no CIDR ${name}`);
  throw new MeshError(
    "cidr-wrong-parent",
    `the closest CIDR around ${formatCidr(cidr4)} is ${parent.name} (${parent.cidr4}), not ${name}`,
  );
}

/** A sibling that overlaps either lies inside the new CIDR or, in the family that does not decide the parent, around it. */
function requireApart<Row extends TreeCidr>(
  wanted: Cidr,
  siblings: readonly Row[],
  rangeOf: (row: Row) => string,
): void {
  const overlapping = siblings.filter((sibling) => cidrsOverlap(parseCidr(rangeOf(sibling)), wanted));
  if (overlapping.length === 0) return;
  const named = overlapping.map((sibling) => `${sibling.name} (${rangeOf(sibling)})`).join(", ");
  const inside = overlapping.every((sibling) => cidrContains(wanted, parseCidr(rangeOf(sibling))));
  throw new MeshError(
    "cidr-overlap",
    `${formatCidr(wanted)} overlaps ${named}`,
    inside ? { hint: "A CIDR cannot be put around others: choose another range, or make the outer one first." } : {},
  );
}
