import { afterAll, beforeAll, expect, it } from "vitest";
import type { Context, ContextDetails } from "../../src/cli/contexts.ts";
import { eventually } from "../support/lab/eventually.ts";
import { hostState } from "../support/lab/host-state.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// Alice is in two networks at once, of a coordinator each: in `mesh` with bob, in `work` with carol.

let network: SmallNetwork;
let workServer: MeshServer;
let alice: MeshPeer;
let aliceAtWork: MeshPeer;
let bob: MeshPeer;
let carol: MeshPeer;
let untouched: Record<string, unknown>;

const host = () => network.host("alice");
const mesh = (...args: string[]) => runMesh(host(), alice.home, ...args);
const contexts = async () => (await meshJson(host(), alice.home, "context", "list")) as Context[];
const codeOf = ({ status, stderr }: { status: number; stderr: string }) => [status, JSON.parse(stderr).error.code];
const pings = (from: LabHost, to: string) => from.must("ping", "-c", "1", "-W", "5", to);
const ip4Of = async (peer: MeshPeer) => (await peer.status()).self?.ip4 ?? "";
const resolved = async (name: string) => (await host().run("getent", "ahostsv4", name)).stdout.split(" ")[0];
const resolves = async (name: string, peer: MeshPeer) => {
  const address = await ip4Of(peer);
  await eventually(`${name} is ${address}`, async () => (await resolved(name)) === address);
};
const joinWork = async (label: string, home?: string): Promise<MeshPeer> => {
  const { token } = await workServer.createToken();
  const options = { server: workServer.url, token, network: "work", ...(home === undefined ? {} : { home }) };
  return MeshPeer.join(network.host(label), options);
};

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob", "carol");
  for (const label of ["alice", "bob", "carol"])
    await network.host(label).ip("route", "add", "default", "via", "192.0.2.1");
  untouched = await hostState(host());
  const args = ["--name", "work", "--domain", "work", "--network-cidr", "198.18.99.0/24"];
  workServer = await MeshServer.start(network.host("bob"), { publicUrl: "https://192.0.2.3:8443", args });
  [alice, bob, carol] = await Promise.all([network.join("alice"), network.join("bob"), joinWork("carol")]);
  aliceAtWork = await joinWork("alice", alice.home);
  await Promise.all([alice.reaches("bob"), aliceAtWork.reaches("carol")]);
});
afterAll(() => network[Symbol.asyncDispose]());

it("both carry traffic both ways, each by an interface and ports of its own", async () => {
  const [atHome, atWork] = await Promise.all([alice.status(), aliceAtWork.status()]);
  expect([atHome.interface, atHome.self?.listenPort]).toEqual(["mesh0", 51820]);
  expect([atWork.interface, atWork.self?.listenPort]).toEqual(["mesh1", 51821]);
  await pings(host(), await ip4Of(bob));
  await pings(bob.host, await ip4Of(alice));
  await pings(host(), await ip4Of(carol));
  await pings(carol.host, await ip4Of(aliceAtWork));
  expect((await host().must("wg", "show", "interfaces")).trim().split(" ").sort()).toEqual(["mesh0", "mesh1"]);
  expect([...atHome.warnings, ...atWork.warnings]).toEqual([]);
  // No address inside one mesh is told as a way to reach this machine in the other.
  for (const { self } of [atHome, atWork]) expect(self?.endpoints.join()).not.toMatch(/10\.86\.|198\.18\./);
});

it("the names of both are known to this host's programs, whichever has resolv.conf", async () => {
  await resolves("bob.mesh", bob);
  await resolves("carol.work", carol);
  const reverse = await host().must("getent", "hosts", await ip4Of(carol));
  expect(reverse).toContain("carol.work");
  expect((await alice.local.dns()).host).toMatchObject({ manager: "resolv.conf", inForce: true });
  expect((await aliceAtWork.local.dns()).host).toEqual({
    manager: "resolv.conf",
    inForce: true,
    reason: "the network mesh has resolv.conf, and asks this one for its names",
  });
});

it("`mesh context` lists and shows them, and says which one commands mean", async () => {
  expect(await contexts()).toMatchObject([
    { name: "mesh", current: false, state: "running", interface: "mesh0", ip4: await ip4Of(alice) },
    { name: "work", current: true, state: "running", interface: "mesh1", coordinator: workServer.url },
  ]);
  expect(await alice.mesh("context", "use", "mesh")).toBe("commands mean mesh from now on\n");
  expect(await meshJson(host(), alice.home, "status", "--self")).toMatchObject({ ip4: await ip4Of(alice) });
  const shown = (await meshJson(host(), alice.home, "context", "show", "work")) as ContextDetails;
  expect(shown).toMatchObject({ current: false, domain: "work", listenPort: 51821, sshPorts: [2223] });
  const unknown = await mesh("context", "use", "wrk");
  expect([unknown.status, unknown.stderr]).toEqual([5, expect.stringContaining("Did you mean work?")]);
  expect(codeOf(await mesh("--json", "context", "delete", "work", "--yes"))).toEqual([6, "already-running"]);
});

it("a network whose range another one has is refused, and neither token nor state is spent on it", async () => {
  await using twin = await MeshServer.start(network.host("carol"), {
    publicUrl: "https://192.0.2.4:8443",
    args: ["--name", "twin"],
  });
  const { token } = await twin.createToken({ uses: 1 });
  const refused = await mesh("--json", "join", token);
  expect(codeOf(refused)).toEqual([6, "range-conflict"]);
  expect(refused.stderr).toContain("of mesh, joined here too");
  expect((await contexts()).map(({ name }) => name)).toEqual(["mesh", "work"]);
  const tokens = (await meshJson(twin.host, twin.home, "token", "list")) as { usesLeft: number }[];
  expect(tokens.map(({ usesLeft }) => usesLeft)).toContain(1);
});

it("with an exit in one of them the other stays within reach, and no name is asked around it", async () => {
  await Promise.all([bob.local.offerExit(true), carol.local.offerExit(true)]);
  const offered = async (peer: MeshPeer, name: string) =>
    (await peer.local.exits()).exits.some((exit) => exit.name === name);
  await eventually("both exits are known", async () => {
    return (await offered(alice, "bob")) && (await offered(aliceAtWork, "carol"));
  });
  await aliceAtWork.local.useExit({ nodes: ["carol"] });
  await eventually("mesh asks work", async () => {
    const { routes } = await alice.local.dns();
    return routes.at(-1)?.reason === "the network work, whose exit is used";
  });
  await pings(host(), await ip4Of(bob));
  await pings(bob.host, await ip4Of(alice));
  await resolves("bob.mesh", bob);
  expect((await host().run("ping", "-c", "1", "-W", "1", "-I", "eth0", "192.0.2.4")).status).not.toBe(0);
  // Nothing but the ranges of the other network is open there.
  const { checks } = await aliceAtWork.local.checkExit();
  expect(checks.filter(({ what, ok }) => / by mesh0$/.test(what) && ok)).toHaveLength(2);
  const second = await mesh("--json", "exit", "use", "bob");
  expect(codeOf(second)).toEqual([6, "exit-guard-taken"]);
  expect(second.stderr).toContain("network work, interface mesh1");
  expect((await alice.status()).exit.nodes).toEqual([]);
  await aliceAtWork.local.useExit({ nodes: [] });
  await eventually("mesh asks by itself", async () => {
    const { routes } = await alice.local.dns();
    return routes.at(-1)?.reason.startsWith("this host's own");
  });
});

it("one goes down without touching what the other has changed on this host", async () => {
  await aliceAtWork.local.offerExit(true);
  await alice.local.offerExit(true);
  const carried = () => host().must("nft", "list", "table", "inet", "mesh-exit-mesh0");
  // What peers send by this exit gets into no other network of the machine, whatever its addresses.
  await eventually("work is spared", async () => (await carried()).includes("198.18.99.0/24"));
  expect((await mesh("--network", "work", "down")).status).toBe(0);
  await eventually("nothing of work is left", async () => {
    return !/mesh1|198\.18\./.test(JSON.stringify(await hostState(host())));
  });
  expect(await carried()).toContain("masquerade");
  await eventually("mesh forwards as before", async () => {
    return (await host().must("cat", "/proc/sys/net/ipv4/ip_forward")) === "1\n";
  });
  await pings(host(), await ip4Of(bob));
  await resolves("bob.mesh", bob);
  expect(await contexts()).toMatchObject([{ state: "running" }, { state: "stopped", interface: "mesh1" }]);

  aliceAtWork = await MeshPeer.up(aliceAtWork);
  await aliceAtWork.reaches("carol");
  await alice.local.offerExit(false);
  expect(await alice.stop()).toBe(0);
  // Who had resolv.conf has given it up: the other one takes it.
  await resolves("carol.work", carol);
  await pings(host(), await ip4Of(carol));
  expect((await aliceAtWork.local.dns()).host.reason).not.toContain("the network mesh");
  expect(await aliceAtWork.stop()).toBe(0);
  expect(await hostState(host())).toEqual(untouched);
});

it("a network without a daemon is deleted: its coordinator is told, and commands mean the other one", async () => {
  expect((await mesh("context", "use", "work")).status).toBe(0);
  const { stdout, status } = await mesh("--json", "context", "delete", "work", "--yes");
  expect([status, JSON.parse(stdout)]).toEqual([0, { network: "work", deleted: true, deregistered: true }]);
  await eventually("carol sees no alice", async () => (await carol.peer("alice")) === undefined);
  expect(await contexts()).toMatchObject([{ name: "mesh", current: true, state: "stopped" }]);
});
