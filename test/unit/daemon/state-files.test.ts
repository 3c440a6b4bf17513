import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadKeys, loadOrCreateKeys } from "../../../src/daemon/membership/identity.ts";
import { networkPaths, resolveHome, selectNetwork } from "../../../src/daemon/networks/home.ts";
import { lockNetwork } from "../../../src/daemon/networks/network-lock.ts";
import { DEFAULT_SETTINGS, NetworkState } from "../../../src/daemon/networks/network-state.ts";

describe("state on disk", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "mesh-state-"));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it("keys are made once, for the owner alone, and come back the same", async () => {
    const directory = join(home, "networks", "mesh");
    expect(await loadKeys(directory)).toBeUndefined();
    const made = await loadOrCreateKeys(directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    const loaded = await loadOrCreateKeys(directory);
    expect([loaded.machineKey, loaded.wireguardKey]).toEqual([made.machineKey, made.wireguardKey]);
    expect(loaded.sign(Buffer.from("x"))).toBe(made.sign(Buffer.from("x")));
  });

  it("a damaged file is an error that names it, never a fresh start", async () => {
    const directory = join(home, "networks", "mesh");
    await loadOrCreateKeys(directory);
    const [file = ""] = readdirSync(directory);
    const text = readFileSync(join(directory, file), "utf8");
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 2), async (length) => {
        writeFileSync(join(directory, file), text.slice(0, length));
        await expect(loadOrCreateKeys(directory)).rejects.toMatchObject({
          code: "state-damaged",
          message: expect.stringContaining(file),
        });
      }),
      { numRuns: 30 },
    );
  });

  it("what a killed writer left is swept away by the next daemon, and nothing that somebody may still be writing", async () => {
    const paths = networkPaths(resolveHome(home), "mesh");
    await loadOrCreateKeys(paths.directory);
    const [mine, old, fresh] = [
      join(paths.directory, "settings.json"),
      join(home, "former"),
      join(home, "current"),
    ].map((file) => `${file}.tmp-0123456789ab`);
    for (const file of [mine, old, fresh]) writeFileSync(file!, "half");
    utimesSync(old!, 0, 0);
    await (await lockNetwork(paths))[Symbol.asyncDispose]();
    expect([mine, old, fresh].map((file) => existsSync(file!))).toEqual([false, false, true]);
    expect(readdirSync(paths.directory).sort()).toEqual(["keys.json", "lock"]);
  });

  it("settings and intent survive a round trip", async () => {
    await loadOrCreateKeys(join(home, "networks", "mesh"));
    const state = new NetworkState(join(home, "networks", "mesh"));
    expect(await state.settings.read()).toBeUndefined();
    await state.settings.write(DEFAULT_SETTINGS);
    await state.intent.write({ version: 1, intent: "down" });
    expect(await state.settings.read()).toEqual(DEFAULT_SETTINGS);
    expect(await state.intent.read()).toEqual({ version: 1, intent: "down" });
  });

  it("the network meant is the one asked for, else the current one, else the only one", async () => {
    const paths = resolveHome(home);
    expect(selectNetwork(paths, undefined)).toBeUndefined();
    await loadOrCreateKeys(networkPaths(paths, "one").directory);
    expect(selectNetwork(paths, undefined)).toBe("one");
    await loadOrCreateKeys(networkPaths(paths, "two").directory);
    expect(() => selectNetwork(paths, undefined)).toThrow(expect.objectContaining({ code: "bad-usage" }));
    writeFileSync(join(home, "current"), "two\n");
    expect(selectNetwork(paths, undefined)).toBe("two");
    expect(selectNetwork(paths, "one")).toBe("one");
    writeFileSync(join(home, "current"), "gone\n");
    expect(() => selectNetwork(paths, undefined)).toThrow(expect.objectContaining({ code: "bad-usage" }));
  });

  it("a home too deep for a socket, and a name that is none, are refused", () => {
    expect(() => networkPaths(resolveHome(`/${"x".repeat(110)}`), "mesh")).toThrow(
      expect.objectContaining({ code: "bad-usage" }),
    );
    expect(() => networkPaths(resolveHome(home), "../../etc")).toThrow(expect.objectContaining({ code: "bad-name" }));
  });
});
