import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FilterEntry } from "../../src/api/local-filter.ts";
import { Connections, isFlowing, servePorts, type Wanted } from "../support/lab/connections.ts";
import { eventually } from "../support/lab/eventually.ts";
import { FILTER_CASES, FILTERED_PORTS } from "../support/lab/filter-cases.ts";
import { inParallel } from "../support/lab/in-parallel.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

const COMMANDS_AT_ONCE = 4;
/** Of a rule whose time is over, on a busy machine. */
const MAX_LATE_MS = 5000;

/** Alice filters; bob and carol are her peers (`filter-cases.ts`). */
describe("the packet filter", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let carol: MeshPeer;
  let connections: Connections;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    for (const host of network.hosts) await servePorts(host, ...FILTERED_PORTS);
    await admin("cidr", "add", "guests", "10.86.128.0/20");
    await admin("association", "add", "members", "guests");
    const [keeper, guest] = await Promise.all([
      network.server.createToken({ tags: ["keeper"] }),
      network.server.createToken({ cidr: "guests", tags: ["guest"] }),
    ]);
    [alice, bob, carol] = await Promise.all([
      network.join("alice", { token: keeper.token }),
      network.join("bob"),
      network.join("carol", { token: guest.token }),
    ]);
    connections = await Connections.between(alice, bob, carol);
    await Promise.all(
      [alice, bob, carol].flatMap((from) =>
        network.hosts.map(({ label }) => label !== from.host.label && from.reaches(label)),
      ),
    );
  });
  afterAll(() => network[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const { id, layer } of await rules()) {
      if (layer === "local") await alice.local.removeFilterRule({ id });
      else if (layer === "coordinator") await admin("filter", "remove", id, "--scope", "network");
    }
    for (const direction of ["in", "out"] as const) await alice.local.setFilterDefault({ direction, verdict: null });
    await eventually("no rule is left", async () => (await rules()).every(({ layer }) => layer === "config"));
  });

  const onServer = () => [network.serverHost, network.server.home] as const;
  const admin = async (...args: string[]) => {
    const { status, stderr } = await runMesh(...onServer(), ...args);
    expect([status, stderr]).toEqual([0, ""]);
  };
  const rules = async () => (await alice.local.filter()).rules;
  /** By peer, alice first. */
  const everywhere = () => Promise.all([alice, bob, carol].map(async ({ local }) => (await local.filter()).rules));
  const add = async (...flags: string[]) =>
    (await meshJson(alice.host, alice.home, "filter", "add", ...flags)) as FilterEntry;
  const expectThat = async (wanted: Wanted) => expect(await connections.outcomes(wanted)).toEqual(wanted);

  it.each(FILTER_CASES.map((each) => [each.what, each] as const))("%s", async (_, { denied, rows }) => {
    for (const direction of denied) await alice.mesh("filter", "default", "deny", "--direction", direction);
    const added = await inParallel(
      rows.flatMap((row) => (row.rules ?? []).map((words) => ({ row, words }))),
      COMMANDS_AT_ONCE,
      async ({ row, words }) => {
        const flags = words.replace(/(\w+)\.ip([46])/g, (_, of, family) => connections.address(of, family)).split(" ");
        const isOfNetwork = flags.includes("network");
        const end = isOfNetwork ? onServer() : ([alice.host, alice.home] as const);
        const { id } = (await meshJson(...end, "filter", "add", ...flags, "--comment", row.what)) as FilterEntry;
        return { row, id, isOfNetwork };
      },
    );
    await eventually("the rules are where they hold", async () => {
      const [ofAlice, ...ofOthers] = await everywhere();
      const hasEach = (list: readonly FilterEntry[], ids: typeof added) =>
        ids.every(({ id }) => list.some((rule) => rule.id === id));
      const ofNetwork = added.filter(({ isOfNetwork }) => isOfNetwork);
      return hasEach(ofAlice!, added) && ofOthers.every((list) => hasEach(list, ofNetwork));
    });

    await expectThat(Object.assign({}, ...rows.map((row) => row.connections)));

    const listed = (await everywhere()).flat();
    const otherwise = denied.length > 0 ? "silence" : "answered";
    for (const row of rows.filter((each) => each.rules !== undefined)) {
      const ids = added.filter((each) => each.row === row).map(({ id }) => id);
      const ours = listed.filter(({ id }) => ids.includes(id));
      expect(ours.filter(({ layer, comment }) => layer === "local" && comment !== row.what)).toEqual([]);
      const decided = connections.countOthers(row.connections, otherwise);
      expect([row.what, ours.reduce((sum, { hits }) => sum + hits, 0) >= decided]).toEqual([row.what, true]);
    }
  });

  it("says in list and status what a rule is and did, and when an allow rule changes nothing", async () => {
    const before = (await alice.local.status()).dataPlane?.drops["in-filtered"] ?? 0;
    const deny = await add("--port", "8001", "--protocol", "tcp", "--action", "deny", "--comment", "not now");
    const written = { layer: "local", action: "deny", direction: "in", protocol: "tcp", ports: "8001", source: "any" };
    expect(deny).toMatchObject({ ...written, destination: "any", comment: "not now", hits: 0, expiresAt: null });
    await expectThat({ "bob -> alice:8001/tcp": "silence" });
    const [listed] = (await meshJson(alice.host, alice.home, "filter", "list")) as FilterEntry[];
    expect({ ...listed, hits: 0 }).toEqual(deny);
    // A SYN and what repeats it, in each family.
    expect(listed!.hits).toBeGreaterThanOrEqual(2);
    expect((await alice.local.status()).dataPlane?.drops["in-filtered"]).toBeGreaterThanOrEqual(before + listed!.hits);
    const { stderr } = await runMesh(alice.host, alice.home, "filter", "add", "--port", "8002", "--action", "allow");
    expect(stderr).toContain("changes nothing");
  });

  it("cuts live connections of the peer that a new rule is about, and of no other, until the rule is gone", async () => {
    const [cut, kept] = await Promise.all(
      ["bob", "carol"].map((from) => connections.live(from, "alice", 8001, ["tcp", "udp", "icmp"])),
    );
    const areFlowing = (flows = cut!) => Promise.all(flows.map(isFlowing));
    const { id } = await add("--protocol", "any", "--action", "deny", "--source-peer", "bob");
    await eventually("all six are cut", async () => !(await areFlowing()).includes(true));
    expect(await areFlowing(kept)).not.toContain(false);
    await alice.local.removeFilterRule({ id });
    await eventually("all six flow again", async () => !(await areFlowing()).includes(false));
    for (const flow of [...cut!, ...kept!]) await flow.kill();
  });

  it("keeps a one-way association to its way, with an open filter at both ends", async () => {
    await admin("association", "delete", "members", "guests");
    await admin("association", "add", "members", "guests", "--one-way");
    // New sessions, for which pings wait.
    await expectThat({ "alice -> carol/icmp": "answered" });
    await expectThat({
      "alice -> carol:8001/tcp,udp": "answered",
      "carol -> alice:8001/tcp,udp": "rejected",
      "carol -> alice/icmp": "rejected",
    });
    expect((await carol.local.status()).dataPlane?.drops["out-one-way"]).toBeGreaterThanOrEqual(6);
  });

  it("drops packets with another peer's source, and counts them", async () => {
    const spoofed = async () => (await alice.local.status()).dataPlane?.drops["in-spoofed-source"] ?? 0;
    const before = await spoofed();
    const { host } = bob;
    const pings = ([4, 6] as const).map(async (family) => {
      const [carols, alices] = ["carol", "alice"].map((name) => connections.address(name, family));
      const claim = [`${carols}/${family === 4 ? 32 : 128}`, "dev", "mesh0"];
      await host.ip("address", "add", ...claim, ...(family === 4 ? [] : ["nodad"]));
      await host.run("ping", "-n", "-c", "2", "-W", "1", "-I", carols!, alices!);
      await host.ip("address", "del", ...claim);
    });
    await Promise.all(pings);
    expect(await spoofed()).toBe(before + 4);
  });

  it("keeps local rules over a restart, and drops them in their time; the configuration file has its say", async () => {
    const config = `${alice.host.scratchDirectory}/peer.yaml`;
    await writeFile(config, "filter: {rules: [{port: 8011, action: reject}, {port: 8012, action: allow}]}\n");
    const kept = await add("--port", "8001", "--action", "reject", "--comment", "until it is removed");
    await add("--port", "8011", "--action", "allow");
    await add("--port", "8012", "--action", "reject");
    const lasting: Wanted = {
      "bob -> alice:8001/tcp,udp": "rejected",
      "bob -> alice:8011/tcp": "rejected",
      "bob -> alice:8012/tcp": "rejected",
    };
    const meanwhile: Wanted = { ...lasting, "bob -> alice:8002/tcp,udp": "rejected" };
    const restartWith = async (ttl: string) => {
      const expired = await add("--port", "8009", "--action", "reject", "--ttl", "1s");
      const brief = await add("--port", "8002", "--action", "reject", "--ttl", ttl);
      expect(await alice.stop()).toBe(0);
      await eventually("the first one's time is over", () => Date.now() >= Date.parse(expired.expiresAt!));
      alice = await MeshPeer.up(alice, ["--config", config]);
      const listed = await rules();
      const seen = await connections.outcomes(meanwhile);
      const endsAtMs = Date.parse(brief.expiresAt!);
      return { brief, endsAtMs, isOver: Date.now() >= endsAtMs, listed, seen };
    };
    let after = await restartWith("10s");
    // A busy machine may take longer than that.
    if (after.isOver) after = await restartWith("60s");
    const { brief, endsAtMs, listed, seen } = after;
    expect(seen).toEqual(meanwhile);
    expect(listed.filter(({ layer }) => layer === "config").map(({ ports }) => ports)).toEqual(["8011", "8012"]);
    const ours = listed.filter(({ layer }) => layer === "local");
    expect(ours.map(({ ports }) => ports)).toEqual(["8001", "8011", "8012", "8002"]);
    expect(ours[0]).toEqual({ ...kept, hits: 0 });
    expect(ours[3]!.expiresAt).toBe(brief.expiresAt);

    const isGone = async () => (await rules()).every(({ id }) => id !== brief.id);
    await eventually("the rule is gone", isGone, { timeoutMs: 65_000 });
    const lateMs = Date.now() - endsAtMs;
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(MAX_LATE_MS);
    await expectThat({ ...lasting, "bob -> alice:8002/tcp,udp": "answered" });
  }, 180_000);

  it("refuses what makes no sense, and changes nothing", async () => {
    const refusals: [code: string, exit: number, ...args: string[]][] = [
      ["bad-usage", 2, "add", "--port", "0", "--action", "deny"],
      ["bad-usage", 2, "add", "--port", "90-80", "--action", "deny"],
      ["bad-usage", 2, "add", "--port", "22", "--protocol", "icmp", "--action", "deny"],
      ["bad-usage", 2, "add", "--port", "22", "--action", "drop"],
      ["bad-usage", 2, "add", "--source-peer", "bob", "--source-tag", "x", "--action", "deny"],
      ["bad-usage", 2, "add", "--source-peer", "x".repeat(10_000), "--action", "deny"],
      ["bad-usage", 2, "add", "--comment", "a\u0007b", "--action", "deny"],
      ["bad-duration", 2, "add", "--port", "22", "--action", "deny", "--ttl=-5m"],
      ["not-found", 5, "add", "--source-peer", "nobody", "--action", "deny"],
      ["not-found", 5, "add", "--source-cidr", "nowhere", "--action", "deny"],
      ["not-found", 5, "remove", "00000000"],
      ["not-found", 5, "remove", "--port", "22"],
      ["bad-usage", 2, "remove"],
      ["bad-usage", 2, "default", "reject"],
    ];
    const before = await rules();
    await inParallel(refusals, COMMANDS_AT_ONCE, async ([code, exit, ...args]) => {
      const { status, stderr } = await runMesh(alice.host, alice.home, "--json", "filter", ...args);
      expect([JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code, status, args]).toEqual([code, exit, args]);
    });
    expect(await rules()).toEqual(before);
  });
});
