import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { ExitNetwork, NOTHING, setNameServer, WEB } from "../support/lab/exit-network.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Not one packet to the web or to a name server goes around an exit, whatever happens; counted at the router of the host.
// One host, on which programs try all the time; the cases follow on each other.

let network: ExitNetwork;
let alice: MeshPeer;
let before: string;

const state = () =>
  network.alice.must(
    "sh",
    "-c",
    "(ip -4 rule; ip -6 rule; ip -4 route show table all; ip -6 route show table all | grep -v fe80) | grep -v mesh0; nft list tables; cat /proc/sys/net/ipv[46]/*fwmark* /proc/sys/net/ipv4/conf/all/src_valid_mark",
  );

/** What becomes of a TCP connection of alice's: the verdict, and every word of it. */
async function explain(to: string, port = 80) {
  const { verdict, by, carrier, reason, steps } = await alice.local.explain({
    ...{ from: null, to, protocol: "tcp", port, family: 4 },
  });
  return { verdict, by, carrier, reason, said: steps.map(({ detail }) => detail).join("\n") };
}

beforeAll(async () => {
  network = await ExitNetwork.open("carol", "dave");
  before = await state();
  alice = await network.join();
  await network.startLoad();
}, 90_000);
afterAll(() => network[Symbol.asyncDispose]());

it("without an exit all of it goes by the router", async () => {
  await network.leaked();
  await network.tried();
  const { web4, web6, dns } = await network.leaked();
  expect([web4! > 5, web6! > 5, dns! > 5]).toEqual([true, true, true]);
});

it("with one all of it goes by the exit, and nothing by a more specific route, an own address or the router's resolver", async () => {
  await eventually("the exits are known", async () => (await alice.local.exits()).exits.length === 2);
  await alice.mesh("exit", "use", "carol,dave");
  await network.leaked();
  await network.leavesBy("carol");
  await network.alice.ip("route", "add", "203.0.113.80/32", "via", "192.168.7.1");
  await network.alice.ip("-6", "route", "add", "2001:db8:80::80/128", "via", "2001:db8:7::1");
  await network.tried();
  expect(await network.seenBy("ipv4")).toBeUndefined();
  expect(await explain(WEB.ipv4)).toMatchObject({
    verdict: "blocked",
    by: "exit",
    reason: expect.stringContaining("its host sends it by eth0, where the guard keeps it in"),
  });
  await network.alice.ip("route", "delete", "203.0.113.80/32");
  await network.alice.ip("-6", "route", "delete", "2001:db8:80::80/128");
  await network.leavesBy("carol");
  for (const to of Object.values(WEB)) {
    const said = expect.stringContaining(
      "carol carries it as the exit in use: the first of carol (answers), dave (not asked)",
    );
    expect(await explain(to)).toMatchObject({ verdict: "delivered", carrier: "carol", said });
  }
  expect(await network.leaked()).toEqual(NOTHING);
  expect((await alice.status()).exit).toMatchObject({ using: "carol", families: ["ipv4", "ipv6"] });
});

describe("names of the internet", () => {
  const OF_CAROL = { ipv4: "203.0.113.11", ipv6: "2001:db8:80::11" } as const;
  const families = ["ipv4", "ipv6"] as const;
  const ways = [
    ["who.example", []],
    ["who.example", ["+tcp"]],
    ["long.example", []],
  ] as const;

  /** The host's programs ask the daemon, it the exit, and this one a name server of the internet. */
  const leaveBy = async (address: string) => {
    for (const [name, how] of ways) {
      const way = name === "long.example" ? "tcp" : "udp";
      expect([name, ...how, await network.askedBy(name, ...how)]).toEqual([name, ...how, `${way} ${address}`]);
    }
  };

  it("are asked of the daemon, and by it through the exit: of the network's servers, in either family", async () => {
    expect(await network.alice.must("cat", "/etc/resolv.conf")).toMatch(/^nameserver 127\.0\.0\.\d+\n(?!nameserver)/m);
    await network.leaked();
    for (const family of families) {
      await network.admin("dns", "servers", "set", WEB[family]);
      await eventually("the server is known", async () => (await alice.mesh("dns", "status")).includes(WEB[family]));
      await leaveBy(OF_CAROL[family]);
    }
    expect(await alice.mesh("dns", "status")).toContain("the network's, through the exit carol");
    await network.admin("dns", "servers", "unset");
    expect(await network.leaked()).toEqual(NOTHING);
  });

  it("without such of the exit's own name server, which asks those of its host", async () => {
    for (const family of families) {
      await setNameServer(network.exit("carol").host, WEB[family]);
      await eventually("the exit asks it", async () =>
        (await network.askedBy("who.example")).includes(OF_CAROL[family]),
      );
      await leaveBy(OF_CAROL[family]);
    }
    expect(await network.leaked()).toEqual(NOTHING);
  });
});

it("the leak test says so, with what it saw, and finds a guard that was taken away", async () => {
  const { ok, checks } = await alice.local.checkExit();
  const said = new Map(checks.map(({ what, ...item }) => [what, item]));
  expect(said.get("guard")).toMatchObject({ ok: true });
  for (const family of ["IPv4", "IPv6"]) {
    expect(said.get(`${family} route`)).toMatchObject({ ok: true, evidence: expect.stringMatching(/by mesh0$/) });
    expect(said.get(`${family} by eth0`)).toMatchObject({ ok: true, evidence: expect.stringMatching(/EPERM|UNREACH/) });
  }
  const sees = "203.0.113.8 sees 203.0.113.11 through carol, 192.168.7.2 without";
  expect(said.get("address")).toEqual({ ok: true, evidence: sees });
  expect(ok).toBe(true);
  const { host } = alice;
  const table = await host.must("nft", "list", "table", "inet", "mesh-guard");
  await host.must("nft", "delete", "table", "inet", "mesh-guard");
  expect((await explain(WEB.ipv4)).said).toContain("the exit's guard is gone");
  await host.ip("route", "add", "192.0.2.0/24", "via", "192.168.7.1");
  await expect(alice.mesh("exit", "check")).rejects.toThrow("ended with 1");
  await host.runner("nft", ["-f", "-"], table);
  await host.ip("route", "delete", "192.0.2.0/24");
  await network.leaked();
});

it("nothing when the transports fall back, coordinator and relay being on the far side of the exit", async () => {
  const carol = network.exit("carol").host;
  await raiseWall(carol);
  await alice.reaches("carol");
  await eventually("carol is reached by SSH", async () => (await alice.peer("carol"))?.path?.transport === "ssh", {
    timeoutMs: 20_000,
  });
  await raiseWall(carol, "meta l4proto udp drop; tcp dport 2222");
  await eventually(
    "carol is reached by the relay",
    async () => (await alice.peer("carol"))?.path?.transport === "relay",
    { timeoutMs: 20_000 },
  );
  await dropWall(carol);
  expect(await network.leaked()).toEqual(NOTHING);
});

it("an exit that has --no-dns looks names up for its users all the same, and its own host is left alone", async () => {
  const dave = network.exit("dave");
  const conf = () => dave.host.must("cat", "/etc/resolv.conf");
  expect(await dave.stop()).toBe(0);
  await setNameServer(dave.host, WEB.ipv4);
  network.replace("dave", await MeshPeer.up(dave, ["--no-dns"]));
  await alice.mesh("exit", "use", "dave");
  await eventually("dave is asked", async () => (await network.askedBy("who.example")) === "udp 203.0.113.12");
  expect(await network.askedBy("long.example")).toBe("tcp 203.0.113.12");
  expect(await conf()).toBe(`nameserver ${WEB.ipv4}\n`);
  const { ip4 } = (await alice.peer("dave"))!;
  expect((await dave.host.run("dig", `@${ip4}`, "+tries=1", "+time=1", "dave.mesh")).status).not.toBe(0);
  expect(await network.exit("dave").mesh("dns", "status")).toContain("peers whose exit this machine is");
  await alice.mesh("exit", "use", "carol,dave");
  await network.leavesBy("carol");
  expect(await network.leaked()).toEqual(NOTHING);
});

it("nothing while an exit gives way to the next: one killed, one forbidden by an admin, none left, and back", async () => {
  await network.exit("carol").process.kill();
  await network.leavesBy("dave");
  expect((await alice.status()).exit.using).toBe("dave");
  expect((await explain(WEB.ipv4)).said).toContain("the first that answered of carol (silent), dave (answers)");
  await network.admin("exit", "forbid", "dave");
  await eventually("no exit is left", async () => (await alice.status()).exit.using !== "dave");
  await network.tried();
  expect(await network.seenBy("ipv4")).toBeUndefined();
  expect(await network.seenBy("ipv6")).toBeUndefined();
  expect((await alice.status()).warnings.join()).toContain("nothing leaves this machine but to peers");
  expect(await explain(WEB.ipv4)).toMatchObject({
    verdict: "blocked",
    by: "exit",
    reason: expect.stringMatching(
      /the exit carol does not answer, and nothing leaves around it|none of the exits asked for/,
    ),
  });
  await network.admin("exit", "allow", "dave");
  await network.leavesBy("dave");
  expect(await network.leaked()).toEqual(NOTHING);
});

it("nothing while the daemon is killed, gone and started again; who comes in is answered meanwhile", async () => {
  await alice.process.kill();
  await network.tried();
  expect(await network.seenBy("ipv4")).toBeUndefined();
  for (const address of ["192.168.7.2", "[2001:db8:7::2]"]) {
    expect((await network.web.run("curl", "-s", "--max-time", "2", `http://${address}/`)).status).toBe(0);
  }
  expect(await network.leaked()).toEqual(NOTHING);
  alice = await MeshPeer.up(alice);
  await network.leavesBy("dave");
  expect(await alice.stop()).toBe(0);
  await network.tried();
  expect(await network.leaked()).toEqual(NOTHING);
  alice = await MeshPeer.up(alice);
  await network.leavesBy("dave");
  expect(await network.leaked()).toEqual(NOTHING);
});

it("nothing while the host moves to another network", async () => {
  await network.roam();
  await network.leavesBy("dave");
  expect(await network.leaked()).toEqual(NOTHING);
  await network.roam();
  await network.leavesBy("dave");
  expect(await network.leaked()).toEqual(NOTHING);
});

it("leaves the local network within reach where that is asked for, and keeps a family in that the exit has not", async () => {
  const router = "192.168.7.1";
  expect(await explain(router)).toMatchObject({ verdict: "blocked", by: "exit" });
  await alice.local.useExit({ nodes: ["dave"], allowLan: true });
  const beside = await explain(router);
  expect(beside).toMatchObject({ verdict: "unreachable", by: "route", carrier: null });
  expect(beside.reason).toContain("by eth0, beside the exit: the local network stays within reach");
  expect((await network.alice.run("curl", "-s", "--max-time", "2", `http://${router}/`)).status).toBe(0);
  expect((await explain(router, 53)).reason).toContain("a name server of the local network would see");
  await alice.local.useExit({ nodes: ["dave"], allowLan: false });
  const dave = network.exit("dave").host;
  await dave.ip("-6", "route", "delete", "default");
  await eventually("dave has no IPv6", async () => (await alice.status()).exit.families.join() === "ipv4");
  expect(await explain(WEB.ipv6)).toMatchObject({
    verdict: "blocked",
    by: "exit",
    reason: expect.stringContaining("IPv6 goes nowhere: the exit dave has none"),
  });
  expect(await network.seenBy("ipv6")).toBeUndefined();
  await dave.ip("-6", "route", "add", "default", "via", "2001:db8:80::1");
  await network.leavesBy("dave");
  expect(await network.leaked()).toEqual(NOTHING);
});

it("a trial that nobody confirms goes back to what was before, over a daemon that is killed meanwhile", async () => {
  await alice.mesh("exit", "use", "off");
  expect(await network.seenBy("ipv4")).toBe("192.168.7.2");
  expect(await state()).toEqual(before);
  // What the order itself answers: two seconds may be over before another process asks.
  const trial = await alice.local.useExit({ nodes: ["dave"], confirmWithinSeconds: 2 });
  expect(trial.confirmBy).not.toBeNull();
  await eventually("the trial is over", async () => (await alice.status()).exit.confirmBy === null);
  expect((await alice.status()).exit.nodes).toEqual([]);
  expect(await state()).toEqual(before);
  await alice.mesh("exit", "use", "dave", "--confirm-within", "60s");
  await alice.mesh("exit", "confirm");
  await expect(alice.mesh("exit", "confirm")).rejects.toThrow(/no exit to confirm/);
  await alice.mesh("exit", "use", "off", "--confirm-within", "1s");
  await alice.process.kill();
  await network.tried();
  await network.tried();
  alice = await MeshPeer.up(alice);
  expect((await alice.status()).exit).toMatchObject({ nodes: ["dave"], confirmBy: null });
  await network.leavesBy("dave");
});

it("refuses what can be no exit, with nothing changed", async () => {
  const { nodes } = (await alice.status()).exit;
  for (const [exit, said] of [
    ["nobody", /no peer nobody/],
    ["alice", /this machine itself/],
    ["tag:none", /no peer has the tag none/],
    ["UPPER", /names no exits/],
  ] as const) {
    await expect(alice.mesh("exit", "use", exit)).rejects.toThrow(said);
  }
  expect((await alice.status()).exit.nodes).toEqual(nodes);
});

it("down takes all of it out", async () => {
  await alice.mesh("down");
  expect(await network.seenBy("ipv4")).toBe("192.168.7.2");
  expect(await state()).toEqual(before);
});

it("does not start where an exit cannot be used, with nothing changed", async () => {
  const { host, home } = alice;
  const refused = async (...args: string[]) => {
    const { status, stderr } = await runMesh(host, home, "up", "--exit-node", "dave", ...args);
    return { status, stderr: stderr.split("\n")[0] };
  };
  const mark = "an exit needs the firewall mark, which is switched off (--fwmark off)";
  expect(await refused("--fwmark", "off")).toEqual({ status: 6, stderr: `mesh: ${mark}` });
  expect(await refused("--exit-node", "alice", "--reset")).toEqual({
    status: 2,
    stderr: "mesh: alice is this machine itself",
  });
  await host.must("nft", 'table inet mesh-guard { comment "network other, interface mesh1"; }');
  const others = "the guard of another exit is in force on this host (network other, interface mesh1)";
  expect(await refused()).toEqual({ status: 6, stderr: expect.stringContaining(others) });
  await host.must("nft", "delete", "table", "inet", "mesh-guard");
  expect(await state()).toEqual(before);
});
