import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FilterEntry } from "../../src/api/local-filter.ts";
import type { PolicyReport } from "../../src/api/policy-test.ts";
import { eventually } from "../support/lab/eventually.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

const SERVICE = fileURLToPath(new URL("../support/lab/port-service.mjs", import.meta.url));
const REFUSED = 7;

/** Alice is an admin, bob serves, carol is the third whom nothing concerns. */
describe("rules of the network", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let carol: MeshPeer;
  let bobsAddress: string;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    const service = await network.host("bob").start(process.execPath, [SERVICE, "8001"]);
    await service.waitForOutput(/listening/);
    const { token } = await network.server.createToken("--admin");
    [alice, bob, carol] = await Promise.all([
      network.join("alice", { token }),
      network.join("bob"),
      network.join("carol"),
    ]);
    bobsAddress = (await bob.status()).self!.ip4;
    for (const peer of [alice, carol]) await peer.reaches("bob");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const rulesOf = async ({ host, home }: MeshPeer) => (await meshJson(host, home, "filter", "list")) as FilterEntry[];
  const fetches = async ({ host }: MeshPeer) =>
    (await host.run("curl", "-sS", "-m", "1.5", `http://${bobsAddress}:8001/`)).status;
  const stream = async ({ host }: MeshPeer) => {
    const curl = await host.start("curl", ["-sS", "-N", `http://${bobsAddress}:8001/drip`]);
    await curl.waitForOutput(/drip/);
    return curl;
  };
  /** A line comes every 50 ms. */
  const isFlowing = async (curl: LabProcess) => {
    const before = curl.stdout.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    return curl.stdout.length > before;
  };
  const write = async (name: string, ...lines: string[]) => {
    const file = `${alice.host.scratchDirectory}/${name}`;
    await writeFile(file, lines.join("\n"));
    return file;
  };
  const test = async (...lines: string[]) =>
    runMesh(alice.host, alice.home, "--json", "policy", "test", await write("policy", ...lines));

  it("cut a live connection at both ends within a second, and never touch a third", async () => {
    const [cut, kept] = [await stream(alice), await stream(carol)];
    const rule = ["--port", "8001", "--protocol", "tcp", "--source-peer", "alice", "--dest-peer", "bob"];
    const { id } = (await meshJson(
      ...[alice.host, alice.home, "filter", "add", "--scope", "network", "--action", "reject", ...rule],
    )) as FilterEntry;
    await eventually("the connection is cut", async () => !(await isFlowing(cut)), { timeoutMs: 1000, intervalMs: 10 });
    expect(await rulesOf(alice)).toMatchObject([
      { id, layer: "coordinator", direction: "out", destination: "peer:bob" },
    ]);
    expect(await rulesOf(bob)).toMatchObject([{ id, layer: "coordinator", direction: "in", source: "peer:alice" }]);
    expect(await rulesOf(carol)).toEqual([]);
    expect(await isFlowing(kept)).toBe(true);
    expect([await fetches(alice), await fetches(carol)]).toEqual([REFUSED, 0]);
    const listed = await runMesh(network.serverHost, network.server.home, "filter", "list");
    expect(listed.stdout).toContain(id);

    const { status, stdout } = await test(
      "accept alice -> bob:8002/tcp",
      "deny alice -> bob:8001/tcp",
      "accept carol -> bob",
    );
    expect([status, (JSON.parse(stdout) as PolicyReport).holds]).toEqual([0, true]);
    const failed = await test("# in vain", "accept members -> bob:8000-8010");
    expect(failed.status).toBe(1);
    expect((JSON.parse(failed.stdout) as PolicyReport).assertions[0]).toMatchObject({
      line: 2,
      violation: { from: "alice", to: "bob", protocol: "tcp", port: 8001, layer: "filter", rule: id },
    });
    const [assertions, changes] = [
      await write("policy", "accept members -> bob:8000-8010"),
      await write("changes", `filter remove ${id} --scope network   # as alice would type it`),
    ];
    const proposed = await runMesh(...[alice.host, alice.home, "policy", "test", assertions, "--proposed", changes]);
    expect(proposed).toMatchObject({ status: 0, stdout: expect.stringContaining("in the proposed policy") });
    expect(await fetches(alice)).toBe(REFUSED);
    const bad = await test("accept alice -> bob", "accept nobody -> bob");
    expect([bad.status, bad.stderr]).toEqual([
      2,
      expect.stringContaining("line 2: there is no peer, CIDR or tag nobody"),
    ]);

    await alice.mesh("filter", "remove", id, "--scope", "network");
    await eventually("alice gets through again", async () => (await fetches(alice)) === 0, { timeoutMs: 3000 });
    expect(await isFlowing(kept)).toBe(true);
    for (const curl of [cut, kept]) await curl.stop();
  });

  it("are the admins' alone", async () => {
    const flags = ["--scope", "network", "--action", "deny"];
    const { status, stderr } = await runMesh(bob.host, bob.home, "--json", "filter", "add", ...flags);
    expect([status, JSON.parse(stderr).error.code]).toEqual([4, "not-permitted"]);
  });

  it("end in their time at both ends, over a restart and while the coordinator is away", async () => {
    const flags = ["--port", "8001", "--action", "reject", "--source-peer", "alice", "--ttl", "12s"];
    await alice.mesh("filter", "add", "--scope", "network", ...flags);
    await eventually("bob has the rule", async () => (await rulesOf(bob)).length === 1);
    const [rule] = await rulesOf(bob);
    await network.server.stop();
    expect(await bob.stop()).toBe(0);
    bob = await MeshPeer.up(bob);
    expect(await rulesOf(bob)).toMatchObject([{ id: rule!.id, expiresAt: rule!.expiresAt }]);
    expect(await fetches(alice)).toBe(REFUSED);
    await eventually(
      "the rule is gone at both ends",
      async () => (await rulesOf(alice)).length === 0 && (await rulesOf(bob)).length === 0,
      { timeoutMs: 15_000 },
    );
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(rule!.expiresAt!));
    await eventually("alice gets through again", async () => (await fetches(alice)) === 0);
  });
});
