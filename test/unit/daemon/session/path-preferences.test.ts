import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, NetworkState, type Settings } from "../../../../src/daemon/networks/network-state.ts";
import { PathPreferences } from "../../../../src/daemon/session/path-preferences.ts";

describe("what is asked of paths", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-preferences-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (change: Partial<Settings> = {}) =>
    PathPreferences.open({
      file: new NetworkState(directory).preferences,
      settings: { ...DEFAULT_SETTINGS, ...change },
    });

  it("is nothing at first: UDP, then SSH, then relay", async () => {
    const preferences = await open();
    expect(preferences.list()).toEqual([]);
    expect(preferences.of("bob")).toBeNull();
    expect(preferences.effective("bob")).toEqual({ order: ["udp", "ssh", "relay"], excluded: [], preferred: null });
  });

  it("is kept over restarts, for the owner alone", async () => {
    await (await open()).set("bob", { prefer: "relay", exclude: ["ssh"] });
    expect(statSync(join(directory, "preferences.json")).mode & 0o777).toBe(0o600);
    const again = await open();
    expect(again.of("bob")).toEqual({ prefer: "relay", exclude: ["ssh"], from: "command" });
    expect(again.effective("bob")).toEqual({
      order: ["udp", "ssh", "relay"],
      excluded: ["ssh"],
      preferred: "relay",
    });
    expect(again.effective("carol").preferred).toBeNull();
  });

  it("the command outweighs the configuration file, until it is taken back", async () => {
    const preferences = await open({ peerPreferences: { bob: { prefer: "ssh", exclude: [] } } });
    expect(preferences.of("bob")).toEqual({ prefer: "ssh", exclude: [], from: "configuration" });
    await preferences.set("bob", { prefer: null, exclude: [] });
    expect(preferences.of("bob")).toEqual({ prefer: null, exclude: [], from: "command" });
    await preferences.set("bob", null);
    expect(preferences.of("bob")).toMatchObject({ prefer: "ssh", from: "configuration" });
    expect(preferences.of("constructor")).toBeNull();
  });

  it("refuses what this machine may not use, and what would leave nothing", async () => {
    const preferences = await open({ transports: ["relay", "udp"] });
    await expect(preferences.set("bob", { prefer: "ssh", exclude: [] })).rejects.toMatchObject({
      code: "transport-excluded",
      exitStatus: 6,
      message: expect.stringContaining("relay, udp"),
    });
    await expect(preferences.set("bob", { prefer: null, exclude: ["udp", "relay"] })).rejects.toMatchObject({
      code: "transport-excluded",
    });
    expect(preferences.list()).toEqual([]);
    await preferences.set("bob", { prefer: "udp", exclude: [] });
    expect(preferences.effective("bob")).toEqual({ order: ["relay", "udp"], excluded: [], preferred: "udp" });
  });

  it("tells of what another start made impossible, and goes on without it", async () => {
    await (await open()).set("bob", { prefer: "ssh", exclude: [] });
    const preferences = await open({ transports: ["udp"] });
    expect([...preferences.problems().keys()]).toEqual(["bob"]);
    expect(preferences.effective("bob").preferred).toBeNull();
    expect((await open()).problems().size).toBe(0);
  });

  const peer = (name: string, key: string) => ({ name, wireguardKey: Buffer.alloc(32, key).toString("base64") });

  it("goes with a peer's key to its next name, over restarts and while the daemon is down", async () => {
    const preferences = await open();
    await preferences.set("bob", { prefer: "relay", exclude: [] });
    await preferences.follow([peer("bob", "b"), peer("carol", "c")]);
    expect(preferences.follow([peer("bob", "b")])).toBeUndefined();
    await preferences.follow([peer("robert", "b"), peer("bob", "n")]);
    expect(preferences.list()).toEqual([{ peer: "robert", preference: expect.objectContaining({ prefer: "relay" }) }]);
    const again = await open();
    expect(again.list()).toEqual(preferences.list());
    await again.follow([peer("bob", "b")]);
    expect([again.of("bob")?.prefer, again.of("robert")]).toEqual(["relay", null]);
  });

  it("stays with a name whose keys were rotated, and with a peer that is out of sight", async () => {
    const preferences = await open();
    await preferences.set("bob", { prefer: "relay", exclude: [] });
    await preferences.follow([peer("bob", "b")]);
    await preferences.follow([peer("bob", "r")]);
    expect(preferences.follow([])).toBeUndefined();
    await preferences.follow([peer("robert", "r")]);
    expect(preferences.list().map((one) => one.peer)).toEqual(["robert"]);
  });

  it("goes with each of two peers that change names, and is forgotten with what is taken back", async () => {
    const preferences = await open();
    await preferences.set("bob", { prefer: "relay", exclude: [] });
    await preferences.set("carol", { prefer: "ssh", exclude: [] });
    await preferences.follow([peer("bob", "b"), peer("carol", "c")]);
    await preferences.follow([peer("bob", "c"), peer("carol", "b")]);
    expect([preferences.of("bob")?.prefer, preferences.of("carol")?.prefer]).toEqual(["ssh", "relay"]);
    await preferences.follow([peer("bob", "b"), peer("dave", "c")]);
    expect(preferences.list().map((one) => one.peer)).toEqual(["bob", "dave"]);
    await preferences.set("bob", null);
    await preferences.set("bob", { prefer: "udp", exclude: [] });
    await preferences.follow([peer("bob", "n"), peer("robert", "b"), peer("dave", "c")]);
    expect([preferences.of("bob")?.prefer, preferences.of("robert")]).toEqual(["udp", null]);
  });

  it("a file of a version that knew no keys learns them", async () => {
    writeFileSync(join(directory, "preferences.json"), '{"version":1,"peers":{"bob":{"prefer":"ssh","exclude":[]}}}');
    const preferences = await open();
    await preferences.follow([peer("bob", "b")]);
    await preferences.follow([peer("robert", "b")]);
    expect((await open()).of("robert")).toMatchObject({ prefer: "ssh" });
  });

  it("a damaged file is an error that names it", async () => {
    writeFileSync(join(directory, "preferences.json"), '{"version":1,"peers":{"bob":{"prefer":"quic","exclude":[]}}}');
    await expect(open()).rejects.toMatchObject({ code: "state-damaged" });
  });
});
