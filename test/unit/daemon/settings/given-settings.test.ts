import { describe, expect, it } from "vitest";
import {
  DEFAULT_SETTINGS,
  type SomeSettings,
  type StoredSettings,
} from "../../../../src/daemon/networks/network-state.ts";
import { settleSettings, sourceOf } from "../../../../src/daemon/settings/given-settings.ts";
import { commanded } from "../../../../src/daemon/settings/settings-keeper.ts";

const ASK = { reset: false, keepsCommands: false };

function up(asked: SomeSettings, stored?: StoredSettings, options: Partial<typeof ASK> = {}) {
  return settleSettings(asked, stored, { ...ASK, ...options });
}

/** A file said mtu 1300; then `mesh set mtu=1400 exit_node=bob`. */
const stored = commanded({ mtu: 1400, exitNodes: ["bob"] }, up({ mtu: 1300 }).settings);

describe("flags and file, and what commands have set", () => {
  it("what is said holds, what is not said stays or is as by default", () => {
    const first = up({ mtu: 1300 }).settings;
    expect(first).toEqual({ ...DEFAULT_SETTINGS, mtu: 1300, given: { mtu: 1300 }, chosen: {} });
    const second = up({ dns: false }, first).settings;
    const said = { mtu: 1300, dns: false };
    expect(second).toEqual({ ...DEFAULT_SETTINGS, ...said, given: said, chosen: {} });
    expect([sourceOf("mtu", second), sourceOf("interface", second)]).toEqual(["configuration", "default"]);
  });

  it("what a command has set outweighs what was said before, however often that is said again", () => {
    expect([sourceOf("mtu", stored), sourceOf("exitNodes", stored)]).toEqual(["command", "command"]);
    for (const asked of [{}, { mtu: 1300 }, { mtu: 1300, exitNodes: ["bob"] }, { mtu: 1400 }, { dns: false }]) {
      const { settings, outweighed } = up(asked, up(asked, stored).settings);
      expect([settings.mtu, settings.exitNodes, outweighed]).toEqual([1400, ["bob"], []]);
    }
  });

  it("news of the file about what a command has set is refused, all of it named", () => {
    expect(() => up({ mtu: 1200, exitNodes: ["carol"], dns: false }, stored)).toThrow(
      expect.objectContaining({
        code: "settings-conflict",
        exitStatus: 6,
        message: expect.stringMatching(/: mtu, exit_node$/),
        hint: expect.stringContaining("--reset"),
      }),
    );
  });

  it("a flag that says the default is news as well", () => {
    expect(() => up({ exitNodes: [] }, stored)).toThrow(expect.objectContaining({ code: "settings-conflict" }));
  });

  it("a service that starts alone keeps what commands have set, and says so every time", () => {
    const once = up({ mtu: 1200, dns: false }, stored, { keepsCommands: true });
    expect([once.settings.mtu, once.settings.dns, once.outweighed]).toEqual([1400, false, ["mtu"]]);
    expect(up({ mtu: 1200 }, once.settings, { keepsCommands: true }).outweighed).toEqual(["mtu"]);
  });

  it("a reset drops what commands have set: flags, file and defaults hold", () => {
    expect(up({}, stored, { reset: true }).settings).toMatchObject({ mtu: 1300, exitNodes: [] });
    expect(up({ mtu: 1200 }, stored, { reset: true }).settings).toMatchObject({ mtu: 1200, exitNodes: [] });
  });

  it("a command that says what the file says leaves nothing to conflict with", () => {
    const back = commanded({ mtu: 1300, exitNodes: [] }, stored);
    expect([sourceOf("mtu", back), sourceOf("exitNodes", back)]).toEqual(["configuration", "default"]);
    expect(up({ mtu: 1200 }, back).settings.mtu).toBe(1200);
  });

  it("settings of a former version are what flags and file have said", () => {
    const { given: _, ...former } = stored;
    expect(sourceOf("mtu", former)).toBe("configuration");
    expect(up({ mtu: 1200 }, former).settings).toMatchObject({ mtu: 1200, exitNodes: ["bob"] });
  });
});
