import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { callersAddress, serveCallersAddress } from "../support/lab/web-host.ts";

// alice ── segment ── bob ─┬─ eth1, the internet: web 198.51.100.7, 2001:db8:100::7
//                          └─ eth2, a network behind bob: printer 192.168.50.7, fd50::7

const LAN = { 4: "192.168.50.0/24", 6: "fd50::/64" } as const;
const PRINTER = { 4: "192.168.50.7", 6: "fd50::7" } as const;
const BOB_THERE = { 4: "192.168.50.1", 6: "fd50::1" } as const;

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

beforeAll(async () => {
  net = await SmallNetwork.open("alice", "bob");
  bobHost = net.host("bob");
  printer = await net.lab.host("printer");
  const lan = await net.lab.segment("lan");
  await lan.attach(bobHost, "eth2", ["192.168.50.1/24", "fd50::1/64"]);
  await lan.attach(printer, "eth0", ["192.168.50.7/24", "fd50::7/64"]);
  await serveCallersAddress(printer);
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

const reaches = (address: string, as: string) =>
  eventually(`alice comes to ${address} as ${as}`, async () => (await callersAddress(alice.host, address)) === as, {
    timeoutMs: 20_000,
  });

describe("networks behind a peer", () => {
  it("are reached by nobody before an admin says so", async () => {
    await expect.poll(() => warnings(bob)).toContain(`mesh route approve bob ${LAN[4]}`);
    expect(await routesOf(alice)).toEqual([]);
    expect(await stateOf(bobHost)).toContain("ip_forward:0");
    expect(await callersAddress(alice.host, PRINTER[4])).toBeUndefined();
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
    for (const family of [4, 6] as const) await admin("route", "approve", "bob", LAN[family]);
    for (const family of [4, 6] as const) await reaches(PRINTER[family], BOB_THERE[family]);
    expect((await routesOf(alice)).map(({ cidr, inForce }) => [cidr, inForce])).toEqual([
      [LAN[4], true],
      [LAN[6], true],
    ]);
    // And no other network of bob's host.
    const ownSide = await alice.host.run("ip", "route", "get", "198.51.100.7");
    expect(ownSide.stdout).not.toContain("mesh0");
    await admin("route", "revoke", "bob", LAN[4]);
    const revokedAt = performance.now();
    await eventually("bob forwards no more", async () => (await callersAddress(alice.host, PRINTER[4])) === undefined);
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
  const DOCKER_LIKE = `table ip filter {
    chain DOCKER-USER { return; }
    chain DOCKER { }
    chain FORWARD { type filter hook forward priority filter; policy drop;
      jump DOCKER-USER; oifname "docker0" ct state related,established accept; iifname "docker0" accept; }
  }`;
  const UFW_LIKE = `table ip filter {
    chain ufw-user-forward { }
    chain ufw-before-forward { ct state related,established accept; jump ufw-user-forward; }
    chain ufw-reject-forward { reject; }
    chain FORWARD { type filter hook forward priority filter; policy drop;
      jump ufw-before-forward; jump ufw-reject-forward; }
  }`;
  const STRANGER = `table ip guard {
    chain forward { type filter hook forward priority filter; policy drop; }
  }`;

  beforeEach(() => bob.mesh("down"));
  afterEach(async () => {
    await bobHost.run("nft", "flush", "ruleset");
    await bobAgain();
    await reaches(PRINTER[4], BOB_THERE[4]);
  });

  it.each([
    ["docker's", DOCKER_LIKE, "DOCKER-USER"],
    ["ufw's", UFW_LIKE, "ufw-user-forward"],
  ])("lets it pass where it leaves a place, as %s does, and is as it was afterwards", async (_, ruleset, chain) => {
    await bobHost.runner("nft", ["-f", "-"], ruleset);
    const theirs = await stateOf(bobHost);
    bob = await MeshPeer.up(bob);
    await reaches(PRINTER[4], BOB_THERE[4]);
    expect(await bobHost.must("nft", "list", "chain", "ip", "filter", chain)).toContain('comment "mesh-exit-mesh0"');
    expect(await warnings(bob)).not.toContain("firewall");
    await bob.process.kill();
    bob = await MeshPeer.up(bob);
    await reaches(PRINTER[4], BOB_THERE[4]);
    await bob.mesh("down");
    expect(await stateOf(bobHost)).toBe(theirs);
    bob = await MeshPeer.up(bob);
  });

  it("is named where it leaves none, and stays as it is", async () => {
    await bobHost.runner("nft", ["-f", "-"], STRANGER);
    bob = await MeshPeer.up(bob);
    await expect.poll(() => warnings(bob), { timeout: 10_000 }).toContain("table ip guard, chain forward: policy drop");
    expect(await callersAddress(alice.host, PRINTER[4])).toBeUndefined();
    await reaches(PRINTER[6], BOB_THERE[6]);
    expect(await bobHost.must("nft", "list", "table", "ip", "guard")).not.toContain("mesh0");
  });
});
