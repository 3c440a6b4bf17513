import { describe, expect, it } from "vitest";
import { HostFirewall } from "../../../../src/host/firewall/host-firewall.ts";
import type { ExplainedPacket } from "../../../../src/host/firewall/nft-match.ts";
import { verdictOfRuleset } from "../../../../src/host/firewall/nft-verdict.ts";

const SYN: ExplainedPacket = {
  isInbound: true,
  interfaceName: "mesh0",
  family: 4,
  source: "10.86.0.2",
  destination: "10.86.0.3",
  protocol: "tcp",
  port: 22,
};
const PING6: ExplainedPacket = {
  ...SYN,
  family: 6,
  source: "fd86::2",
  destination: "fd86::3",
  protocol: "icmp",
  port: 0,
};

const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const DROP = { drop: null };
const ACCEPT = { accept: null };

/** What `nft -j list ruleset` prints of a table with an input chain and the chain `sub`. */
function ruleset(
  rules: readonly object[][],
  options: { policy?: string; sub?: readonly object[][]; hook?: string } = {},
) {
  const { policy = "accept", sub = [], hook = "input" } = options;
  const rule = (chain: string) => (expr: readonly object[], i: number) => ({
    rule: { family: "inet", table: "fw", chain, handle: i + 1, expr },
  });
  return {
    nftables: [
      { metainfo: { version: "1.0.6", json_schema_version: 1 } },
      { table: { family: "inet", name: "fw", handle: 1 } },
      { chain: { family: "inet", table: "fw", name: "guard", handle: 1, type: "filter", hook, prio: 0, policy } },
      { chain: { family: "inet", table: "fw", name: "sub", handle: 2 } },
      ...rules.map(rule("guard")),
      ...sub.map(rule("sub")),
    ],
  };
}
const stateOf = (rules: readonly object[][], packet: Partial<ExplainedPacket> = {}, options = {}) =>
  verdictOfRuleset(ruleset(rules, options), { ...SYN, ...packet }).state;

describe("what nftables does with a packet", () => {
  it("is nothing where nothing speaks of it", () => {
    expect(verdictOfRuleset({ nftables: [] }, SYN).state).toBe("clear");
    expect(verdictOfRuleset("nonsense", SYN).state).toBe("clear");
    expect(stateOf([[DROP]], {}, { hook: "forward" })).toBe("clear");
    expect(stateOf([[DROP]], {}, { hook: "output" })).toBe("clear");
    expect(stateOf([[DROP]], { isInbound: false }, { hook: "output" })).toBe("drops");
  });

  it("is a policy's word, unless a rule accepts", () => {
    const lets = [match(payload("tcp", "dport"), { set: [80, { range: [20, 25] }] }), { counter: {} }, ACCEPT];
    expect(verdictOfRuleset(ruleset([], { policy: "drop" }), SYN)).toEqual({
      state: "drops",
      detail: "table inet fw, chain guard: policy drop",
      by: { family: "inet", table: "fw" },
    });
    expect(stateOf([lets], {}, { policy: "drop" })).toBe("clear");
    expect(stateOf([lets], { port: 26 }, { policy: "drop" })).toBe("drops");
    expect(stateOf([lets], PING6, { policy: "drop" })).toBe("drops");
  });

  it("follows what is forwarded, from one interface to another, its answers as well", () => {
    const there = { forwardedTo: "eth0" };
    const meta = (key: string) => ({ meta: { key } });
    const passes = [match(meta("iifname"), "mesh0"), match(meta("oifname"), "eth0"), ACCEPT];
    const answers = [match({ ct: { key: "state" } }, ["established", "related"], "in"), ACCEPT];
    const drops = { policy: "drop", hook: "forward" };
    expect(stateOf([], there, drops)).toBe("drops");
    expect(stateOf([], {}, drops)).toBe("clear");
    expect(stateOf([passes], there, drops)).toBe("clear");
    expect(stateOf([passes], { ...there, forwardedTo: "eth1" }, drops)).toBe("drops");
    expect(stateOf([answers], there, drops)).toBe("drops");
    expect(stateOf([answers], { ...there, connection: "established" }, drops)).toBe("clear");
    // What cannot be judged is no drop, and yet it is told whose policy it would be.
    expect(verdictOfRuleset(ruleset([[{ xt: null }, ACCEPT]], drops), { ...SYN, ...there })).toMatchObject({
      state: "clear",
      by: { family: "inet", table: "fw" },
    });
  });

  it("reads addresses, interfaces, protocols and states", () => {
    const fits: [left: object, right: unknown, op?: string][] = [
      [payload("ip", "saddr"), "10.86.0.2"],
      [payload("ip", "saddr"), { prefix: { addr: "10.86.0.0", len: 16 } }],
      [payload("ip", "daddr"), { range: ["10.86.0.1", "10.86.0.9"] }],
      [payload("ip", "daddr"), { set: ["192.0.2.1", { prefix: { addr: "10.0.0.0", len: 8 } }] }],
      [payload("ip", "protocol"), "tcp"],
      [payload("th", "dport"), 22],
      [payload("tcp", "dport"), 80, "!="],
      [{ meta: { key: "iifname" } }, "mesh*"],
      [{ meta: { key: "l4proto" } }, { set: ["tcp", "udp"] }],
      [{ meta: { key: "nfproto" } }, "ipv4"],
      [{ ct: { key: "state" } }, ["new", "invalid"], "in"],
    ];
    for (const one of fits) expect([one, stateOf([[match(...one), DROP]])]).toEqual([one, "drops"]);
    const misses: typeof fits = [
      [payload("ip", "saddr"), "10.86.0.3"],
      [payload("ip6", "saddr"), "fd86::2", "!="],
      [payload("ip", "daddr"), { range: ["10.86.0.4", "10.86.0.9"] }],
      [payload("udp", "dport"), 22],
      [payload("tcp", "dport"), 22, "!="],
      [{ meta: { key: "iifname" } }, "lo"],
      [{ ct: { key: "state" } }, ["established", "related"], "in"],
      [{ ct: { key: "status" } }, "dnat", "in"],
    ];
    for (const one of misses) expect([one, stateOf([[match(...one), DROP]])]).toEqual([one, "clear"]);
    expect(verdictOfRuleset(ruleset([[match(payload("icmpv6", "type"), "echo-request"), DROP]]), PING6).state).toBe(
      "drops",
    );
    expect(
      verdictOfRuleset(
        ruleset([[match(payload("ip6", "daddr"), { prefix: { addr: "fd86::", len: 48 } }), { reject: null }]]),
        PING6,
      ).state,
    ).toBe("drops");
  });

  it("follows jumps and returns", () => {
    const jump = [{ jump: { target: "sub" } }];
    expect(stateOf([jump], {}, { sub: [[DROP]] })).toBe("drops");
    expect(stateOf([jump, [DROP]], {}, { sub: [[ACCEPT]] })).toBe("clear");
    expect(stateOf([jump, [DROP]], {}, { sub: [[{ return: null }], [ACCEPT]] })).toBe("drops");
    expect(stateOf([[{ goto: { target: "sub" } }], [DROP]], {}, { sub: [] })).toBe("clear");
    expect(stateOf([jump], {}, { sub: [jump] })).toBe("clear");
  });

  it("claims nothing that hangs on what is not looked at", () => {
    expect(stateOf([[match(payload("ip", "saddr"), "@blocked"), DROP]])).toBe("clear");
    expect(stateOf([[match(payload("ip", "saddr"), "@friends"), ACCEPT], [DROP]])).toBe("clear");
    expect(stateOf([[{ limit: { rate: 10 } }, ACCEPT], [DROP]])).toBe("clear");
    expect(stateOf([[{ xt: null }], [DROP]])).toBe("clear");
    expect(stateOf([[match({ socket: { key: "mark" } }, 1), DROP], [DROP]])).toBe("drops");
  });
});

describe("the host's firewall", () => {
  it("is read once for several questions, and says why it cannot be", async () => {
    let reads = 0;
    const firewall = new HostFirewall(async () => {
      reads++;
      return { status: 0, stdout: JSON.stringify(ruleset([[DROP]])), stderr: "" };
    });
    const states = await Promise.all([SYN, PING6].map((packet) => firewall.verdictOn(packet)));
    expect([states.map(({ state }) => state), reads]).toEqual([["drops", "drops"], 1]);
    const refused = new HostFirewall(async () => ({ status: 1, stdout: "", stderr: "Operation not permitted\n" }));
    expect(await refused.verdictOn(SYN)).toEqual({ state: "unreadable", detail: "Operation not permitted" });
    const missing = new HostFirewall(() => Promise.reject(Object.assign(new Error("spawn"), { code: "ENOENT" })));
    expect(await missing.verdictOn(SYN)).toEqual({ state: "unreadable", detail: "there is no program `nft`" });
  });
});
