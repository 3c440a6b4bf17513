import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Explanation, explanationSchema } from "../../src/api/explain.ts";
import { servePorts } from "../support/lab/connections.ts";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

/** Alice is an admin, bob and dave are not; carol is in a CIDR of her own. Everybody serves 8001 and 8002, TCP and UDP. */
describe("mesh explain", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let carol: MeshPeer;
  let dave: MeshPeer;
  let address: Record<string, { readonly ip4: string; readonly ip6: string }>;
  const undo: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol", "dave");
    for (const host of network.hosts) await servePorts(host, 8001, 8002);
    await admin("cidr", "add", "guests", "10.86.128.0/20");
    const { token: adminToken } = await network.server.createToken({ admin: true });
    const { token: guestToken } = await network.server.createToken({ cidr: "guests" });
    [alice, bob, carol, dave] = await Promise.all([
      network.join("alice", { token: adminToken }),
      network.join("bob"),
      network.join("carol", { token: guestToken }),
      network.join("dave"),
    ]);
    address = {};
    for (const peer of [alice, bob, carol, dave]) {
      const { self } = await peer.status();
      address[peer.host.label] = { ip4: self!.ip4, ip6: self!.ip6 };
    }
    for (const peer of [alice, dave]) await peer.reaches("bob");
    await alice.reaches("dave");
  });
  afterAll(() => network[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const each of undo.splice(0).reverse()) await each();
  });

  const admin = async (...args: string[]) => {
    const { status, stderr } = await runMesh(network.serverHost, network.server.home, ...args);
    expect([status, stderr]).toEqual([0, ""]);
  };

  async function explain(from: MeshPeer, ...words: string[]): Promise<Explanation & { readonly exit: number }> {
    const args = words[0] === "filter" ? words : ["explain", ...words];
    const { status, stdout, stderr } = await runMesh(from.host, from.home, ...args, "--json");
    expect(stderr).toBe("");
    return { ...explanationSchema.parse(JSON.parse(stdout)), exit: status };
  }
  const stepOf = ({ steps }: Explanation, layer: string, end: string) =>
    steps.find((one) => one.layer === layer && one.end === end);

  /** Whether curl gets the page. */
  async function fetches(from: MeshPeer, host: string, port: number): Promise<boolean> {
    return (await from.host.run("curl", "-sS", "-g", "-m", "1.5", `http://${host}:${port}/`)).status === 0;
  }
  async function echoes(from: MeshPeer, host: string, port: number): Promise<boolean> {
    return (await from.host.run("sh", "-c", `echo hello | nc -u -w 1 ${host} ${port}`)).stdout === "hello\n";
  }
  async function addRule(peer: MeshPeer, ...flags: string[]): Promise<string> {
    const { id } = (await meshJson(peer.host, peer.home, "filter", "add", ...flags)) as { id: string };
    undo.push(() => peer.mesh("filter", "remove", id));
    return id;
  }
  async function nft(peer: MeshPeer, hook: "input" | "output", rule: string): Promise<void> {
    await peer.host.must("nft", "add table inet site");
    undo.push(() => peer.host.must("nft", "delete table inet site"));
    await peer.host.must("nft", `add chain inet site guard { type filter hook ${hook} priority 0; policy accept; }`);
    await peer.host.must("nft", `add rule inet site guard ${rule}`);
  }

  it("tells of a delivered connection every layer at both ends: TCP, UDP, ping, IPv4 and IPv6", async () => {
    const tcp = await explain(alice, "bob:8001");
    expect(tcp).toMatchObject({ verdict: "delivered", by: null, exit: 0, protocol: "tcp", port: 8001 });
    expect(tcp.steps.map(({ end, layer, ok, known }) => [end, layer, ok, known || layer === "mtu"])).toEqual([
      ["source", "dns", true, true],
      ["source", "route", true, true],
      ["source", "host-firewall", true, true],
      ["source", "acl", true, true],
      ["source", "filter", true, true],
      ["source", "connection", true, true],
      ["source", "session", true, true],
      ["source", "path", true, true],
      ["source", "mtu", true, true],
      ["destination", "acl", true, true],
      ["destination", "filter", true, true],
      ["destination", "connection", true, true],
      ["destination", "host-firewall", true, true],
    ]);
    expect(stepOf(tcp, "route", "source")?.detail).toBe(`${address.bob!.ip4}/32 leads to bob by mesh0`);
    expect(stepOf(tcp, "path", "source")?.detail).toMatch(/^udp .*:\d+, [\d.]+ ms/);
    expect(await fetches(alice, address.bob!.ip4, 8001)).toBe(true);
    expect(await explain(alice, "bob:8001/udp")).toMatchObject({ verdict: "delivered", exit: 0 });
    expect(await echoes(alice, address.bob!.ip4, 8001)).toBe(true);
    expect(await explain(alice, "-6", "bob")).toMatchObject({ verdict: "delivered", protocol: "icmp" });
    expect(await alice.host.pings(address.bob!.ip6)).toBe(true);
    expect(await explain(alice, `[${address.bob!.ip6}]:8001/tcp`)).toMatchObject({ verdict: "delivered" });
    expect(await fetches(alice, `[${address.bob!.ip6}]`, 8001)).toBe(true);
    expect(await alice.mesh("explain", "bob.mesh:8001")).toContain("port 8001/tcp: delivered");
  });

  it("leaves no trace: no hit, no connection", async () => {
    const id = await addRule(bob, "--port", "8002", "--action", "deny");
    const before = await bob.local.filter();
    expect(await explain(alice, "bob:8002")).toMatchObject({ verdict: "blocked", by: "filter" });
    expect(await bob.local.filter()).toEqual(before);
    expect(before.rules.find((rule) => rule.id === id)?.hits).toBe(0);
  });

  it("names the rule of the other end to an admin, and its layer to anybody", async () => {
    const id = await addRule(bob, "--port", "8001", "--protocol", "tcp", "--action", "deny");
    const told = await explain(alice, "bob:8001");
    expect(told).toMatchObject({ verdict: "blocked", by: "filter", exit: 1 });
    expect(stepOf(told, "filter", "destination")?.rule).toEqual({ id, text: "deny in tcp 8001 from any to any" });
    const hidden = await explain(dave, "filter", "test", "--to", "bob", "--protocol", "tcp", "--port", "8001");
    expect(hidden).toMatchObject({ verdict: "blocked", by: "filter", exit: 1 });
    expect(stepOf(hidden, "filter", "destination")).toMatchObject({ rule: null });
    expect(hidden.reason).toContain("a rule of the layer local");
    expect(JSON.stringify(hidden)).not.toContain(id);
    for (const peer of [alice, dave]) {
      expect(await fetches(peer, address.bob!.ip4, 8001)).toBe(false);
      expect(await explain(peer, "bob:8001/udp")).toMatchObject({ verdict: "delivered" });
      expect(await echoes(peer, address.bob!.ip4, 8001)).toBe(true);
    }
  });

  it("tells a peer rules as soon as it is an admin, and no longer than that", async () => {
    const id = await addRule(bob, "--port", "8001", "--action", "deny");
    const ruleTold = async () => stepOf(await explain(dave, "bob:8001"), "filter", "destination")?.rule?.id;
    await admin("peer", "set-admin", "dave", "on");
    await eventually("bob tells dave", async () => (await ruleTold()) === id);
    await admin("peer", "set-admin", "dave", "off");
    await eventually("bob tells dave no more", async () => (await ruleTold()) === undefined);
  });

  it("tells an admin of two others, and nobody else", async () => {
    const id = await addRule(bob, "--port", "8001", "--action", "reject", "--source-peer", "dave");
    const told = await explain(alice, "dave", "bob:8001");
    expect(told).toMatchObject({ verdict: "blocked", by: "filter", source: { name: "dave" } });
    expect(stepOf(told, "filter", "destination")?.rule?.id).toBe(id);
    expect(stepOf(told, "filter", "source")).toMatchObject({ ok: true, known: true });
    expect(await fetches(dave, address.bob!.ip4, 8001)).toBe(false);
    expect(await explain(bob, "dave", "bob:8001")).toMatchObject({ verdict: "blocked", by: "filter" });
    const { status, stderr } = await runMesh(dave.host, dave.home, "explain", "alice", "bob:8001");
    expect([status, stderr]).toEqual([4, expect.stringContaining("tell admins only")]);
  });

  it("names the rule of this machine for what it sends", async () => {
    const id = await addRule(alice, "--direction", "out", "--port", "8002", "--action", "reject", "--dest-peer", "bob");
    const told = await explain(alice, "bob:8002");
    expect(told).toMatchObject({ verdict: "blocked", by: "filter" });
    expect(stepOf(told, "filter", "source")?.rule?.id).toBe(id);
    expect(await fetches(alice, address.bob!.ip4, 8002)).toBe(false);
    await alice.mesh("filter", "default", "deny");
    undo.push(() => alice.mesh("filter", "default", "--unset"));
    expect(await explain(dave, "alice")).toMatchObject({ verdict: "blocked", by: "filter" });
    expect(await dave.host.pings(address.alice!.ip4)).toBe(false);
    expect(await explain(alice, "dave")).toMatchObject({ verdict: "delivered" });
    expect(await alice.host.pings(address.dave!.ip4)).toBe(true);
  });

  it("knows the rules of the network, which stop it at the source already", async () => {
    const flags = ["--scope", "network", "--port", "8002", "--action", "deny", "--dest-peer", "bob"];
    const { id } = (await meshJson(alice.host, alice.home, "filter", "add", ...flags)) as { id: string };
    undo.push(() => alice.mesh("filter", "remove", id, "--scope", "network"));
    const told = await eventually("dave knows the rule", async () => {
      const one = await explain(dave, "bob:8002");
      return one.by === "filter" && one;
    });
    expect(stepOf(told, "filter", "source")).toMatchObject({
      ok: false,
      detail: expect.stringContaining("coordinator"),
    });
    expect(stepOf(told, "filter", "destination")).toMatchObject({ ok: false, rule: null });
    expect(await fetches(dave, address.bob!.ip4, 8002)).toBe(false);
  });

  it("tells what the firewalls of the hosts drop", async () => {
    await nft(alice, "output", `ip daddr ${address.bob!.ip4} tcp dport 8001 drop`);
    const near = await explain(alice, "bob:8001");
    expect(near).toMatchObject({ verdict: "blocked", by: "host-firewall" });
    expect(near.reason).toContain("table inet site, chain guard: rule");
    expect(await fetches(alice, address.bob!.ip4, 8001)).toBe(false);
    expect(await explain(alice, "bob:8002")).toMatchObject({ verdict: "delivered" });
    expect(await fetches(alice, address.bob!.ip4, 8002)).toBe(true);
    await nft(dave, "input", 'iifname "mesh*" meta l4proto icmp drop');
    expect(await explain(bob, "dave")).toMatchObject({ verdict: "blocked", by: "host-firewall" });
    expect(await bob.host.pings(address.dave!.ip4)).toBe(false);
  });

  it("knows a name that nobody has from a peer that CIDRs keep apart, as far as the asker may", async () => {
    expect(await explain(alice, "nobody:8001")).toMatchObject({ verdict: "unreachable", by: "dns", exit: 5 });
    expect(await explain(alice, "198.51.100.7")).toMatchObject({ verdict: "unreachable", by: "route", exit: 1 });
    const foreign = await explain(alice, "www.example.com:443");
    expect(foreign).toMatchObject({ verdict: "unreachable", by: "dns", exit: 5 });
    expect(foreign.reason).toContain("mesh dns query www.example.com");
    const hidden = await explain(alice, "carol:8001");
    expect(hidden).toMatchObject({ verdict: "blocked", by: "acl", exit: 1 });
    expect(hidden.reason).toBe("carol is in the CIDR guests, which members does not see");
    expect(await explain(dave, "carol:8001")).toMatchObject({ verdict: "unreachable", by: "dns", exit: 5 });
    expect(await explain(dave, `${address.carol!.ip4}:8001`)).toMatchObject({ verdict: "blocked", by: "acl", exit: 1 });
    for (const peer of [alice, dave]) expect(await fetches(peer, address.carol!.ip4, 8001)).toBe(false);
    const { status } = await runMesh(alice.host, alice.home, "explain", "alice");
    expect(status).toBe(2);
  });

  it("tells who may start over a one-way association", async () => {
    await admin("association", "add", "members", "guests", "--one-way");
    undo.push(() => admin("association", "delete", "members", "guests"));
    await eventually("dave reaches carol", () => dave.host.pings(address.carol!.ip4));
    expect(await explain(dave, "carol:8001")).toMatchObject({ verdict: "delivered" });
    expect(await fetches(dave, address.carol!.ip4, 8001)).toBe(true);
    const back = await explain(carol, "dave:8001");
    expect(back).toMatchObject({ verdict: "blocked", by: "acl", exit: 1 });
    expect(back.reason).toContain("one-way");
    expect(stepOf(back, "acl", "destination")?.ok).toBe(false);
    expect(await fetches(carol, address.dave!.ip4, 8001)).toBe(false);
  });

  it("tells of a peer that is away", async () => {
    await bob.stop();
    const told = await explain(alice, "bob:8001");
    expect(told).toMatchObject({ verdict: "unreachable", exit: 1 });
    expect(["session", "path"]).toContain(told.by);
    expect(stepOf(told, "filter", "destination")).toMatchObject({ ok: true, known: false });
    expect(await fetches(alice, address.bob!.ip4, 8001)).toBe(false);
  });
});
