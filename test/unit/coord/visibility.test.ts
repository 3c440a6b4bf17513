import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MayStart } from "../../../src/api/network-map.ts";
import {
  mayExchange,
  Policy,
  type PolicyAssociation,
  type PolicyCidr,
  type PolicySubject,
  relationOf,
} from "../../../src/coord/visibility.ts";

interface Network {
  readonly cidrs: readonly PolicyCidr[];
  readonly associations: readonly PolicyAssociation[];
}

/**
 * A random tree: node 0 is the root, each other node hangs from an earlier one; one of them is infra, any two may be
 * associated, also one inside the other.
 */
const networkArbitrary: fc.Arbitrary<Network> = fc
  .array(fc.record({ parent: fc.nat(), enabled: fc.integer({ min: 0, max: 9 }) }), { minLength: 2, maxLength: 14 })
  .chain((nodes) => {
    const node = fc.nat(nodes.length - 1);
    return fc.record({
      cidrs: node.map((infra) =>
        nodes.map(
          ({ parent, enabled }, id): PolicyCidr => ({
            id,
            parentId: id === 0 ? null : parent % id,
            enabled: enabled > 0,
            infra: id === infra && id !== 0,
          }),
        ),
      ),
      associations: fc.array(
        fc.record({ fromId: node, toId: node, oneWay: fc.boolean() }).filter(({ fromId, toId }) => fromId !== toId),
        { maxLength: 5 },
      ),
    });
  });

/** The rule, read out slowly: no sets, no caches, one walk up for each question. */
function modelMayStart({ cidrs, associations }: Network, from: PolicySubject, to: PolicySubject): boolean {
  const ancestors = (id: number): PolicyCidr[] => {
    const cidr = cidrs.find((candidate) => candidate.id === id)!;
    return cidr.parentId === null ? [cidr] : [cidr, ...ancestors(cidr.parentId)];
  };
  if (from.id === to.id || !from.enabled || !to.enabled) return false;
  const [fromLine, toLine] = [ancestors(from.cidrId), ancestors(to.cidrId)];
  if ([...fromLine, ...toLine].some((cidr) => !cidr.enabled)) return false;
  if (fromLine.some((cidr) => cidr.infra) || toLine.some((cidr) => cidr.infra)) return true;
  const isIn = (line: readonly PolicyCidr[], id: number) => line.some((cidr) => cidr.id === id);
  if (isIn(fromLine, to.cidrId) || isIn(toLine, from.cidrId)) return true;
  return associations.some(
    ({ fromId, toId, oneWay }) =>
      (isIn(fromLine, fromId) && isIn(toLine, toId)) || (!oneWay && isIn(fromLine, toId) && isIn(toLine, fromId)),
  );
}

function model(network: Network, viewer: PolicySubject, subject: PolicySubject): MayStart | undefined {
  const [self, peer] = [modelMayStart(network, viewer, subject), modelMayStart(network, subject, viewer)];
  if (self && peer) return "both";
  return self ? "self" : peer ? "peer" : undefined;
}

const subjectsOf = ({ cidrs }: Network): readonly PolicySubject[] =>
  cidrs.flatMap(({ id }) => [
    { id: 2 * id, cidrId: id, enabled: true },
    { id: 2 * id + 1, cidrId: id, enabled: id % 3 !== 0 },
  ]);

const MIRROR = { both: "both", self: "peer", peer: "self" } as const;

describe("visibility", () => {
  it("agrees with the slow reading of the rule, who may start included, on random trees with random associations", () => {
    fc.assert(
      fc.property(networkArbitrary, (network) => {
        const policy = new Policy(network.cidrs, network.associations);
        const subjects = subjectsOf(network);
        const pairs = subjects.flatMap((viewer) => subjects.map((subject) => [viewer, subject] as const));
        const wrong = pairs.filter(([viewer, subject]) => {
          const expected = model(network, viewer, subject);
          if (mayExchange(policy, viewer, subject) !== (expected !== undefined)) return true;
          return viewer.id !== subject.id && relationOf(policy, viewer, subject) !== expected;
        });
        expect(wrong).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it("is symmetric: who sees is seen, and what one may start the other knows", () => {
    fc.assert(
      fc.property(networkArbitrary, (network) => {
        const policy = new Policy(network.cidrs, network.associations);
        for (const { id } of network.cidrs) {
          for (const [other, mayStart] of policy.seenFrom(id)) {
            expect(policy.seenFrom(other).get(id)).toBe(MIRROR[mayStart]);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  const cidr = (id: number, parentId: number | null, infra = false): PolicyCidr => ({
    id,
    parentId,
    infra,
    enabled: true,
  });
  const peer = (id: number, cidrId: number): PolicySubject => ({ id, cidrId, enabled: true });

  it("keeps leaves apart from each other and joins each with infra", () => {
    const policy = new Policy([cidr(1, null), cidr(2, 1, true), cidr(3, 1), cidr(4, 1)]);
    expect(mayExchange(policy, peer(1, 3), peer(2, 3))).toBe(true);
    expect(mayExchange(policy, peer(1, 3), peer(2, 4))).toBe(false);
    expect(mayExchange(policy, peer(1, 3), peer(2, 2))).toBe(true);
    expect(mayExchange(policy, peer(1, 3), peer(1, 3))).toBe(false);
    expect(mayExchange(policy, peer(1, 99), peer(2, 3))).toBe(false);
  });

  it("has associations join two subtrees, and no third one behind them", () => {
    const cidrs = [cidr(1, null), cidr(2, 1, true), cidr(3, 1), cidr(4, 3), cidr(5, 3), cidr(6, 1), cidr(7, 1)];
    const policy = new Policy(cidrs, [
      { fromId: 3, toId: 6, oneWay: false },
      { fromId: 7, toId: 6, oneWay: true },
    ]);
    const relation = (a: number, b: number) => relationOf(policy, peer(1, a), peer(2, b));
    expect([relation(4, 6), relation(6, 5)]).toEqual(["both", "both"]);
    expect([relation(4, 5), relation(4, 7)]).toEqual([undefined, undefined]);
    expect([relation(7, 6), relation(6, 7)]).toEqual(["self", "peer"]);
  });

  it("gives a pair that two one-way associations cover the rights of both", () => {
    const cidrs = [cidr(1, null), cidr(2, 1), cidr(3, 2), cidr(4, 1)];
    const policy = new Policy(cidrs, [
      { fromId: 2, toId: 4, oneWay: true },
      { fromId: 4, toId: 3, oneWay: true },
    ]);
    expect(relationOf(policy, peer(1, 3), peer(2, 4))).toBe("both");
    expect(relationOf(policy, peer(1, 2), peer(2, 4))).toBe("self");
  });
});
