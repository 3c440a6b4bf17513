import { lutimesSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Preferences } from "../../src/api/local.ts";
import { JOBS, type Job, KeptState } from "../support/kill-grid/kept-state.ts";
import { type FileCall, isChange, ONE_THREAD, traced } from "../support/kill-grid/kill-at-call.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh, startMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// kill -9 at every call of every write of state (test/lab/state-kill.test.ts has the most important one): old or new, never half.

describe("kill -9 at every call of a write", () => {
  it.each(Object.keys(JOBS) as Job[])(
    "%s",
    async (job) => {
      const home = mkdtempSync(join(tmpdir(), "mesh-kill-"));
      try {
        const kept = await KeptState.make(home);
        const calls = await kept.killAtEach(job);
        console.info(`${job}: killed at each of ${calls.length} calls`);
        // A call may be out of the tracer's reach, but not these two: what is written, and that it is on the disk.
        const names = calls.map(({ name }) => name);
        expect(names).toContain("fsync");
        expect(names).toContainEqual(expect.stringMatching(/^(?:rename|write|pwrite)/));
      } finally {
        rmSync(home, { recursive: true });
      }
    },
    300_000,
  );
});

/** A command that a daemon carries out, and what can be read of it afterwards: first what was before, then what it makes. */
interface Order {
  readonly words: readonly string[];
  readonly back: readonly string[];
  readonly read: (host: LabHost, home: string) => Promise<unknown>;
}

const settingsOf =
  (...keys: string[]) =>
  async (host: LabHost, home: string) =>
    ((await meshJson(host, home, "get", ...keys)) as { value: unknown }[]).map(({ value }) => value);

const ORDERS: readonly Order[] = [
  {
    words: ["set", "dns=false", "accept_routes=true"],
    back: ["set", "dns=", "accept_routes="],
    read: settingsOf("dns", "accept_routes"),
  },
  { words: ["exit", "use", "bob"], back: ["exit", "use", "off"], read: settingsOf("exit_node") },
  {
    words: ["filter", "add", "--port", "25", "--action", "deny"],
    back: ["filter", "remove", "--port", "25", "--action", "deny"],
    read: async (host, home) =>
      ((await meshJson(host, home, "filter", "list")) as { layer: string; ports: string }[])
        .filter(({ layer }) => layer === "local")
        .map(({ ports }) => ports),
  },
  {
    words: ["prefer", "bob", "relay"],
    back: ["prefer", "bob", "--unset"],
    read: async (host, home) =>
      ((await meshJson(host, home, "prefer")) as Preferences).peers.map(({ preference }) => preference?.prefer),
  },
];

describe("kill -9 of a daemon", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    for (const host of network.hosts) await host.ip("route", "add", "default", "via", "192.0.2.1");
    await network.join("bob", { args: ["--allow-exit-traffic"] });
    alice = await network.join("alice");
    expect(await alice.stop()).toBe(0);
    alice = await MeshPeer.up(alice, [], ONE_THREAD);
    await alice.reaches("bob");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  it.each(ORDERS)(
    "at every call by which it changes a file for mesh $words",
    async ({ words, back, read }) => {
      const { host, home } = alice;
      const order = () => runMesh(host, home, ...words);
      const before = await read(host, home);
      const calls = (await traced(alice.process.pid, home, order)).filter(isOfState);
      const after = await read(host, home);
      expect(after).not.toEqual(before);
      expect(calls.map(({ name }) => name)).toEqual(expect.arrayContaining(["fsync", "rename"]));
      const seen: unknown[] = [];
      for (const call of calls) {
        await runMesh(host, home, ...back);
        await alice.reaches("bob");
        const { process } = alice;
        await traced(process.pid, home, order, call);
        await process.kill();
        // On the disk, with no daemon; then with the next one.
        const { status } = await runMesh(host, home, "get");
        expect([call.text, status]).toEqual([call.text, 0]);
        alice = await MeshPeer.up(alice, [], ONE_THREAD);
        const found = await read(host, home);
        expect([before, after]).toContainEqual(found);
        expect((await alice.status()).state).toBe("running");
        expect(leftovers(home)).toEqual([]);
        seen.push(found);
      }
      console.info(`mesh ${words.join(" ")}: killed at each of ${calls.length} calls`);
      expect(seen[0]).toEqual(before);
      await runMesh(host, home, ...back);
    },
    600_000,
  );

  it("at every write of a join: the same token, or none, takes it on from there", async () => {
    const host = network.host("carol");
    for (const call of ["fsync", "rename"]) {
      for (let ordinal = 1, wasKilled = true; wasKilled; ordinal++) {
        const home = `${host.scratchDirectory}/join-${call}-${ordinal}`;
        const { token } = await network.server.createToken();
        const name = ["--name", `joiner-${call}-${ordinal}`, "--interface", "mesh7", "--listen-port", "0"];
        const args = ["join", token, ...name, "--ssh-port", "off", "--no-dns"];
        const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${ordinal}`];
        const strace = ["strace", "-f", "-qq", "-o", `${host.scratchDirectory}/trace`, ...inject];
        const first = await startMesh(host, home, args, ONE_THREAD, strace);
        wasKilled = await Promise.race([
          first.exited.then(() => true),
          first.waitForOutput(/running: \S+ in mesh/).then(
            () => false,
            () => true,
          ),
        ]);
        if (!wasKilled) {
          // The tracer goes with what it traces.
          await runMesh(host, home, "down");
          await first.exited;
          break;
        }
        // Some time later: a network beside it may have been writing what all of them share.
        for (const file of leftovers(home)) lutimesSync(join(home, file), 0, 0);
        const again = await startMesh(host, home, args);
        await again.waitForOutput(/running: \S+ in mesh/);
        expect(leftovers(home)).toEqual([]);
        expect(await again.stop()).toBe(0);
      }
    }
  }, 600_000);
});

/** What the journal of changes to the host does is for test/soak/host-undo.test.ts. */
function isOfState(call: FileCall): boolean {
  return isChange(call) && /\/(settings|exit-trial|filter|preferences)\.json|fsync.*\/networks\/mesh>/.test(call.text);
}

function leftovers(home: string): string[] {
  return readdirSync(home, { recursive: true, encoding: "utf8" }).filter((file) => /\.tmp-/.test(file));
}
