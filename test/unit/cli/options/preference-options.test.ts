import { describe, expect, it } from "vitest";
import { parsePreference } from "../../../../src/cli/options/preference-options.ts";
import { renderPreference, renderPreferences } from "../../../../src/cli/views/preference-view.ts";

describe("what mesh prefer is told", () => {
  it.each([
    ["relay", {}, { prefer: "relay", exclude: [] }],
    ["RELAY", {}, { prefer: "relay", exclude: [] }],
    ["auto", {}, { prefer: null, exclude: [] }],
    ["auto", { exclude: ["udp,ssh"] }, { prefer: null, exclude: ["udp", "ssh"] }],
    [undefined, { exclude: ["udp", "ssh"] }, { prefer: null, exclude: ["udp", "ssh"] }],
    [undefined, { only: ["relay"] }, { prefer: null, exclude: ["udp", "ssh"] }],
    ["ssh", { only: ["udp, ssh"] }, { prefer: "ssh", exclude: ["relay"] }],
    [undefined, { unset: true }, "unset"],
    [undefined, {}, undefined],
  ] as const)("%s with %j is %j", (word, flags, expected) => {
    expect(parsePreference(word, flags)).toEqual(expected);
  });

  it("names the transports there are, where one is not known", () => {
    expect(() => parsePreference("quic", {})).toThrow(
      expect.objectContaining({ code: "bad-transport", hint: expect.stringContaining("udp, ssh, relay") }),
    );
  });

  it("preferring what is not among the only ones is an error", () => {
    expect(() => parsePreference("relay", { only: ["udp"] })).toThrow(expect.objectContaining({ code: "bad-usage" }));
  });
});

describe("what mesh prefer shows", () => {
  it("says what is asked, and where", () => {
    expect(renderPreference(null)).toBe("auto");
    expect(renderPreference({ prefer: null, exclude: [], from: "command" })).toBe("auto (mesh prefer)");
    expect(renderPreference({ prefer: "relay", exclude: ["udp", "ssh"], from: "configuration" })).toBe(
      "relay first, never udp or ssh (configuration file)",
    );
  });

  it("lists what this machine uses, and each peer that something is asked for", () => {
    expect(renderPreferences({ transports: ["relay"], peers: [] })).toBe(
      "this machine uses relay; nothing else is asked for any peer",
    );
    const peers = [{ peer: "bob", preference: { prefer: "udp", exclude: [], from: "command" } }] as const;
    expect(
      renderPreferences({
        transports: ["ssh", "udp"],
        peers: [{ ...peers[0], preference: { ...peers[0].preference, exclude: [] } }],
      }),
    ).toBe("this machine uses ssh, then udp\n\nPEER  PATHS\nbob   udp first (mesh prefer)");
  });
});
