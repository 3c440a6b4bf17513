import { describe, expect, it } from "vitest";
import { parseDefaultChange, parseRemoval, parseRule } from "../../../../src/cli/options/filter-options.ts";
import { renderFilter } from "../../../../src/cli/views/filter-view.ts";

describe("the flags of mesh filter", () => {
  it("make a rule", () => {
    expect(
      parseRule({ port: "80-90", protocol: "tcp", action: "deny", sourcePeer: "bob", destCidr: "10.0.0.0/8" }),
    ).toEqual({
      action: "deny",
      direction: "in",
      protocol: "tcp",
      ports: "80-90",
      source: "peer:bob",
      destination: "cidr:10.0.0.0/8",
      comment: null,
    });
  });

  it.each([
    [{ port: "22" }, "say what the rule does"],
    [{ action: "drop" }, "--action: allow, deny or reject"],
    [{ action: "deny", port: "0" }, "--port: a port from 1 to 65535"],
    [{ action: "deny", port: "22", protocol: "icmp" }, "--port: only tcp and udp have ports"],
    [{ action: "deny", sourceCidr: "10.0.0.1/8" }, "--source-cidr: 10.0.0.1/8 has host bits set"],
    [{ action: "deny", destPeer: "a", destTag: "b" }, "--dest-peer: one of"],
    [{ action: "deny", comment: "\u001b[2J" }, "--comment: a comment without control characters"],
  ])("are refused by name: %j", (flags, message) => {
    expect(() => parseRule(flags)).toThrow(
      expect.objectContaining({ code: "bad-usage", message: expect.stringContaining(message) }),
    );
  });

  it("name the rule that is to go by its id, or by what it says", () => {
    expect(parseRemoval("1f2e3d4c", {})).toEqual({ id: "1f2e3d4c" });
    expect(parseRemoval(undefined, { port: "22", sourceTag: "web" })).toEqual({
      match: { ports: "22", source: "tag:web" },
    });
    expect(() => parseRemoval(undefined, {})).toThrow(expect.objectContaining({ code: "bad-usage" }));
    expect(() => parseRemoval("1f2e3d4c", { port: "22" })).toThrow(expect.objectContaining({ code: "bad-usage" }));
    expect(() => parseRemoval("../x", {})).toThrow(expect.objectContaining({ code: "not-found" }));
  });

  it("change a default, or take the change back", () => {
    expect(parseDefaultChange("deny", {})).toEqual({ direction: "in", verdict: "deny" });
    expect(parseDefaultChange(undefined, { direction: "out", unset: true })).toEqual({
      direction: "out",
      verdict: null,
    });
    expect(parseDefaultChange(undefined, {})).toBeUndefined();
    for (const [word, flags] of [
      ["reject", {}],
      ["deny", { direction: "both" }],
      ["deny", { unset: true }],
    ] as const)
      expect(() => parseDefaultChange(word, flags)).toThrow(expect.objectContaining({ code: "bad-usage" }));
  });
});

describe("mesh filter list, for people", () => {
  it("shows defaults and rules, and which of them change nothing", () => {
    const entry = { direction: "in", protocol: "tcp", ports: "22", destination: "any", comment: null } as const;
    const text = renderFilter({
      defaults: { in: { verdict: "deny", from: "command" }, out: { verdict: "allow", from: "built-in" } },
      rules: [
        {
          id: "config-1",
          layer: "config",
          action: "deny",
          ...entry,
          source: "peer:bob",
          hits: 12,
          expiresAt: null,
          note: null,
        },
        {
          id: "a1",
          layer: "local",
          action: "deny",
          ...entry,
          source: "tag:x",
          hits: 0,
          expiresAt: null,
          note: "nobody has it",
        },
      ],
      connections: 7,
    });
    expect(text).toMatch(/no rule speaks of: deny \(mesh filter default\)/);
    expect(text).toMatch(/connections tracked: 7/);
    expect(text).toMatch(/^config-1 +config +deny +in +tcp +22 +peer:bob +any +12 +never$/m);
    expect(text).toMatch(/^a1 changes nothing: nobody has it$/m);
  });
});
