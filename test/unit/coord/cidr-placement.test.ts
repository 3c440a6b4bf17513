import fc from "fast-check";
import { expect, it } from "vitest";
import { deriveCidr6 } from "../../../src/coord/addresses/address-plan.ts";
import { placeCidr, type TreeCidr } from "../../../src/coord/cidrs/placement.ts";
import { type Cidr, cidrContains, cidrOf, cidrsOverlap, formatCidr, parseCidr } from "../../../src/packet/cidr.ts";

const ROOT: TreeCidr = { id: 0, name: "root", cidr4: "10.86.0.0/16", cidr6: "fd00:1:2::/48", parent_id: null };

const cidr4Arbitrary = fc
  .record({ offset: fc.nat(0xffff), bits: fc.integer({ min: 15, max: 31 }) })
  .map(({ offset, bits }) => formatCidr(cidrOf(Uint8Array.of(10, 86, offset >> 8, offset & 0xff), bits)));

/** Anything from inside the network's range to a little beside it. */
const cidr6Arbitrary = fc
  .record({ net: fc.integer({ min: 1, max: 40 }), offset: fc.nat(0xffff), bits: fc.integer({ min: 47, max: 124 }) })
  .map(({ net, offset, bits }) => {
    const bytes = parseCidr(net === 1 ? "fd00:1:3::/48" : "fd00:1:2::/48").address.slice();
    bytes[6] = offset >> 8;
    bytes[7] = offset & 0xff;
    return formatCidr(cidrOf(bytes, bits));
  });

const wantedArbitrary = fc.record({
  cidr4: cidr4Arbitrary,
  cidr6: fc.option(cidr6Arbitrary, { nil: undefined, freq: 2 }),
});

const rangesOf = ({ cidr4, cidr6 }: TreeCidr): readonly [Cidr, Cidr] => [parseCidr(cidr4), parseCidr(cidr6)];

it("whatever is asked for in whatever order, children lie inside, siblings apart, and the closest one is the parent", () => {
  let placedInAll = 0;
  fc.assert(
    fc.property(fc.array(wantedArbitrary, { maxLength: 25 }), (all) => {
      const tree: TreeCidr[] = [ROOT];
      for (const [i, wanted] of all.entries()) {
        let placed: ReturnType<typeof placeCidr<TreeCidr>>;
        try {
          placed = placeCidr(tree, wanted);
        } catch (refusal) {
          expect(["bad-cidr", "cidr-overlap"]).toContain((refusal as { code: string }).code);
          continue;
        }
        const { parent, cidr4, cidr6 } = placed;
        expect(formatCidr(cidr4)).toBe(wanted.cidr4);
        const [parent4, parent6] = rangesOf(parent);
        const derived = deriveCidr6({ cidr4: parent4, cidr6: parent6 }, cidr4);
        expect(formatCidr(cidr6)).toBe(wanted.cidr6 ?? formatCidr(derived));
        tree.push({
          id: i + 1,
          name: `c${i}`,
          cidr4: formatCidr(cidr4),
          cidr6: formatCidr(cidr6),
          parent_id: parent.id,
        });
      }
      placedInAll += tree.length - 1;
      for (const a of tree) {
        for (const b of tree) {
          if (a === b) continue;
          const family = rangesOf(a).map((range, i) => [range, rangesOf(b)[i]!] as const);
          for (const [rangeA, rangeB] of family) {
            if (a.parent_id === b.id) expect(cidrContains(rangeB, rangeA)).toBe(true);
            if (a.parent_id === b.parent_id) expect(cidrsOverlap(rangeA, rangeB)).toBe(false);
          }
          const [[a4, b4]] = family as [readonly [Cidr, Cidr]];
          const parent = tree.find(({ id }) => id === a.parent_id);
          if (cidrContains(b4, a4)) expect(cidrContains(b4, parseCidr(parent!.cidr4))).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(placedInAll).toBeGreaterThan(300);
});
