import { describe, expect, it } from "vitest";
import { explainRequest, parseEnds } from "../../../../src/cli/options/explain-options.ts";

const parsed = (...words: string[]) => explainRequest(parseEnds(words), {});

describe("the ends of `mesh explain`", () => {
  it.each([
    [["bob"], { from: null, to: "bob", protocol: "icmp", port: null }],
    [["bob:22"], { from: null, to: "bob", protocol: "tcp", port: 22 }],
    [["bob.mesh:53/udp"], { from: null, to: "bob.mesh", protocol: "udp", port: 53 }],
    [["bob/icmp"], { from: null, to: "bob", protocol: "icmp", port: null }],
    [["alice", "10.86.0.3:22/tcp"], { from: "alice", to: "10.86.0.3", protocol: "tcp", port: 22 }],
    [["fd86::3"], { from: null, to: "fd86::3", protocol: "icmp", port: null }],
    [["[fd86::2]", "[fd86::3]:22"], { from: "fd86::2", to: "fd86::3", protocol: "tcp", port: 22 }],
  ])("%j", (words, request) => {
    expect(parsed(...words)).toEqual({ ...request, family: 4 });
  });

  it.each([
    ["bob:0"],
    ["bob:70000"],
    ["bob:22/sctp"],
    ["bob:22/icmp"],
    ["bob:"],
    [":22"],
    ["bob:x"],
    [""],
    ["alice", "bob", "carol"],
    ["x".repeat(10_000)],
  ])("refuses %j", (...words) => {
    expect(() => parsed(...words)).toThrow(expect.objectContaining({ code: "bad-usage" }));
  });

  it("refuses a port that icmp has not, and a protocol without its port", () => {
    for (const ends of [
      { to: "bob", protocol: "icmp", port: "22" },
      { to: "bob", protocol: "tcp" },
    ])
      expect(() => explainRequest(ends, {})).toThrow(expect.objectContaining({ code: "bad-usage" }));
    expect(explainRequest({ to: "bob" }, { ipv6: true }).family).toBe(6);
  });
});
