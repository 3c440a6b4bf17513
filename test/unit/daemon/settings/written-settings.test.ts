import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PeerPreference } from "../../../../src/api/path-preference.ts";
import { parseSettingWords, settingText } from "../../../../src/cli/options/setting-words.ts";
import { DEFAULT_SETTINGS, type SomeSettings } from "../../../../src/daemon/networks/network-state.ts";
import { parseSettings, SETTING_KEYS, writeSettings } from "../../../../src/daemon/settings/written-settings.ts";

const { version: _, ...DEFAULTS } = DEFAULT_SETTINGS;

const name = fc.stringMatching(/^[a-z]{2,8}[0-9]$/);
const selector = fc.oneof(
  fc.constant("any"),
  name.map((word) => `peer:${word}`),
  name.map((word) => `tag:${word}`),
  fc.constant("cidr:10.0.0.0/8"),
);
const rule = fc.record({
  action: fc.constantFrom("allow" as const, "deny" as const, "reject" as const),
  direction: fc.constantFrom("in" as const, "out" as const),
  protocol: fc.constantFrom("tcp" as const, "tcp,udp" as const),
  ports: fc.constantFrom("any", "22", "80-90,443"),
  source: selector,
  destination: selector,
  comment: fc.constantFrom(null, "why", "a: b"),
});
const jump = fc.record({
  user: name,
  host: fc.constantFrom("bastion", "2001:db8::1"),
  port: fc.integer({ min: 1, max: 65535 }),
  identityFile: fc.constant("/etc/mesh/key"),
  knownHostsFile: fc.constant("/etc/mesh/known hosts"),
});
const preference: fc.Arbitrary<PeerPreference> = fc.constantFrom(
  { prefer: null, exclude: ["udp"] },
  { prefer: "relay", exclude: [] },
);
const settings: fc.Arbitrary<SomeSettings> = fc.record(
  {
    interface: fc.constantFrom("mesh0", "wg-1"),
    listenPort: fc.constantFrom(0, 51820),
    mtu: fc.integer({ min: 576, max: 65475 }),
    sshPorts: fc.uniqueArray(fc.integer({ min: 1, max: 65535 }), { maxLength: 8 }),
    sshJump: fc.option(jump),
    fwmark: fc.constantFrom(0, 0x2086, 0xffff_ffff),
    transports: fc.constantFrom(["udp" as const], ["relay" as const, "ssh" as const]),
    peerPreferences: fc.dictionary(name, preference, { noNullPrototype: true }),
    filter: fc.record({
      defaults: fc.record(
        { in: fc.constantFrom("allow" as const, "deny" as const), out: fc.constant("deny" as const) },
        { requiredKeys: [] },
      ),
      rules: fc.array(rule, { maxLength: 3 }),
    }),
    allowExitTraffic: fc.boolean(),
    advertiseRoutes: fc.constantFrom([], ["192.168.50.0/24", "fd50::/64"]),
    snatRoutes: fc.boolean(),
    acceptRoutes: fc.boolean(),
    exitNodes: fc.constantFrom([], ["bob"], ["bob", "tag:berlin"]),
    exitAllowLan: fc.boolean(),
    dns: fc.boolean(),
    localGroup: fc.constantFrom(null, "mesh"),
  },
  { requiredKeys: [] },
);

describe("settings as people write them", () => {
  it("every setting has a key, and is taken back as it was written", () => {
    expect(parseSettings(writeSettings(DEFAULT_SETTINGS))).toEqual(DEFAULTS);
    expect(new Set(SETTING_KEYS).size).toBe(Object.keys(DEFAULTS).length);
    fc.assert(
      fc.property(settings, (some) => {
        expect(parseSettings(writeSettings(some))).toEqual(some);
      }),
    );
  });

  it("what `mesh get` prints, `mesh set` takes", () => {
    fc.assert(
      fc.property(settings, (some) => {
        const words = Object.entries(writeSettings(some)).map(([key, value]) => `${key}=${settingText(value)}`);
        expect(parseSettings(parseSettingWords(words))).toEqual(some);
      }),
    );
  });

  it.each([
    ["transports=udp,relay", { transports: ["udp", "relay"] }],
    ["transports=[udp]", { transports: ["udp"] }],
    ["advertise_routes=10.1.0.0/16,fd50::/64", { advertiseRoutes: ["10.1.0.0/16", "fd50::/64"] }],
    ["advertise_routes=off", { advertiseRoutes: [] }],
    ["ssh_port=22,443", { sshPorts: [22, 443] }],
    ["ssh_port=22", { sshPorts: [22] }],
    ["fwmark=0x77", { fwmark: 0x77 }],
    ["exit_node=bob,tag:berlin", { exitNodes: ["bob", "tag:berlin"] }],
    ["ssh={jump: off}", { sshJump: null }],
    ["filter={default: deny}", { filter: { defaults: { in: "deny" }, rules: [] } }],
    ["mtu=", { mtu: 1420 }],
    ["exit_node=", { exitNodes: [] }],
    ["ssh=", { sshJump: null }],
  ])("%s", (word, expected) => {
    expect(parseSettings(parseSettingWords([word]))).toEqual(expected);
  });

  it("the files of a jump host are found from wherever the daemon runs", () => {
    const words = ["ssh={jump: u@bastion, identity: key, known_hosts: /etc/known}"];
    expect(parseSettings(parseSettingWords(words)).sshJump).toMatchObject({
      identityFile: `${process.cwd()}/key`,
      knownHostsFile: "/etc/known",
    });
  });

  it.each([
    [["mtu"], "bad-usage", "KEY=VALUE"],
    [["mtu=1300", "mtu=1400"], "bad-usage", "twice"],
    [["filter={default"], "bad-usage", "filter"],
    [["colour=red", "mtu=1"], "setting-unknown", "colour"],
    [["home=/tmp"], "setting-unknown", "home"],
    [["mtu=1", "dns=perhaps", "snat_routes=true"], "setting-invalid", "mtu: "],
    [["mtu=1", "dns=perhaps"], "setting-invalid", "dns: "],
    [["advertise_routes=10.1.0.0"], "setting-invalid", "advertise_routes"],
    [["constructor=1"], "setting-unknown", "constructor"],
  ] as const)("%j is refused: %s", (words, code, said) => {
    expect(() => parseSettings(parseSettingWords(words))).toThrow(
      expect.objectContaining({ code, exitStatus: 2, message: expect.stringContaining(said) }),
    );
  });
});
