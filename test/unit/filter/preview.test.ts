import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFilter } from "../../../src/filter/compile.ts";
import { FilterCells } from "../../../src/filter/filter-cells.ts";
import { PacketFilter } from "../../../src/filter/packet-filter.ts";
import type { FilterPolicy } from "../../../src/filter/policy.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import { openingPacket } from "../../../src/packet/opening-packet.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { FilteredHost, policy, rule, Talk } from "./filtered-host.ts";

const ENDS = {
  4: [parseAddress("10.0.0.1"), parseAddress("10.0.0.2")],
  6: [parseAddress("fd00::1"), parseAddress("fd00::2")],
} as const;
const NOW_MS = 5_000_000;

/** A filter that is asked with openings alone, each from the same peer. */
class Asked {
  readonly cells = new FilterCells();
  readonly filter = new PacketFilter({ cells: this.cells, seed: 3, maxConnections: 64 });
  readonly #buffer = new PacketBuffer(128);
  readonly #record = new PacketRecord();

  constructor(wanted: FilterPolicy) {
    this.filter.use(compileFilter(wanted), NOW_MS);
  }

  /** Of what this host sends, or the peer at the other end. */
  take(protocol: "tcp" | "udp" | "icmp", family: 4 | 6, isOutbound: boolean, port: number, peer: number) {
    const [near, far] = ENDS[family];
    const [source, destination] = isOutbound ? [near, far] : [far, near];
    const packet = openingPacket(protocol, source, destination, protocol === "icmp" ? 0 : port);
    this.#buffer.bytes.set(packet);
    if (!parsePacket(this.#buffer, 0, packet.length, this.#record)) throw new Error("no packet");
    return [this.#buffer, this.#record, peer, NOW_MS + 600_000] as const;
  }
}

const cidrs = fc.constantFrom("10.0.0.0/8", "10.0.0.2/32", "fd00::/16", "10.9.0.0/16").map((text) => [parseCidr(text)]);
const rules = fc.array(
  fc.record({
    action: fc.constantFrom("allow", "deny", "reject"),
    direction: fc.constantFrom("in", "out"),
    protocol: fc.constantFrom("tcp", "udp", "tcp,udp", "icmp", "any"),
    ports: fc.option(fc.constantFrom([{ first: 22, last: 22 }], [{ first: 20, last: 80 }])),
    peers: fc.option(fc.constantFrom([1], [2, 3], [])),
    sources: fc.option(cidrs),
    destinations: fc.option(cidrs),
  }),
  { maxLength: 8 },
);
const verdict = fc.constantFrom("allow", "deny");
const policies = fc.record({
  rules: rules.map((all) => all.map((fields, slot) => rule({ ...fields, slot }))),
  defaults: fc.record({ in: verdict, out: verdict }),
  oneWay: fc.option(fc.constantFrom("self", "peer")).map((who) => new Map(who === null ? [] : [[2, who] as const])),
});

describe("a preview", () => {
  it("says what then becomes of the packet, by whatever policy, and leaves no trace", () => {
    const opening = [fc.constantFrom("tcp", "udp", "icmp"), fc.constantFrom(4, 6), fc.boolean()] as const;
    const ports = fc.constantFrom(22, 80, 443);
    fc.assert(
      fc.property(
        policies,
        ...opening,
        ports,
        fc.constantFrom(1, 2),
        (wanted, protocol, family, isOutbound, port, peer) => {
          const asked = new Asked(wanted);
          const packet = asked.take(protocol, family, isOutbound, port, peer);
          const hits = () => wanted.rules.map(({ slot }) => asked.cells.hits(slot));
          const { filter } = asked;
          const [buffer, record, from, nowMs] = packet;
          const preview = filter.preview(buffer, record, from, isOutbound, nowMs);
          expect([hits().some(Boolean), asked.cells.connections]).toEqual([false, 0]);
          const real = isOutbound
            ? filter.outbound(buffer, record, from, false, nowMs)
            : filter.inbound(buffer, record, from, false, nowMs);
          expect(preview.verdict).toBe(real);
          expect(hits()).toEqual(wanted.rules.map(({ slot }) => (slot === preview.slot ? 1 : 0)));
        },
      ),
    );
  });

  it("counts the connections of its kind that are open", () => {
    const host = new FilteredHost(policy({ rules: [rule({ ports: [{ first: 9, last: 9 }], action: "deny" })] }));
    for (const nearPort of [40_000, 40_001]) host.send(new Talk(4, nearPort, 22).udp("out"));
    host.send(new Talk(4, 40_002, 80).udp("out"));
    host.receive(new Talk(4, 22, 50_000).udp("in"));
    const asked = new Asked(policy({}));
    const tracked = (isOutbound: boolean, port: number) => {
      const [buffer, record] = asked.take("udp", 4, isOutbound, port, 3);
      return host.filter.preview(buffer, record, 3, isOutbound, host.nowMs).tracked;
    };
    expect([tracked(true, 22), tracked(true, 80), tracked(false, 22), tracked(true, 443)]).toEqual([2, 1, 1, 0]);
    host.use(policy({ rules: [rule({ direction: "out", action: "deny" })] }));
    host.send(new Talk(4, 40_000, 22).udp("out"));
    expect(tracked(true, 22)).toBe(1);
    host.pass(3600);
    expect(tracked(true, 80)).toBe(0);
  });
});
