import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/api/explain.ts";
import { startDockerRules } from "../support/lab/docker-rules.ts";
import { eventually } from "../support/lab/eventually.ts";
import * as side from "../support/lab/exit-side.ts";
import { IPTABLES, iptablesOf } from "../support/lab/installed-packages.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// alice ── segment ── bob ─┬─ eth1, the internet: web 198.51.100.7, 2001:db8:100::7
//                          └─ eth2, a network behind bob: printer 192.168.50.7, fd50::7

const LAN = { 4: "192.168.50.0/24", 6: "fd50::/64" } as const;
const PRINTER = { 4: "192.168.50.7", 6: "fd50::7" } as const;
const BOB_THERE = { 4: "192.168.50.1", 6: "fd50::1" } as const;

const { WEB, ROUTER_OUTSIDE: BOB_OUTSIDE } = side;
const FAMILIES = [4, 6] as const;

let net: SmallNetwork;
let bobHost: LabHost;
let printer: LabHost;
let alice: MeshPeer;
let bob: MeshPeer;
/** Of bob's host, as it was before. */
let before: string;

/** All that we may change, without what changes by itself. */
async function stateOf(host: LabHost): Promise<string> {
  const script = [
    "nft -s list ruleset",
    "ip -4 route show table all",
    "ip -6 route show table all | grep -v fe80 | grep -v multicast",
    "ip rule; ip -6 rule",
    "grep -rs . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv[46]/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra",
    "cat /proc/sys/net/ipv4/conf/all/accept_redirects",
  ].join("; ");
  return host.must("sh", "-c", script);
}

const admin = (...args: string[]) => meshJson(net.serverHost, net.server.home, ...args);
const fails = async (peer: MeshPeer, ...args: string[]) => {
  const { status, stderr } = await runMesh(peer.host, peer.home, ...args, "--json");
  return { status, code: JSON.parse(stderr).error.code, message: JSON.parse(stderr).error.message };
};
const routesOf = async (peer: MeshPeer) =>
  (await meshJson(peer.host, peer.home, "routes")) as { cidr: string; inForce: boolean; detail: string }[];
const warnings = async (peer: MeshPeer) => (await peer.status()).warnings.join("\n");

/** What becomes of a TCP connection to port 80, from or to `peer` where one end is left out. */
const explain = (peer: MeshPeer, from: string | null, to: string | null): Promise<Explanation> =>
  peer.local.explain({ from, to, protocol: "tcp", port: 80, family: 4 });
const said = ({ steps }: Explanation) => steps.map(({ end, layer, detail }) => `${end} ${layer}: ${detail}`).join("\n");

const seenAt = (address: string) => side.seenAt(alice.host, address);
const reaches = (address: string, as: string) => side.reaches(alice.host, address, as);

beforeAll(async () => {
  net = await SmallNetwork.open("alice", "bob");
  bobHost = net.host("bob");
  await side.internetBehind(net, bobHost);
  printer = await side.networkBehind(net, bobHost, {
    label: "printer",
    device: "eth2",
    addresses: { router: ["192.168.50.1/24", "fd50::1/64"], host: ["192.168.50.7/24", "fd50::7/64"] },
  });
  before = await stateOf(bobHost);
  alice = await net.join("alice", { args: ["--accept-routes"] });
  bob = await net.join("bob", { args: ["--advertise-routes", `${LAN[4]},${LAN[6]}`] });
  await alice.reaches("bob");
});
afterAll(() => net[Symbol.asyncDispose]());

/** Ends bob's daemon as a user does, and starts it anew. */
async function bobAgain(...args: string[]): Promise<void> {
  await bob.mesh("down");
  bob = await MeshPeer.up(bob, args);
  await alice.reaches("bob");
}

describe("an exit", () => {
  /** Of bob's host, with a daemon that offers nothing. */
  let idle: string;

  it("is one as soon as it offers, and leads to the internet as itself, and to no network of its own", async () => {
    expect(await fails(alice, "exit", "use", "bob")).toMatchObject({ code: "exit-not-offered" });
    idle = await stateOf(bobHost);
    await bob.mesh("exit", "offer", "on");
    await eventually("alice knows", async () => (await alice.local.exits()).exits[0]?.families.length === 2);
    await alice.mesh("exit", "use", "bob");
    for (const family of FAMILIES) await reaches(WEB[family], BOB_OUTSIDE[family]);
    for (const family of FAMILIES) expect(await seenAt(PRINTER[family])).toBeUndefined();
    for (const family of FAMILIES) {
      const told = await explain(alice, null, WEB[family]);
      expect(told, said(told)).toMatchObject({ verdict: "delivered", carrier: "bob" });
      expect(said(told)).toMatch(/source exit: bob carries it as the exit in use: the only one asked for/);
      expect(said(told)).toMatch(/source route: .* leads to bob by mesh0, table 8326/);
      expect(said(told)).toMatch(/carrier exit: bob: it carries to the internet/);
      expect(said(told)).toMatch(/carrier route: the host of bob sends it on by eth1/);
      expect(await explain(alice, null, PRINTER[family])).toMatchObject({
        verdict: "blocked",
        by: "exit",
        carrier: null,
      });
    }
    expect(await alice.mesh("explain", `${WEB[4]}:80`)).toContain("port 80/tcp: delivered");
    expect((await bob.status()).exit.offering).toBe(true);
    expect(await stateOf(bobHost)).toContain("table inet mesh-exit-mesh0");
  });

  it("lets in nothing that was not asked for", async () => {
    const { ip4 } = (await alice.status()).self!;
    // A host of the internet, by whatever way, and bob for it: no port of alice's is there for them.
    await bobHost.ip("address", "add", "198.51.100.99/32", "dev", "lo");
    const from = ["--interface", "198.51.100.99", "--max-time", "1", "-s"];
    expect((await bobHost.run("curl", ...from, `http://${ip4}:51820/`)).status).not.toBe(0);
    await eventually("it is counted", async () => {
      const { dataPlane } = await alice.status();
      return (dataPlane?.drops["in-exit-unasked"] ?? 0) > 0;
    });
    // Either of the two says why; bob may be told, since alice's traffic goes by him.
    for (const peer of [alice, bob]) {
      const told = await explain(peer, "198.51.100.99", "alice");
      expect(told, said(told)).toMatchObject({ verdict: "blocked", by: "exit", carrier: "bob" });
      expect(told.reason).toContain("in-exit-unasked");
    }
    expect(await explain(bob, "alice", WEB[4])).toMatchObject({ verdict: "delivered", carrier: "bob" });
    await bobHost.ip("address", "delete", "198.51.100.99/32", "dev", "lo");
  });

  it("is none within a second of an admin's word, and one again by another", async () => {
    await admin("exit", "forbid", "bob");
    const forbiddenAt = performance.now();
    await eventually("bob is none", async () => !(await bob.local.status()).exit.offering);
    expect(performance.now() - forbiddenAt).toBeLessThan(1000);
    await eventually("the host is as it was", async () => (await stateOf(bobHost)) === idle);
    expect(await seenAt(WEB[4])).toBeUndefined();
    expect(await warnings(bob)).toContain("an admin forbids");
    const kept = await explain(alice, null, WEB[4]);
    expect(kept).toMatchObject({ verdict: "blocked", by: "exit", carrier: null });
    expect(kept.reason).toContain("bob (offers none)");
    await admin("exit", "allow", "bob");
    await reaches(WEB[4], BOB_OUTSIDE[4]);
    await bob.mesh("exit", "offer", "off");
    await eventually("the host is as it was", async () => (await stateOf(bobHost)) === idle);
    await alice.mesh("exit", "use", "off");
    const outside = await explain(alice, null, WEB[4]);
    expect(outside).toMatchObject({ verdict: "unreachable", by: "route", carrier: null });
    expect(outside.reason).toContain("no exit is in use");
    await expect(explain(bob, "alice", WEB[4])).rejects.toMatchObject({ code: "not-permitted" });
  });
});

describe("networks behind a peer", () => {
  it("are reached by nobody before an admin says so", async () => {
    await expect.poll(() => warnings(bob)).toContain(`mesh route approve bob ${LAN[4]}`);
    expect(await routesOf(alice)).toEqual([]);
    expect(await stateOf(bobHost)).toContain("ip_forward:0");
    expect(await seenAt(PRINTER[4])).toBeUndefined();
    for (const [args, code] of [
      [["route", "approve", "nobody", LAN[4]], "not-found"],
      [["route", "approve", "bob", "192.168.99.0/24"], "not-found"],
      [["route", "approve", "bob", "10.86.0.0/24"], "route-overlap"],
      [["route", "approve", "bob", "0.0.0.0/0"], "default-route-advertised"],
      [["route", "revoke", "bob", LAN[4]], "not-found"],
      [["exit", "forbid", "nobody"], "not-found"],
    ] as const) {
      const { stderr } = await runMesh(net.serverHost, net.server.home, ...args, "--json");
      expect(JSON.parse(stderr).error.code, args.join(" ")).toBe(code);
    }
  });

  it("are reached as the peer once they are approved, and no more at once when they are revoked", async () => {
    for (const family of FAMILIES) await admin("route", "approve", "bob", LAN[family]);
    for (const family of FAMILIES) await reaches(PRINTER[family], BOB_THERE[family]);
    expect((await routesOf(alice)).map(({ cidr, inForce }) => [cidr, inForce])).toEqual([
      [LAN[4], true],
      [LAN[6], true],
    ]);
    // A network that bob is attached to no more is warned of, and carried again as soon as it is there.
    expect(await warnings(bob)).not.toContain("is advertised, but");
    await bobHost.ip("link", "set", "eth2", "down");
    await expect
      .poll(() => warnings(bob))
      .toContain(`the network ${LAN[4]} is advertised, but this machine has no route`);
    await bobHost.ip("link", "set", "eth2", "up");
    await bobHost.ip("-6", "address", "replace", `${BOB_THERE[6]}/64`, "dev", "eth2", "nodad");
    for (const family of FAMILIES) await reaches(PRINTER[family], BOB_THERE[family]);
    await expect.poll(() => warnings(bob)).not.toContain("is advertised, but");
    // And no other network of bob's host.
    const ownSide = await alice.host.run("ip", "route", "get", "198.51.100.7");
    expect(ownSide.stdout).not.toContain("mesh0");
    await admin("route", "revoke", "bob", LAN[4]);
    const revokedAt = performance.now();
    await eventually("bob forwards no more", async () => (await seenAt(PRINTER[4])) === undefined);
    expect(performance.now() - revokedAt).toBeLessThan(3000);
    await admin("route", "approve", "bob", LAN[4]);
    await reaches(PRINTER[4], BOB_THERE[4]);
  });

  it("are reached as whoever it is without SNAT", async () => {
    await bobAgain("--no-snat-routes");
    const { ip4, ip6 } = (await alice.status()).self!;
    await printer.ip("route", "add", `${ip4}/32`, "via", BOB_THERE[4]);
    await printer.ip("-6", "route", "add", `${ip6}/128`, "via", BOB_THERE[6]);
    await reaches(PRINTER[4], ip4);
    await reaches(PRINTER[6], ip6);
    expect(said(await explain(alice, null, PRINTER[4]))).toMatch(/carrier route: bob: .* the sender's address/);
    // And who is there may start as well.
    expect(await printer.pings(ip4)).toBe(true);
    const back = await explain(alice, PRINTER[4], null);
    expect(back, said(back)).toMatchObject({ verdict: "delivered", carrier: "bob", source: { address: PRINTER[4] } });
    expect(said(back)).toContain("carrier route: the host of bob takes it by eth2");
    await bobAgain("--snat-routes");
  });

  it("leave the host as it was: after `down`, and after a kill and the next start", async () => {
    await reaches(PRINTER[4], BOB_THERE[4]);
    await bob.process.kill();
    expect(await stateOf(bobHost)).toContain("mesh-exit-mesh0");
    bob = await MeshPeer.up(bob, ["--advertise-routes", "off"]);
    await bob.mesh("down");
    expect(await stateOf(bobHost)).toBe(before);
    bob = await MeshPeer.up(bob, ["--advertise-routes", `${LAN[4]},${LAN[6]}`]);
    await reaches(PRINTER[4], BOB_THERE[4]);
  });

  it("are left aside where the local network has the same addresses, which is said by name", async () => {
    await alice.host.addStubNetwork("eth5", "192.168.50.200/24");
    await eventually("alice does without", async () => {
      const [route] = await routesOf(alice);
      return route?.inForce === false && route.detail.includes("eth5");
    });
    expect(await warnings(alice)).toContain(`${LAN[4]} behind bob is not reached`);
    const aside = await explain(alice, null, PRINTER[4]);
    expect(aside).toMatchObject({ verdict: "unreachable", by: "route" });
    expect(aside.reason).toMatch(/behind bob is not reached through it: it overlaps .* eth5/);
    await alice.host.ip("link", "delete", "eth5");
    await reaches(PRINTER[4], BOB_THERE[4]);
  });

  it("are refused at the start where they can be behind nobody", async () => {
    await bob.mesh("down");
    for (const [network, code, status] of [
      ["0.0.0.0/0", "default-route-advertised", 2],
      ["10.86.4.0/24", "route-overlap", 6],
      ["192.168.50.1/24", "bad-cidr", 2],
    ] as const) {
      expect(await fails(bob, "up", "--advertise-routes", network)).toMatchObject({ code, status });
    }
    expect(await stateOf(bobHost)).toBe(before);
    bob = await MeshPeer.up(bob);
    await reaches(PRINTER[4], BOB_THERE[4]);
  });
});

describe("a host whose own firewall forwards nothing", () => {
  const LEAVE_A_PLACE = `
    table ip filter {
      chain DOCKER-USER { return; }
      chain FORWARD { type filter hook forward priority filter; policy drop;
        jump DOCKER-USER; oifname "docker0" ct state related,established accept; iifname "docker0" accept; }
    }
    table ip6 filter {
      chain ufw6-user-forward { }
      chain ufw6-before-forward { ct state related,established accept; jump ufw6-user-forward; }
      chain ufw6-reject-forward { reject; }
      chain FORWARD { type filter hook forward priority filter; policy drop;
        jump ufw6-before-forward; jump ufw6-reject-forward; }
    }`;
  const STRANGER = `table ip guard {
    chain forward { type filter hook forward priority filter; policy drop; }
  }`;

  beforeAll(() => bob.mesh("down"));
  afterEach(async () => {
    await bobHost.must("nft", "flush", "ruleset");
    bobHost.install({});
  });

  it("lets it pass where it leaves a place, as docker's and ufw's do, and is as it was afterwards", async () => {
    await bobHost.runner("nft", ["-f", "-"], LEAVE_A_PLACE);
    const theirs = await stateOf(bobHost);
    bob = await MeshPeer.up(bob);
    for (const family of FAMILIES) await reaches(PRINTER[family], BOB_THERE[family]);
    const tag = 'comment "mesh-exit-mesh0"';
    expect(await bobHost.must("nft", "list", "chain", "ip", "filter", "DOCKER-USER")).toContain(tag);
    expect(await bobHost.must("nft", "list", "chain", "ip6", "filter", "ufw6-user-forward")).toContain(tag);
    expect(await warnings(bob)).not.toContain("firewall");
    await bob.mesh("down");
    expect(await stateOf(bobHost)).toBe(theirs);
  });

  it("lets it pass in the chain that Docker's own iptables made, also when all of ours was flushed", async () => {
    bobHost.install({ packages: IPTABLES, alternatives: iptablesOf("nft") });
    await startDockerRules(bobHost);
    const theirs = await stateOf(bobHost);
    bob = await MeshPeer.up(bob);
    for (const family of FAMILIES) await reaches(PRINTER[family], BOB_THERE[family]);
    const ours = "--comment mesh-exit-mesh0 -j ACCEPT";
    expect(await bobHost.must("iptables", "-S", "DOCKER-USER")).toContain(ours);
    await bobHost.must("ip6tables", "-F", "DOCKER-USER");
    await bobHost.must("nft", "delete", "table", "inet", "mesh-exit-mesh0");
    await eventually("it is back", async () => {
      const { stdout } = await bobHost.run("nft", "list", "table", "inet", "mesh-exit-mesh0");
      return stdout.includes("from_mesh") && (await bobHost.must("ip6tables", "-S", "DOCKER-USER")).includes(ours);
    });
    await bobHost.must("ip6tables", "-A", "DOCKER-USER", "-j", "RETURN");
    await reaches(PRINTER[6], BOB_THERE[6]);
    await bob.process.kill();
    await bob.mesh("undo");
    expect(await stateOf(bobHost)).toBe(theirs);
  });

  it("is named where it leaves none, and stays as it is", async () => {
    await bobHost.runner("nft", ["-f", "-"], STRANGER);
    bob = await MeshPeer.up(bob);
    await expect.poll(() => warnings(bob), { timeout: 10_000 }).toContain("table ip guard, chain forward: policy drop");
    expect(await seenAt(PRINTER[4])).toBeUndefined();
    await reaches(PRINTER[6], BOB_THERE[6]);
    const told = await explain(alice, null, PRINTER[4]);
    expect(told).toMatchObject({ verdict: "blocked", by: "host-firewall", carrier: "bob" });
    expect(told.reason).toContain("the firewall of bob's host drops it: it has a rule");
    expect((await explain(bob, "alice", PRINTER[4])).reason).toContain("table ip guard, chain forward: policy drop");
    expect(await explain(alice, null, PRINTER[6])).toMatchObject({ verdict: "delivered" });
    expect(await bobHost.must("nft", "list", "table", "ip", "guard")).not.toContain("mesh0");
  });
});
