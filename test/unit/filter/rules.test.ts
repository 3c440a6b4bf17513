import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FilterProtocol } from "../../../src/api/filter-rule.ts";
import { compileFilter } from "../../../src/filter/compile.ts";
import { FilterCells } from "../../../src/filter/filter-cells.ts";
import { Flow } from "../../../src/filter/flow.ts";
import type { FilterPolicy, ResolvedRule } from "../../../src/filter/policy.ts";
import { RuleBook } from "../../../src/filter/rule-book.ts";
import { Verdict } from "../../../src/filter/verdict.ts";
import { type Cidr, cidrContainsAddress, cidrOf } from "../../../src/packet/cidr.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { buildPacket, SYN } from "../packet/wire.ts";
import { policy, rule } from "./filtered-host.ts";

/** The opening packet of a connection. */
interface Opening {
  readonly isOutbound: boolean;
  readonly protocol: 6 | 17;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  readonly peer: number;
}

/** The meaning of rules in the plainest words there are. */
function model({ rules, defaults, oneWay }: FilterPolicy, opening: Opening): Verdict {
  const { isOutbound, peer } = opening;
  const who = oneWay.get(peer);
  if (who !== undefined && (who === "self") !== isOutbound) return Verdict.oneWay;
  const direction = isOutbound ? "out" : "in";
  const fitting = rules.filter((one) => one.direction === direction && fits(one, opening));
  const refusing = fitting.find(({ action }) => action !== "allow");
  if (refusing !== undefined) return refusing.action === "deny" ? Verdict.deny : Verdict.reject;
  if (fitting.length > 0) return Verdict.accept;
  return defaults[direction] === "allow" ? Verdict.accept : Verdict.deny;
}

function fits(one: ResolvedRule, opening: Opening): boolean {
  const name = opening.protocol === 6 ? "tcp" : "udp";
  const isIn = (cidrs: readonly Cidr[] | null, address: Uint8Array) =>
    cidrs === null || cidrs.some((cidr) => cidrContainsAddress(cidr, address));
  return (
    (one.protocol === "any" || one.protocol.split(",").includes(name)) &&
    (one.ports === null ||
      one.ports.some(({ first, last }) => first <= opening.destinationPort && opening.destinationPort <= last)) &&
    (one.peers === null || one.peers.includes(opening.peer)) &&
    isIn(one.sources, opening.source) &&
    isIn(one.destinations, opening.destination)
  );
}

// Few values, so that rules and packets meet.
const port = fc.integer({ min: 1, max: 12 });
const ports = fc.option(
  fc.array(fc.tuple(port, port), { minLength: 1, maxLength: 2 }).map((pairs) =>
    // As the schema leaves them: sorted, none of them touching another.
    pairs.length === 1
      ? pairs.map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))
      : [
          { first: Math.min(...pairs[0]!), last: Math.max(...pairs[0]!) },
          { first: 14 + Math.min(...pairs[1]!), last: 14 + Math.max(...pairs[1]!) },
        ],
  ),
  { nil: null },
);
const address4 = fc
  .tuple(fc.constantFrom(0, 1), fc.constantFrom(1, 2, 3, 200))
  .map(([a, b]) => Uint8Array.of(10, 0, a, b));
const address6 = address4.map((v4) => Uint8Array.from([0xfd, ...new Array(11).fill(0), ...v4]));
const cidr = fc.oneof(
  fc.tuple(address4, fc.constantFrom(0, 8, 23, 24, 25, 31, 32)).map(([address, bits]) => cidrOf(address, bits)),
  fc.tuple(address6, fc.constantFrom(0, 8, 119, 120, 127, 128)).map(([address, bits]) => cidrOf(address, bits)),
);
const cidrs = fc.option(fc.array(cidr, { maxLength: 3 }), { nil: null });
const peer = fc.constantFrom(0, 1, 2, 3);
const anyRule: fc.Arbitrary<ResolvedRule> = fc
  .record({
    action: fc.constantFrom("allow", "deny", "reject"),
    direction: fc.constantFrom("in", "out"),
    protocol: fc.constantFrom<FilterProtocol>("tcp", "udp", "tcp,udp", "icmp", "any"),
    ports,
    peers: fc.option(fc.array(peer, { maxLength: 2 }), { nil: null }),
    sources: cidrs,
    destinations: cidrs,
    slot: fc.nat(100),
  })
  .map((fields) => rule(fields));
const verdictDefault = fc.constantFrom("allow", "deny");
const anyPolicy = fc
  .record({
    // More than the bits of a word as well.
    rules: fc.oneof(fc.array(anyRule, { maxLength: 8 }), fc.array(anyRule, { minLength: 60, maxLength: 80 })),
    defaults: fc.record({ in: verdictDefault, out: verdictDefault }),
    oneWay: fc
      .array(fc.tuple(peer, fc.constantFrom("self", "peer")), { maxLength: 1 })
      .map((entries) => new Map(entries)),
  })
  .map(policy);
const opening: fc.Arbitrary<Opening> = fc
  .record({
    isOutbound: fc.boolean(),
    protocol: fc.constantFrom<6 | 17>(6, 17),
    ends: fc.oneof(fc.tuple(address4, address4), fc.tuple(address6, address6)),
    destinationPort: fc.integer({ min: 1, max: 28 }),
    peer,
  })
  .map(({ ends: [source, destination], ...rest }) => ({ ...rest, source, destination }));

function judge(wanted: FilterPolicy, openings: readonly Opening[]): Verdict[] {
  const book = new RuleBook(compileFilter(wanted), new FilterCells());
  const flow = new Flow(1);
  const buffer = new PacketBuffer(128);
  const record = new PacketRecord();
  return openings.map(({ isOutbound, peer: number, ...spec }) => {
    const bytes = buildPacket({ version: spec.source.length === 4 ? 4 : 6, ...spec, tcpFlags: SYN });
    buffer.bytes.set(bytes);
    expect(parsePacket(buffer, 0, bytes.length, record)).toBe(true);
    flow.take(buffer, record, number, isOutbound);
    return book.judge(flow, buffer, isOutbound);
  });
}

describe("compiled rules", () => {
  it("decide as the plain reading of the rules does", () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(opening, { minLength: 1, maxLength: 20 }), (wanted, openings) => {
        expect(judge(wanted, openings)).toEqual(openings.map((one) => model(wanted, one)));
      }),
      { numRuns: 200 },
    );
  });

  it("give a hit to the first rule that decides", () => {
    const cells = new FilterCells();
    const rules = [
      rule({ slot: 1 }),
      rule({ slot: 2, action: "deny", ports: [{ first: 22, last: 22 }] }),
      rule({ slot: 3, action: "reject", peers: [1] }),
    ];
    const book = new RuleBook(compileFilter(policy({ rules })), cells);
    const flow = new Flow(1);
    const buffer = new PacketBuffer(128);
    const record = new PacketRecord();
    const ask = (destinationPort: number, number: number) => {
      const bytes = buildPacket({ version: 4, protocol: 6, destinationPort });
      buffer.bytes.set(bytes);
      parsePacket(buffer, 0, bytes.length, record);
      flow.take(buffer, record, number, false);
      return book.judge(flow, buffer, false);
    };
    expect([ask(22, 1), ask(23, 1), ask(23, 2), ask(24, 2)]).toEqual([
      Verdict.deny,
      Verdict.reject,
      Verdict.accept,
      Verdict.accept,
    ]);
    expect([1, 2, 3].map((slot) => cells.hits(slot))).toEqual([2, 1, 1]);
  });

  it("are open without any, and with nothing else refused", () => {
    expect(compileFilter(policy({})).isOpen).toBe(true);
    expect(compileFilter(policy({ rules: [rule({})] })).isOpen).toBe(false);
    expect(compileFilter(policy({ oneWay: new Map([[0, "self"]]) })).isOpen).toBe(false);
    expect(compileFilter(policy({ defaults: { in: "allow", out: "deny" } })).isOpen).toBe(false);
  });
});
