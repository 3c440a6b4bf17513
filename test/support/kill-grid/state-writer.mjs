/**
 * Does one of the writes by which state is kept, with the very code that mesh does it by, once it is told to:
 *
 *     node state-writer.mjs HOME JOB
 *
 * It says `ready` when all is loaded, and begins when its standard input ends.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";

const from = (path) => import(new URL(`../../../dist/${path}`, import.meta.url));
const [, , home, job] = process.argv;
const [
  { resolveHome, networkPaths },
  { makeCurrent },
  { changeSettings },
  { NetworkState },
  { lockNetwork },
  { saveKeys },
  { PeerKeys },
  { MapCache },
  { UndoJournal },
  { silentLogger },
  { z },
] = await Promise.all([
  from("daemon/networks/home.js"),
  from("daemon/networks/current-network.js"),
  from("daemon/settings/settings-on-disk.js"),
  from("daemon/networks/network-state.js"),
  from("daemon/networks/network-lock.js"),
  from("daemon/membership/identity.js"),
  from("control/peer-keys.js"),
  from("control/map-cache.js"),
  from("host/changes/undo-journal.js"),
  from("base/logger.js"),
  import("zod"),
]);

const places = resolveHome(home);
const paths = networkPaths(places, "mesh");
const { directory } = paths;
const state = new NetworkState(directory);

const JOBS = {
  set: () => changeSettings(places, "mesh", { mtu: 1300, exit_node: "carol" }),
  intent: () => state.intent.write({ version: 1, intent: "down" }),
  filter: () => state.filter.write({ version: 1, defaults: { in: "deny" }, rules: [] }),
  preferences: () => state.preferences.write({ version: 1, peers: { bob: { prefer: "relay", exclude: [] } } }),
  current: () => makeCurrent(places, "other"),
  keys: () => saveKeys(directory, PeerKeys.generate()),
  async map() {
    const input = JSON.parse(await readFile(`${home}/input.json`, "utf8"));
    await new MapCache(directory, silentLogger).save(input);
  },
  // A change to the host that is made, one that is taken back, and the file written anew without what is settled.
  async journal() {
    const lock = await lockNetwork(paths);
    const deps = { undo: async () => undefined, logger: silentLogger };
    const journal = await UndoJournal.open({ path: paths.journalFile, stepSchema: z.string() }, deps);
    await journal.perform("second", async () => undefined);
    const third = await journal.perform("third", async () => undefined);
    await journal.undo(third);
    await journal.undoAll((step) => step === "first");
    await journal.close();
    await lock[Symbol.asyncDispose]();
  },
};

console.log("ready");
process.stdin.resume();
await once(process.stdin, "end");
await JOBS[job]();
