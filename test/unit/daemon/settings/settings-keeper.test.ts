import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MeshError } from "../../../../src/base/errors.ts";
import { DEFAULT_SETTINGS, NetworkState, type Settings } from "../../../../src/daemon/networks/network-state.ts";
import { SettingsKeeper } from "../../../../src/daemon/settings/settings-keeper.ts";

const TAKEN = "127.0.0.1:9586";
const REFUSAL = new MeshError("host-change-failed", "the host refuses");

describe("settings in force and on disk", () => {
  let directory: string;
  let state: NetworkState;
  let calls: string[];
  /** What the disk says at the moment when a change comes into force. */
  let onDisk: Settings | undefined;
  let refuses: boolean;
  let served: readonly string[];
  let keeper: SettingsKeeper;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mesh-settings-"));
    state = new NetworkState(directory);
    calls = [];
    refuses = false;
    const stored = { ...DEFAULT_SETTINGS, given: {} };
    await state.settings.write(stored);
    const follow = async (what: string) => {
      calls.push(what);
      onDisk = await state.settings.read();
      if (refuses) throw REFUSAL;
      return true;
    };
    keeper = new SettingsKeeper(stored, state.settings, {
      require: async ({ mtu }) => {
        if (mtu === 666) throw new MeshError("bad-usage", "not that one");
      },
      serve: async ({ metricsListen }) => {
        if (metricsListen.includes(TAKEN)) throw REFUSAL;
        served = metricsListen;
      },
      change: async (_settings, changed) => void (await follow(`change ${[...changed].join()}`)),
      rebuild: () => follow("rebuild"),
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("what can be changed live is, and is kept", async () => {
    expect(await keeper.set({ dns: false, acceptRoutes: true })).toEqual({
      changed: ["accept_routes", "dns"],
      rebuilt: false,
    });
    expect(calls).toEqual(["change acceptRoutes,dns"]);
    expect(await state.settings.read()).toMatchObject({ dns: false, acceptRoutes: true, given: {} });
    expect(keeper.view().settings.find(({ key }) => key === "dns")).toEqual({
      key: "dns",
      value: false,
      source: "command",
      change: "live",
    });
  });

  it("one that needs another tunnel has it built once for all of them", async () => {
    expect(await keeper.set({ dns: false, mtu: 1300, interface: "mesh7" })).toEqual({
      changed: ["interface", "mtu", "dns"],
      rebuilt: true,
    });
    expect(calls).toEqual(["rebuild"]);
  });

  it("what is so already touches nothing", async () => {
    expect(await keeper.set({ mtu: DEFAULT_SETTINGS.mtu, dns: true })).toEqual({ changed: [], rebuilt: false });
    expect(calls).toEqual([]);
  });

  it.each([
    { mtu: 666, dns: false },
    { mtu: 666, exitNodes: ["bob"] },
  ])("refused beforehand, nothing is: %j", async (changes) => {
    await expect(keeper.set(changes)).rejects.toMatchObject({ code: "bad-usage" });
    expect(calls).toEqual([]);
    expect(keeper.current).toEqual({ ...DEFAULT_SETTINGS, given: {} });
    expect(await state.settings.read()).toEqual({ ...DEFAULT_SETTINGS, given: {} });
  });

  it.each([{ dns: false }, { exitNodes: ["bob"] }, { mtu: 1300, exitNodes: ["bob"] }])(
    "refused by the host, everything is as before: %j",
    async (changes) => {
      refuses = true;
      await expect(keeper.set(changes)).rejects.toBe(REFUSAL);
      expect(keeper.current).toEqual({ ...DEFAULT_SETTINGS, given: {} });
      expect(await state.settings.read()).toEqual({ ...DEFAULT_SETTINGS, given: {} });
    },
  );

  it("what goes on without traffic changes with the rest, or not at all", async () => {
    await expect(keeper.set({ dns: false, metricsListen: [TAKEN] })).rejects.toBe(REFUSAL);
    expect([calls, keeper.current.dns]).toEqual([[], true]);
    await keeper.set({ metricsListen: [":9587"] });
    refuses = true;
    await expect(keeper.set({ dns: false, metricsListen: [] })).rejects.toBe(REFUSAL);
    expect([served, (await state.settings.read())?.metricsListen]).toEqual([[":9587"], [":9587"]]);
  });

  it("an exit is on the disk before it is in force, and off it after", async () => {
    await keeper.set({ exitNodes: ["bob"] });
    expect(onDisk?.exitNodes).toEqual(["bob"]);
    await keeper.set({ exitNodes: [] });
    expect(onDisk?.exitNodes).toEqual(["bob"]);
    expect((await state.settings.read())?.exitNodes).toEqual([]);
  });
});
