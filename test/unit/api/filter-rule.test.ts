import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterRuleSchema, parsePorts, writtenFilterRuleSchema } from "../../../src/api/filter-rule.ts";
import { parseYamlConfig } from "../../../src/api/parse-yaml-config.ts";
import { peerConfigSchema } from "../../../src/api/peer-config.ts";

describe("a rule of the packet filter", () => {
  it("is for TCP and UDP of any port from anybody, where nothing else is said", () => {
    expect(writtenFilterRuleSchema.parse({ action: "deny" })).toEqual({
      action: "deny",
      direction: "in",
      protocol: "tcp,udp",
      ports: "any",
      source: "any",
      destination: "any",
      comment: null,
    });
  });

  it.each([
    [{ port: 22 }, { ports: "22" }],
    [{ port: "80-90, 22" }, { ports: "22,80-90" }],
    [{ port: "1-5,6,3-4" }, { ports: "1-6" }],
    [{ port: "any", protocol: "icmp" }, { ports: "any" }],
    [
      { source_peer: "bob", dest_tag: "web" },
      { source: "peer:bob", destination: "tag:web" },
    ],
    [{ source_cidr: "humans" }, { source: "cidr:humans" }],
    [{ source_cidr: "10.0.0.7" }, { source: "cidr:10.0.0.7/32" }],
    [{ dest_cidr: "FD00:0::/16" }, { destination: "cidr:fd00::/16" }],
  ])("may be written as %j", (fields, expected) => {
    const rule = writtenFilterRuleSchema.parse({ action: "deny", ...fields });
    expect(rule).toMatchObject(expected);
    expect(filterRuleSchema.parse(rule)).toEqual(rule);
  });

  it.each([
    { port: 0 },
    { port: 65_536 },
    { port: "90-80" },
    { port: "22;" },
    { port: "1".repeat(10_000) },
    { port: Array.from({ length: 17 }, (_, i) => 2 * i + 1).join(",") },
    { port: 22, protocol: "icmp" },
    { port: 22, protocol: "any" },
    { protocol: "sctp" },
    { direction: "both" },
    { source_peer: "x".repeat(10_000) },
    { source_peer: "any" },
    { source_peer: "a' or 1=1" },
    { source_cidr: "10.0.0.1/8" },
    { source_cidr: "10.0.0.0/33" },
    { source_peer: "bob", source_cidr: "10.0.0.0/8" },
    { dest_peer: "bob", dest_tag: "web" },
    { comment: "a\nb" },
    { comment: "x".repeat(10_000) },
    { sourcepeer: "bob" },
  ])("may not be written as %j", (fields) => {
    expect(writtenFilterRuleSchema.safeParse({ action: "deny", ...fields }).success).toBe(false);
  });

  it("has ports that mean what was written, sorted and apart", () => {
    const port = fc.integer({ min: 1, max: 40 });
    const range = fc.tuple(port, fc.nat(5)).map(([first, more]) => ({ first, last: first + more }));
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 16 }), (ranges) => {
        const parsed = parsePorts(ranges.map(({ first, last }) => `${first}-${last}`).join(","))!;
        const isIn = (list: typeof parsed, wanted: number) =>
          list.some(({ first, last }) => first <= wanted && wanted <= last);
        for (let wanted = 1; wanted <= 50; wanted++) expect(isIn(parsed, wanted)).toBe(isIn(ranges, wanted));
        for (const [i, { first }] of parsed.entries())
          if (i > 0) expect(first).toBeGreaterThan(parsed[i - 1]!.last + 1);
      }),
    );
  });
});

describe("the packet filter in a peer's configuration", () => {
  const parse = (text: string) => parseYamlConfig(text, "peer.yaml", peerConfigSchema).filter;

  it("has a default and rules", () => {
    const text = `filter: {default: allow, rules: [{port: 22, protocol: tcp, action: allow},
      {port: 3306, protocol: tcp, action: deny, source_peer: untrusted}]}`;
    expect(parse(text)).toMatchObject({
      defaults: { in: "allow" },
      rules: [
        { ports: "22", protocol: "tcp", action: "allow", source: "any" },
        { ports: "3306", protocol: "tcp", action: "deny", source: "peer:untrusted" },
      ],
    });
    expect(parse("filter: {}")).toEqual({ defaults: {}, rules: [] });
    expect(parse("filter: {default_out: deny}")).toEqual({ defaults: { out: "deny" }, rules: [] });
    expect(parse("mtu: 1420")).toBeUndefined();
  });

  it.each([
    ["filter:\n  default: reject", 2],
    ["filter:\n  rules:\n    - {port: 22}", 3],
    ["filter:\n  rules:\n    - port: 22\n      action: deny\n      source_per: bob", 5],
    ["filter:\n  rules:\n    - port: 22\n      protocol: icmp\n      action: deny", 3],
    ["filter:\n  rule: []", 2],
  ])("refuses %j, and names the line", (text, line) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: "bad-config", message: expect.stringMatching(`^peer\\.yaml:${line}: `) }),
    );
  });
});
