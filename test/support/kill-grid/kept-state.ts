import { spawn } from "node:child_process";
import { once } from "node:events";
import { lutimesSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { silentLogger } from "../../../src/base/logger.ts";
import { type KnownNetwork, MapCache } from "../../../src/control/map-cache.ts";
import { pinsOf } from "../../../src/control/pins.ts";
import { ExitTrials } from "../../../src/daemon/exit/exit-trial.ts";
import { loadKeys } from "../../../src/daemon/membership/identity.ts";
import { currentNetworkFile, networkPaths, resolveHome, selectNetwork } from "../../../src/daemon/networks/home.ts";
import { lockNetwork } from "../../../src/daemon/networks/network-lock.ts";
import { DEFAULT_SETTINGS, NetworkState } from "../../../src/daemon/networks/network-state.ts";
import { readJournal, UndoJournal } from "../../../src/host/changes/undo-journal.ts";
import { leaveState } from "../joined-network.ts";
import { mapPeer, networkMap } from "../network-map.ts";
import { type FileCall, ONE_THREAD, traced } from "./kill-at-call.ts";

const WRITER = fileURLToPath(new URL("./state-writer.mjs", import.meta.url));
const TEMPORARY = /\.tmp-/;
/** Nobody has written to it for long. */
const LONG_AGO = new Date(0);

/** What each write of `state-writer.mjs` makes of what is kept, step by step: the first is what was before. */
export const JOBS = {
  set: ["mtu 1380, exit off, on trial", "mtu 1300, exit carol"],
  intent: ["up", "down"],
  filter: ["allow", "deny"],
  preferences: ["auto", "relay"],
  current: ["mesh", "other"],
  keys: ["the former", "others"],
  // Pins without their map are harmless.
  map: ["pins bob, map bob", "pins carol, map bob", "pins carol, map carol"],
  journal: ["first", "first second", "first second third", "first second", "second"],
} as const satisfies Record<string, readonly string[]>;
export type Job = keyof typeof JOBS;

/** The state of a peer in a directory of its own, as it was before a write, and what is read of it after one. */
export class KeptState {
  readonly #home: string;
  readonly #files: ReadonlyMap<string, string>;
  readonly #formerKey: string;

  private constructor(home: string, formerKey: string) {
    this.#home = home;
    this.#files = new Map(filesBelow(home).map((file) => [file, readFileSync(file, "utf8")]));
    this.#formerKey = formerKey;
  }

  static async make(home: string): Promise<KeptState> {
    const { paths, state, cache } = placesOf(home);
    await leaveState(resolveHome(home), "mesh", 86);
    await leaveState(resolveHome(home), "other", 92, { interface: "mesh1" });
    writeFileSync(currentNetworkFile(resolveHome(home)), "mesh\n");
    const { machineKey } = (await loadKeys(paths.directory))!;
    await state.settings.write({ ...DEFAULT_SETTINGS, mtu: 1380, given: {} });
    const before = { exitNodes: ["bob"], exitAllowLan: false };
    await state.exitTrial.write({ version: 1, until: "2126-01-01T00:00:00.000Z", of: [[]], before });
    await state.intent.write({ version: 1, intent: "up" });
    await state.filter.write({ version: 1, defaults: { in: "allow" }, rules: [] });
    await state.preferences.write({ version: 1, peers: {} });
    await cache.save(known("bob"));
    const journal = await UndoJournal.open(journalOf(paths.journalFile), {
      undo: async () => {},
      logger: silentLogger,
    });
    await journal.perform("first", async () => {});
    await journal.close();
    writeFileSync(join(home, "input.json"), JSON.stringify(known("carol")));
    return new KeptState(home, machineKey);
  }

  /** Everything as it was when it was made. */
  restore(): void {
    for (const file of filesBelow(this.#home)) rmSync(file);
    for (const [file, text] of this.#files) writeFileSync(file, text, { mode: 0o600 });
  }

  /** Does the write in a process of its own, which ends at one of its calls, or by itself. @returns all of its calls */
  async write(job: Job, killAt?: FileCall): Promise<{ readonly calls: FileCall[]; readonly wasKilled: boolean }> {
    const env = { ...process.env, ...ONE_THREAD };
    const writer = spawn(process.execPath, [WRITER, this.#home, job], { env, stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(writer, "exit");
    const isOver = once(writer.stdout, "close");
    const isReady = once(writer.stdout, "data").then(() => true);
    if (!(await Promise.race([isReady, isOver.then(() => false)]))) throw new Error(`${WRITER} ended before it began`);
    writer.stdout.resume();
    const work = async () => {
      writer.stdin.end();
      await isOver;
    };
    const calls = await traced(writer.pid!, this.#home, work, killAt);
    const [status, signal] = await ended;
    if (signal !== "SIGKILL" && status !== 0) throw new Error(`${job} ended with ${status}`);
    return { calls, wasKilled: signal === "SIGKILL" };
  }

  /** What is kept, in the words of `JOBS`. @throws where it cannot be read, as a daemon or `mesh get` would */
  async read(job: Job): Promise<string> {
    const { paths, state, cache } = placesOf(this.#home);
    switch (job) {
      case "set": {
        const { mtu, exitNodes } = (await state.settings.read())!;
        using trials = await ExitTrials.open(state.exitTrial, exitNodes, () => {});
        return `mtu ${mtu}, exit ${exitNodes.join() || "off"}${trials.confirmBy === null ? "" : ", on trial"}`;
      }
      case "intent":
        return (await state.intent.read())!.intent;
      case "filter":
        return String((await state.filter.read())!.defaults.in);
      case "preferences":
        return (await state.preferences.read())!.peers.bob?.prefer ?? "auto";
      case "current":
        return String(selectNetwork(resolveHome(this.#home), undefined));
      case "keys":
        return (await loadKeys(paths.directory))!.machineKey === this.#formerKey ? "the former" : "others";
      case "map": {
        const { map, pins, warnings } = await cache.load();
        if (warnings.length > 0) throw new Error(warnings.join());
        return `pins ${pins.map(({ name }) => name)}, map ${map?.peers.map(({ name }) => name)}`;
      }
      case "journal": {
        const { pending, isDamaged } = await readJournal(journalOf(paths.journalFile));
        if (isDamaged) throw new Error("the journal is damaged");
        return [...pending.values()].join(" ");
      }
    }
  }

  get temporaries(): string[] {
    return filesBelow(this.#home).filter((file) => TEMPORARY.test(file));
  }

  /**
   * Kills the write at each of its calls that `isMeant`, and reads what is there then.
   * @throws where that is no step of the write, or one before that of an earlier call, or where what is left over stays
   */
  async killAtEach(job: Job, isMeant: (call: FileCall) => boolean = () => true): Promise<FileCall[]> {
    const steps: readonly string[] = JOBS[job];
    this.restore();
    const { calls } = await this.write(job);
    if ((await this.read(job)) !== steps.at(-1))
      throw new Error(`${job} does not come to its end: ${await this.read(job)}`);
    const meant = calls.filter(isMeant);
    let step = 0;
    for (const call of meant) {
      this.restore();
      const { wasKilled } = await this.write(job, call);
      const found = await this.read(job);
      const reached = steps.indexOf(found, step);
      if (!wasKilled || reached < 0)
        throw new Error(`${job}, ${wasKilled ? "killed" : "not killed"} at ${call.text}: ${found}`);
      step = reached;
      if (this.temporaries.length > 1) throw new Error(`${job} leaves ${this.temporaries.join()}`);
      await this.begin();
      if (this.temporaries.length > 0) throw new Error(`${this.temporaries.join()} stays`);
    }
    return meant;
  }

  /** As the next daemon, or the next `mesh set` without one, begins, some time later. */
  async begin(): Promise<void> {
    for (const file of this.temporaries) lutimesSync(file, LONG_AGO, LONG_AGO);
    await using _ = await lockNetwork(placesOf(this.#home).paths);
  }
}

function placesOf(home: string) {
  const paths = networkPaths(resolveHome(home), "mesh");
  const state = new NetworkState(paths.directory);
  return { paths, state, cache: new MapCache(paths.directory, silentLogger) };
}

function journalOf(path: string) {
  return { path, stepSchema: z.string() };
}

function known(name: string): KnownNetwork {
  const map = networkMap([mapPeer(name, 3)]);
  return { map, seenAtMs: 0, pins: pinsOf(map, 0) };
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name));
}
