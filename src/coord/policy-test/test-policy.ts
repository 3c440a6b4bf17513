import { setImmediate as nextTurn } from "node:timers/promises";
import { type FilterProtocol, formatFilterRule, parsePorts } from "../../api/filter-rule.ts";
import type { PolicyReport, PolicyResult, PolicyViolation } from "../../api/policy-test.ts";
import { badLines } from "../../base/bad-lines.ts";
import { MeshError } from "../../base/errors.ts";
import { ProtocolClass } from "../../filter/program.ts";
import { Verdict } from "../../filter/verdict.ts";
import { parseAddress } from "../../packet/address.ts";
import { describeRule } from "../filter/stored-rule.ts";
import type { Peer } from "../registry.ts";
import { relationOf } from "../visibility.ts";
import { type Assertion, parseAssertions } from "./assertion.ts";
import { addressesOf, type Opening, PeerFilter } from "./peer-filter.ts";
import type { PolicySnapshot } from "./policy-snapshot.ts";
import { classesOf, membersOf } from "./subjects.ts";

/** Filters of peers that are kept ready. A compiled one may take a megabyte. */
const READY_FILTERS = 64;
/** So many pairs are looked at before others get their turn. */
const PAIRS_AT_ONCE = 32;
const MAX_PORT = 65_535;

const CLASSES: Readonly<Record<FilterProtocol, readonly (keyof typeof ProtocolClass)[]>> = {
  tcp: ["tcp"],
  udp: ["udp"],
  "tcp,udp": ["tcp", "udp"],
  icmp: ["icmp"],
  any: ["tcp", "udp", "icmp", "other"],
};

interface Claim {
  readonly assertion: Assertion;
  readonly from: readonly Peer[];
  readonly to: readonly Peer[];
}

/**
 * Whether what `text` asserts is so, in the policy as the snapshot has it: CIDRs, associations and the network's filter rules,
 * the last ones by the same code as in the data path of each end. What machines add of their own is not known here.
 * @throws MeshError `bad-assertions` naming lines
 */
export async function testPolicy(text: string, snapshot: PolicySnapshot): Promise<Omit<PolicyReport, "policy">> {
  const claims = claimsOf(text, snapshot);
  const judge = new Judge(snapshot);
  const assertions: PolicyResult[] = [];
  for (const claim of claims) {
    const { line, text: assertion } = claim.assertion;
    const violation = await judge.findViolation(claim);
    const both = new Set(claim.from);
    const pairs = claim.from.length * claim.to.length - claim.to.filter((peer) => both.has(peer)).length;
    assertions.push({ line, assertion, holds: violation === null, pairs, violation });
  }
  return { holds: assertions.every(({ holds }) => holds), assertions };
}

function claimsOf(text: string, snapshot: PolicySnapshot): readonly Claim[] {
  const { assertions, bad } = parseAssertions(text);
  const claims: Claim[] = [];
  for (const assertion of assertions) {
    const [from, to] = [membersOf(assertion.from, snapshot), membersOf(assertion.to, snapshot)];
    if (typeof from === "string") bad.push({ line: assertion.line, problem: from });
    if (typeof to === "string") bad.push({ line: assertion.line, problem: to });
    if (typeof from !== "string" && typeof to !== "string") claims.push({ assertion, from, to });
  }
  if (bad.length > 0) throw badLines("bad-assertions", bad);
  if (claims.length === 0) throw new MeshError("bad-assertions", "nothing is asserted");
  return claims;
}

class Judge {
  readonly #snapshot: PolicySnapshot;
  /** By peer, the one that was asked for last at the end. */
  readonly #filters = new Map<number, PeerFilter>();

  constructor(snapshot: PolicySnapshot) {
    this.#snapshot = snapshot;
  }

  /** Looks at one pair of each two classes. */
  async findViolation({ assertion, from, to }: Claim): Promise<PolicyViolation | null> {
    let pairs = 0;
    const targets = classesOf(to, this.#snapshot);
    for (const sources of classesOf(from, this.#snapshot)) {
      for (const alike of targets) {
        const pair = pairOf(sources, alike);
        const violation = pair && this.#violationBetween(...pair, assertion);
        if (violation) return violation;
        if (++pairs % PAIRS_AT_ONCE === 0) await nextTurn();
      }
    }
    return null;
  }

  #violationBetween(from: Peer, to: Peer, { verdict, protocol, ports }: Assertion): PolicyViolation | undefined {
    const openings = CLASSES[protocol].flatMap((name) => {
      const hasPorts = name === "tcp" || name === "udp";
      return (hasPorts ? this.#portsToTry(from, to, ports ?? [{ first: 1, last: MAX_PORT }]) : [0]).flatMap((port) =>
        ([4, 6] as const).map((version) => ({ name, port, version })),
      );
    });
    for (const { name, port, version } of openings) {
      const said = this.#judge(from, to, { protocol: ProtocolClass[name], port, version });
      if (said.accepted === (verdict === "accept")) continue;
      const { accepted: _, ...why } = said;
      const where = { ipVersion: version, protocol: name, port: name === "tcp" || name === "udp" ? port : null };
      return { from: from.name, to: to.name, ...where, ...why };
    }
    return undefined;
  }

  /** One of each stretch of ports that no rule of the two ends tells apart. */
  #portsToTry(from: Peer, to: Peer, ranges: readonly { readonly first: number; readonly last: number }[]) {
    if (this.#isApart(from, to)) return ranges.slice(0, 1).map(({ first }) => first);
    const borders = [from, to].flatMap((peer) => this.#filterOf(peer).borders(parsePorts));
    return ranges.flatMap(({ first, last }) => [
      first,
      ...new Set(borders.filter((port) => port > first && port <= last)),
    ]);
  }

  #isApart(from: Peer, to: Peer): boolean {
    return relationOf(this.#snapshot.tree.policy, from, to) === undefined;
  }

  #judge(from: Peer, to: Peer, opening: Opening) {
    const { tree, rules } = this.#snapshot;
    if (this.#isApart(from, to)) {
      const away = [from, to].find(({ enabled, cidrId }) => !enabled || !tree.isLive(cidrId));
      const detail = away === undefined ? `nothing joins ${from.cidr} and ${to.cidr}` : `${away.name} is disabled`;
      return { accepted: false, layer: "acl", rule: null, detail } as const;
    }
    const address = opening.version === 4 ? "ip4" : "ip6";
    const addresses = addressesOf(parseAddress(from[address]), parseAddress(to[address]));
    const there = this.#filterOf(to).judge(addresses, from, opening, false);
    const here = this.#filterOf(from).judge(addresses, to, opening, true);
    const decisive = here.verdict === Verdict.accept ? there : here;
    if (decisive.verdict === Verdict.oneWay) {
      const detail = `an association lets connections start in ${to.cidr} only`;
      return { accepted: false, layer: "acl", rule: null, detail } as const;
    }
    const rule = rules.find(({ id }) => id === decisive.rule);
    return {
      accepted: decisive.verdict === Verdict.accept,
      layer: "filter",
      rule: decisive.rule,
      detail: rule === undefined ? "no rule denies it" : formatFilterRule(describeRule(rule, this.#snapshot)),
    } as const;
  }

  #filterOf(peer: Peer): PeerFilter {
    const filter = this.#filters.get(peer.id) ?? new PeerFilter(peer, this.#snapshot);
    this.#filters.delete(peer.id);
    this.#filters.set(peer.id, filter);
    for (const oldest of this.#filters.keys()) {
      if (this.#filters.size <= READY_FILTERS) break;
      this.#filters.delete(oldest);
    }
    return filter;
  }
}

/** Two different ones. */
function pairOf(sources: readonly Peer[], targets: readonly Peer[]): [from: Peer, to: Peer] | undefined {
  const [from, second] = sources;
  const to = targets.find((peer) => peer !== from);
  if (from !== undefined && to !== undefined) return [from, to];
  return second === undefined || targets[0] === undefined ? undefined : [second, targets[0]];
}
