import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FilterRule, writtenFilterRuleSchema } from "../../../src/api/filter-rule.ts";
import type { NetworkMap } from "../../../src/api/network-map.ts";
import type { FilterSettings } from "../../../src/api/peer-config.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { FilterKeeper } from "../../../src/daemon/filter/filter-keeper.ts";
import { NetworkState } from "../../../src/daemon/networks/network-state.ts";
import { FilterCells } from "../../../src/filter/filter-cells.ts";
import type { FilterPolicy } from "../../../src/filter/policy.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

const bob = mapPeer("bob", 2, { tags: ["web"] });
const carol = mapPeer("carol", 3, { tags: ["web", "db"] });
const HUMANS = { name: "humans", cidr4: "10.86.1.0/24", cidr6: "fd86:0:0:1::/64" };
const map = (fields: Partial<NetworkMap> = {}) => networkMap([bob, carol], { cidrs: [HUMANS], ...fields });

const written = (fields: object): FilterRule => writtenFilterRuleSchema.parse({ action: "deny", ...fields });

describe("the layers of the packet filter", () => {
  let directory: string;
  let cells: FilterCells;
  let applied: FilterPolicy<string>[];
  const open: FilterKeeper[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-filter-"));
    cells = new FilterCells();
    applied = [];
  });
  afterEach(async () => {
    for (const keeper of open.splice(0)) await keeper[Symbol.asyncDispose]();
    vi.useRealTimers();
    rmSync(directory, { recursive: true, force: true });
  });

  async function keeperWith(settings: Partial<FilterSettings> = {}, network = map()): Promise<FilterKeeper> {
    const keeper = await FilterKeeper.open(
      { file: new NetworkState(directory).filter, settings: { defaults: {}, rules: [], ...settings } },
      { clock: systemClock, cells, apply: (policy) => applied.push(policy) },
      network,
    );
    open.push(keeper);
    return keeper;
  }
  const add = (keeper: FilterKeeper, fields: object, ttlSeconds: number | null = null) =>
    keeper.add({ rule: written(fields), ttlSeconds });
  const inForce = () => applied.at(-1)!;

  it("hold nothing at first, and are open", async () => {
    const keeper = await keeperWith();
    const builtIn = { verdict: "allow", from: "built-in" };
    expect(keeper.view()).toEqual({ defaults: { in: builtIn, out: builtIn }, rules: [], connections: 0 });
    expect(inForce()).toEqual({ rules: [], defaults: { in: "allow", out: "allow" }, oneWay: new Map() });
  });

  it("are kept over restarts as far as they are local, for the owner alone", async () => {
    const added = await add(await keeperWith(), { port: 22, source_peer: "bob", comment: "not him" });
    expect(added).toMatchObject({ layer: "local", ports: "22", source: "peer:bob", hits: 0, note: null });
    expect(statSync(join(directory, "filter.json")).mode & 0o777).toBe(0o600);
    const again = await keeperWith();
    expect(again.view().rules).toEqual([added]);
    expect(inForce().rules).toMatchObject([{ action: "deny", peers: [bob.wireguardKey], sources: null }]);
  });

  it("refuse to start on a file that is damaged, and leave it", async () => {
    writeFileSync(join(directory, "filter.json"), '{"version":1,"rules":"none"}');
    await expect(keeperWith()).rejects.toMatchObject({ code: "state-damaged" });
    expect(readFileSync(join(directory, "filter.json"), "utf8")).toContain("none");
  });

  it("follow the map: the network's rules are there from the start, and change with it", async () => {
    const told = (fields: object, expiresAt: string | null = null) => ({ id: "c1", rule: written(fields), expiresAt });
    const both = [told({ port: 25, direction: "out" }), told({ port: 25 })];
    const keeper = await keeperWith({}, map({ filterRules: both }));
    expect(keeper.view().rules).toMatchObject([
      { id: "c1", layer: "coordinator", direction: "out", hits: 0 },
      { id: "c1", layer: "coordinator", direction: "in", hits: 0 },
    ]);
    // Each counts for itself.
    cells.hit(inForce().rules[1]!.slot);
    expect(keeper.view().rules.map(({ hits }) => hits)).toEqual([0, 1]);
    await expect(keeper.remove({ id: "c1" })).rejects.toMatchObject({
      code: "filter-rule-fixed",
      hint: expect.stringContaining("--scope network"),
    });
    keeper.setNetwork(map({ filterRules: [told({ port: 26 }, new Date(Date.now() + 60).toISOString())] }));
    expect(inForce().rules).toMatchObject([{ ports: [{ first: 26, last: 26 }] }]);
    // Without a word from the coordinator.
    await expect.poll(() => inForce().rules).toEqual([]);
    expect(keeper.view().rules).toEqual([]);
  });

  it("come in the order coordinator, configuration, local, service", async () => {
    const keeper = await keeperWith({ rules: [written({ port: 3306 })] });
    await add(keeper, { port: 22 });
    keeper.setLayer("service", [{ id: "dns", rule: written({ action: "allow", port: 53 }), expiresAt: null }]);
    keeper.setLayer("coordinator", [{ id: "c1", rule: written({ port: 25 }), expiresAt: null }]);
    expect(keeper.view().rules.map(({ layer, ports }) => [layer, ports])).toEqual([
      ["coordinator", "25"],
      ["config", "3306"],
      ["local", "22"],
      ["service", "53"],
    ]);
    expect(inForce().rules).toHaveLength(4);
    keeper.setLayer("coordinator", []);
    expect(inForce().rules).toHaveLength(3);
  });

  it("have names mean what the map of the moment says", async () => {
    const keeper = await keeperWith();
    await add(keeper, { source_tag: "db" });
    await add(keeper, { source_cidr: "humans" });
    await add(keeper, { direction: "out", dest_cidr: "192.168.0.0/16" });
    await add(keeper, { dest_tag: "servers" });
    const [byTag, byName, literal, near] = inForce().rules;
    expect(byTag!.peers).toEqual([carol.wireguardKey]);
    expect(byName!.sources).toEqual([parseCidr(HUMANS.cidr4), parseCidr(HUMANS.cidr6)]);
    expect(literal).toMatchObject({ peers: null, sources: null, destinations: [parseCidr("192.168.0.0/16")] });
    expect(near!.peers).toEqual([]);
    expect(keeper.view().rules[3]!.note).toBe("this machine has no tag servers");
    const { self } = map();
    keeper.setNetwork(map({ peers: [bob], cidrs: [], self: { ...self, tags: ["servers"] } }));
    expect(inForce().rules.map(({ peers, sources }) => [peers, sources])).toEqual([
      [[], null],
      [null, []],
      [null, null],
      [null, null],
    ]);
  });

  it("say of an allow rule that it changes nothing, unless the rest is denied", async () => {
    const keeper = await keeperWith();
    expect((await add(keeper, { action: "allow", port: 80 })).note).toContain("allowed in anyway");
    await keeper.setDefault({ direction: "in", verdict: "deny" });
    expect(keeper.view().rules[0]!.note).toBeNull();
    expect(inForce().defaults).toEqual({ in: "deny", out: "allow" });
  });

  it("take the default of the command before that of the configuration, until it is taken back", async () => {
    const keeper = await keeperWith({ defaults: { in: "deny", out: "deny" } });
    expect(inForce().defaults).toEqual({ in: "deny", out: "deny" });
    await keeper.setDefault({ direction: "in", verdict: "allow" });
    expect((await keeperWith({ defaults: { in: "deny" } })).view().defaults).toEqual({
      in: { verdict: "allow", from: "command" },
      out: { verdict: "allow", from: "built-in" },
    });
    expect(await keeper.setDefault({ direction: "in", verdict: null })).toMatchObject({
      in: { verdict: "deny", from: "configuration" },
    });
  });

  it("lose a rule when its time is over: by the timer, and at a start after it", async () => {
    vi.useFakeTimers();
    const keeper = await keeperWith();
    await add(keeper, { port: 22 }, 60);
    await add(keeper, { port: 23 });
    await vi.advanceTimersByTimeAsync(59_999);
    expect(inForce().rules).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(inForce().rules).toHaveLength(1);
    await add(keeper, { port: 24 }, 60);
    await keeper[Symbol.asyncDispose]();
    vi.setSystemTime(Date.now() + 61_000);
    expect((await keeperWith()).view().rules.map(({ ports }) => ports)).toEqual(["23"]);
    expect(inForce().rules).toHaveLength(1);
  });

  it("have exactly the rule removed that is named", async () => {
    const keeper = await keeperWith({ rules: [written({ port: 22 })] });
    const tcp = await add(keeper, { port: 22, protocol: "tcp" });
    const fromBob = await add(keeper, { port: 22, source_peer: "bob" });
    const fromCarol = await add(keeper, { port: 22, source_peer: "carol" });
    await expect(keeper.remove({ match: { ports: "22" } })).rejects.toMatchObject({
      code: "filter-ambiguous",
      exitStatus: 6,
      message: expect.stringContaining(fromBob.id),
    });
    await expect(keeper.remove({ match: { ports: "2" } })).rejects.toMatchObject({ code: "not-found" });
    await expect(keeper.remove({ id: "config-1" })).rejects.toMatchObject({ code: "filter-rule-fixed" });
    await expect(keeper.remove({ id: tcp.id.slice(0, 4) })).rejects.toMatchObject({ code: "not-found" });
    expect(keeper.view().rules).toHaveLength(4);
    expect(await keeper.remove({ match: { source: "peer:carol" } })).toEqual(fromCarol);
    expect(await keeper.remove({ id: tcp.id })).toEqual(tcp);
    expect(keeper.view().rules.map(({ id }) => id)).toEqual(["config-1", fromBob.id]);
  });

  it("refuse names that nobody has and rules that are there, and change nothing", async () => {
    const keeper = await keeperWith();
    await add(keeper, { port: 22 });
    const before = readFileSync(join(directory, "filter.json"), "utf8");
    for (const fields of [{ source_peer: "nobody" }, { source_peer: "me" }, { dest_peer: "bob" }, { source_cidr: "x" }])
      await expect(add(keeper, fields)).rejects.toMatchObject({ code: "not-found" });
    await expect(add(keeper, { port: 22, comment: "again" }, 60)).rejects.toMatchObject({ code: "filter-rule-exists" });
    expect(readFileSync(join(directory, "filter.json"), "utf8")).toBe(before);
    expect(applied).toHaveLength(2);
  });

  it("keep what counts for a rule while others come and go, and start a new one at nothing", async () => {
    const keeper = await keeperWith();
    const first = await add(keeper, { port: 22 });
    const second = await add(keeper, { port: 23 });
    const [firstSlot, secondSlot] = inForce().rules.map(({ slot }) => slot);
    for (let i = 0; i < 3; i++) cells.hit(firstSlot!);
    cells.hit(secondSlot!);
    expect((await keeper.remove({ id: first.id })).hits).toBe(3);
    await add(keeper, { port: 24 });
    expect(inForce().rules.map(({ slot }) => slot)).toEqual([secondSlot, firstSlot]);
    expect(keeper.view().rules.map(({ id, hits }) => [id === second.id, hits])).toEqual([
      [true, 1],
      [false, 0],
    ]);
  });

  it("tell of peers between which and us one end only may start connections", async () => {
    const peers = [
      { ...bob, mayStart: "self" as const },
      { ...carol, mayStart: "both" as const },
    ];
    await keeperWith({}, map({ peers }));
    expect(inForce().oneWay).toEqual(new Map([[bob.wireguardKey, "self"]]));
  });
});
