import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, type Settings } from "../../../../src/daemon/networks/network-state.ts";
import { defaultsOf, settleSettings, sourceOf } from "../../../../src/daemon/settings/given-settings.ts";
import { chooseOwnSettings } from "../../../../src/daemon/settings/own-settings.ts";
import { commanded } from "../../../../src/daemon/settings/settings-keeper.ts";
import { parseSettings } from "../../../../src/daemon/settings/written-settings.ts";

const ASK = { reset: false, keepsCommands: false };
const linked = (...names: string[]) => ({
  links: async () => names.map((name, index) => ({ name, index, mtu: 1500, isUp: true })),
});
const other = (settings: Partial<Settings> = {}): Settings => ({ ...DEFAULT_SETTINGS, ...settings });
const choose = (others: readonly Settings[], links: readonly string[], before = {}) =>
  chooseOwnSettings(before, { others, ipRoute: linked(...links) });

describe("what a network has to itself on a host", () => {
  it("the first has what all have by default", async () => {
    expect(await choose([], ["lo", "eth0"])).toEqual({});
  });

  it("a second one has the next of each, whether or not the first one runs", async () => {
    for (const links of [["lo"], ["lo", "mesh0"]]) {
      expect(await choose([other()], links)).toMatchObject({ interface: "mesh1", sshPorts: [expect.any(Number)] });
    }
    const { listenPort } = await choose([other()], []);
    expect(listenPort).toBeGreaterThan(51820);
    const third = await choose([other(), other({ interface: "mesh1", listenPort: listenPort! })], []);
    expect(third.interface).toBe("mesh2");
    expect(third.listenPort).toBeGreaterThan(listenPort!);
  });

  it("an interface that somebody else has is left to them, the ports are not", async () => {
    expect(await choose([], ["mesh0", "mesh1"])).toEqual({ interface: "mesh2" });
  });

  it("a port that another program has is not chosen", async () => {
    await using server = createServer().listen({ port: 0, host: "0.0.0.0" });
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const { sshPorts } = await choose([other({ sshPorts: [2222, port - 1] })], [], { sshPorts: [port - 1] });
    expect(sshPorts?.[0]).toBeGreaterThan(port);
  });

  it("what was chosen stays while it is free, and goes where another has it", async () => {
    const before = { interface: "mesh1", listenPort: 51999, sshPorts: [2999] };
    expect(await choose([], [], before)).toEqual(before);
    const rival = other({ interface: "mesh1" });
    expect(await choose([rival], [], before)).toEqual({ listenPort: 51999, sshPorts: [2999] });
  });
});

describe("settings that were chosen", () => {
  const chosen = { interface: "mesh1", listenPort: 51821, sshPorts: [2223] };
  const { settings } = settleSettings({}, undefined, { ...ASK, chosen });

  it("hold as defaults do: asked for by nobody, and outweighed by who asks", () => {
    expect(settings).toMatchObject(chosen);
    expect(sourceOf("interface", settings)).toBe("default");
    const asked = settleSettings({ interface: "wg7" }, undefined, { ...ASK, chosen }).settings;
    expect([asked.interface, sourceOf("interface", asked)]).toEqual(["wg7", "configuration"]);
  });

  it("what a command sets back is as it was chosen, and a reset leads there", () => {
    const set = commanded({ interface: "wg7" }, settings);
    expect(sourceOf("interface", set)).toBe("command");
    expect(parseSettings({ interface: null }, defaultsOf(set))).toEqual({ interface: "mesh1" });
    expect(settleSettings({}, set, { ...ASK, reset: true }).settings).toMatchObject(chosen);
  });

  it("those chosen anew take the place of the former, but not of what was asked for", () => {
    const next = settleSettings({}, settings, { ...ASK, chosen: { ...chosen, interface: "mesh2" } }).settings;
    expect([next.interface, next.listenPort]).toEqual(["mesh2", 51821]);
    const set = commanded({ interface: "wg7" }, settings);
    expect(settleSettings({}, set, { ...ASK, chosen: {} }).settings).toMatchObject({
      interface: "wg7",
      listenPort: 51820,
    });
  });
});
