import type { FilterDirection, FilterProtocol } from "../api/filter-rule.ts";
import { type Cidr, cidrContains, compareCidrs } from "../packet/cidr.ts";
import type { FilterPolicy, ResolvedRule } from "./policy.ts";
import {
  type DirectionProgram,
  type FilterProgram,
  MayStart,
  type PrefixSets,
  ProtocolClass,
  type TableProgram,
} from "./program.ts";
import { RuleSets } from "./rule-sets.ts";
import { Verdict } from "./verdict.ts";

const PORTS = 65_536;

const CLASSES_OF: Readonly<Record<FilterProtocol, readonly ProtocolClass[]>> = {
  tcp: [ProtocolClass.tcp],
  udp: [ProtocolClass.udp],
  "tcp,udp": [ProtocolClass.tcp, ProtocolClass.udp],
  icmp: [ProtocolClass.icmp],
  any: Object.values(ProtocolClass),
};

const VERDICT_OF = { allow: Verdict.accept, deny: Verdict.deny, reject: Verdict.reject } as const;

/** Makes what decides a new connection in a few steps, however many rules there are. */
export function compileFilter(policy: FilterPolicy): FilterProgram {
  const { rules, defaults, oneWay } = policy;
  const mayStart = new Uint8Array(Math.max(-1, ...oneWay.keys()) + 1);
  for (const [peer, who] of oneWay) mayStart[peer] = MayStart[who];
  return {
    isOpen: rules.length === 0 && oneWay.size === 0 && defaults.in === "allow" && defaults.out === "allow",
    in: compileDirection(policy, "in"),
    out: compileDirection(policy, "out"),
    mayStart,
  };
}

function compileDirection({ rules, defaults }: FilterPolicy, direction: FilterDirection): DirectionProgram {
  const ours = rules.filter((rule) => rule.direction === direction && rule.peers?.length !== 0);
  // Whatever denies, in any layer, outweighs whatever allows.
  const ordered = [
    ...ours.filter(({ action }) => action !== "allow"),
    ...ours.filter(({ action }) => action === "allow"),
  ];
  return {
    tables: Object.values(ProtocolClass).map((protocol) => {
      const table = ordered.filter((rule) => CLASSES_OF[rule.protocol].includes(protocol));
      return table.length === 0 ? null : compileTable(table);
    }),
    otherwise: VERDICT_OF[defaults[direction]],
  };
}

function compileTable(rules: readonly ResolvedRule[]): TableProgram {
  const sets = new RuleSets(rules.length);
  const [ports, anyPort] = compilePorts(rules, sets);
  const [peers, anyPeer] = compilePeers(rules, sets);
  const sources = compilePrefixes(
    rules.map((rule) => rule.sources),
    sets,
  );
  const destinations = compilePrefixes(
    rules.map((rule) => rule.destinations),
    sets,
  );
  return {
    wordsPerSet: sets.wordsPerSet,
    sets: sets.toArray(),
    ports,
    anyPort,
    peers,
    anyPeer,
    sources,
    destinations,
    verdicts: Uint8Array.from(rules, ({ action }) => VERDICT_OF[action]),
    slots: Uint32Array.from(rules, ({ slot }) => slot),
  };
}

function compilePorts(rules: readonly ResolvedRule[], sets: RuleSets): [ports: Uint32Array | null, anyPort: number] {
  const current = sets.of(rules, ({ ports }) => ports === null);
  const anyPort = sets.add(current);
  /** The rules that begin or cease to fit at a port. */
  const changes = new Map<number, number[]>();
  const changeAt = (port: number, rule: number) => changes.set(port, [...(changes.get(port) ?? []), rule]);
  for (const [index, { ports }] of rules.entries()) {
    for (const { first, last } of ports ?? []) {
      changeAt(first, index);
      changeAt(last + 1, index);
    }
  }
  if (changes.size === 0) return [null, anyPort];
  const ports = new Uint32Array(PORTS).fill(anyPort);
  const borders = [...changes.keys()].sort((a, b) => a - b);
  for (const [i, border] of borders.entries()) {
    for (const rule of changes.get(border)!) sets.toggle(current, rule);
    ports.fill(sets.add(current), border, borders[i + 1] ?? PORTS);
  }
  return [ports, anyPort];
}

function compilePeers(rules: readonly ResolvedRule[], sets: RuleSets): [peers: Uint32Array, anyPeer: number] {
  const base = sets.of(rules, ({ peers }) => peers === null);
  const anyPeer = sets.add(base);
  const byPeer = new Map<number, Uint32Array>();
  for (const [index, rule] of rules.entries()) {
    for (const peer of new Set(rule.peers)) {
      const set = byPeer.get(peer) ?? base.slice();
      byPeer.set(peer, set);
      sets.include(set, index);
    }
  }
  const peers = new Uint32Array(Math.max(-1, ...byPeer.keys()) + 1).fill(anyPeer);
  for (const [peer, set] of byPeer) peers[peer] = sets.add(set);
  return [peers, anyPeer];
}

/** `wanted`: by rule, the networks that it names, or null. */
function compilePrefixes(wanted: readonly (readonly Cidr[] | null)[], sets: RuleSets): PrefixSets {
  const base = sets.of(wanted, (cidrs) => cidrs === null);
  const named = wanted.flatMap((cidrs, rule) => (cidrs ?? []).map((cidr) => ({ cidr, rule })));
  named.sort((a, b) => compareCidrs(a.cidr, b.cidr));
  const prefixes: { address: Uint8Array; prefixBits: number; set: number }[] = [];
  /** The networks around the one at hand, widest first, each with the rules that fit inside. */
  const around: { readonly cidr: Cidr; readonly set: Uint32Array }[] = [];
  for (const { cidr, rule } of named) {
    while (around.length > 0 && !cidrContains(around.at(-1)!.cidr, cidr)) around.pop();
    const outer = around.at(-1);
    const isSame = outer !== undefined && outer.cidr.prefixBits === cidr.prefixBits;
    const set = isSame ? outer.set : (outer?.set ?? base).slice();
    sets.include(set, rule);
    if (isSame) prefixes.pop();
    else around.push({ cidr, set });
    prefixes.push({ ...cidr, set: sets.add(set) });
  }
  return { prefixes, otherwise: sets.add(base) };
}
