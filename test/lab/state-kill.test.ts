import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run } from "../../scripts/lib/process.mjs";
import { KeptState } from "../support/kill-grid/kept-state.ts";
import { isChange, ONE_THREAD } from "../support/kill-grid/kill-at-call.ts";

// kill -9 in the middle of a write of state: old or new, never half. test/soak/state-kill.test.ts has every call of every
// write, and daemons that run.

const MAIN = "dist/bundle/main.js";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mesh-kill-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("kill -9 in the middle of `mesh set` without a daemon", () => {
  it("at every call that changes a file, leaves what was before or what was asked for, and nothing that grows", async () => {
    const kept = await KeptState.make(home);
    const killed = await kept.killAtEach("set", isChange);
    const calls = killed.map(({ name }) => name.replace(/at2?$/, ""));
    // Who holds the lock, the file, its name, and the trial of an exit that another command has ended.
    const [lock, file, trial] = [["ftruncate", "pwrite64"], ["open", "write", "fsync", "rename", "fsync"], ["unlink"]];
    expect(calls).toEqual([...lock, ...file, ...trial]);
  });

  it.each([
    ["fsync", 1, 1380],
    ["rename", 1, 1380],
    ["fsync", 2, 1300],
  ])("the command itself, at %s number %d: `mesh get` says %d", async (name, ordinal, mtu) => {
    await KeptState.make(home);
    const calls = name === "rename" ? "?rename,?renameat,renameat2" : name;
    const mesh = ["--home", home, "--network", "mesh"];
    const inject = `inject=${calls}:signal=KILL:when=${ordinal}`;
    const strace = ["-f", "-qq", "-o", join(home, "trace"), "-e", `trace=${calls}`, "-e", inject];
    const env = { ...process.env, ...ONE_THREAD };
    const killed = await run("strace", [...strace, process.execPath, MAIN, ...mesh, "set", "mtu=1300"], { env });
    expect(killed.stdout).toBe("");
    const got = await run(process.execPath, [MAIN, ...mesh, "get", "mtu", "--json"]);
    expect(JSON.parse(got.stdout)).toMatchObject([{ key: "mtu", value: mtu }]);
  });
});
