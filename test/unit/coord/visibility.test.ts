import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makePolicy, mayExchange, type PolicyCidr, type PolicySubject } from "../../../src/coord/visibility.ts";

/** A random tree: node 0 is the root, each other node hangs from an earlier one; one of them is infra. */
const treeArbitrary = fc
  .array(fc.record({ parent: fc.nat(), enabled: fc.integer({ min: 0, max: 9 }) }), { minLength: 2, maxLength: 14 })
  .chain((nodes) =>
    fc.nat(nodes.length - 1).map((infra) =>
      nodes.map(
        ({ parent, enabled }, id): PolicyCidr => ({
          id,
          parentId: id === 0 ? null : parent % id,
          enabled: enabled > 0,
          infra: id === infra && id !== 0,
        }),
      ),
    ),
  );

/** The rule, read out slowly: no sets, no caches, one walk up for each question. */
function model(cidrs: readonly PolicyCidr[], viewer: PolicySubject, subject: PolicySubject): boolean {
  const ancestors = (id: number): PolicyCidr[] => {
    const cidr = cidrs.find((candidate) => candidate.id === id)!;
    return cidr.parentId === null ? [cidr] : [cidr, ...ancestors(cidr.parentId)];
  };
  if (viewer.id === subject.id || !viewer.enabled || !subject.enabled) return false;
  const viewerLine = ancestors(viewer.cidrId);
  const subjectLine = ancestors(subject.cidrId);
  if ([...viewerLine, ...subjectLine].some((cidr) => !cidr.enabled)) return false;
  if (viewerLine.some((cidr) => cidr.infra) || subjectLine.some((cidr) => cidr.infra)) return true;
  return viewerLine.some((cidr) => cidr.id === subject.cidrId) || subjectLine.some((cidr) => cidr.id === viewer.cidrId);
}

describe("visibility", () => {
  const subjects = (cidrs: readonly PolicyCidr[]) =>
    cidrs.flatMap(({ id }) => [
      { id: 2 * id, cidrId: id, enabled: true },
      { id: 2 * id + 1, cidrId: id, enabled: id % 3 !== 0 },
    ]);

  it("agrees with the slow reading of the rule on random trees", () => {
    fc.assert(
      fc.property(treeArbitrary, (cidrs) => {
        const policy = makePolicy(cidrs);
        for (const viewer of subjects(cidrs)) {
          for (const subject of subjects(cidrs)) {
            expect(mayExchange(policy, viewer, subject)).toBe(model(cidrs, viewer, subject));
          }
        }
      }),
    );
  });

  it("is symmetric: who sees is seen", () => {
    fc.assert(
      fc.property(treeArbitrary, (cidrs) => {
        const policy = makePolicy(cidrs);
        for (const a of subjects(cidrs)) {
          for (const b of subjects(cidrs)) expect(mayExchange(policy, a, b)).toBe(mayExchange(policy, b, a));
        }
      }),
    );
  });

  it("keeps leaves apart from each other and joins each with infra", () => {
    const cidr = (id: number, parentId: number | null, infra = false): PolicyCidr => ({
      id,
      parentId,
      infra,
      enabled: true,
    });
    const policy = makePolicy([cidr(1, null), cidr(2, 1, true), cidr(3, 1), cidr(4, 1)]);
    const peer = (id: number, cidrId: number): PolicySubject => ({ id, cidrId, enabled: true });
    expect(mayExchange(policy, peer(1, 3), peer(2, 3))).toBe(true);
    expect(mayExchange(policy, peer(1, 3), peer(2, 4))).toBe(false);
    expect(mayExchange(policy, peer(1, 3), peer(2, 2))).toBe(true);
    expect(mayExchange(policy, peer(1, 3), peer(1, 3))).toBe(false);
    expect(mayExchange(policy, peer(1, 99), peer(2, 3))).toBe(false);
  });
});
