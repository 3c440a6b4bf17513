import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FilterEntry } from "../../src/api/local-filter.ts";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

const SERVICE = fileURLToPath(new URL("../support/lab/port-service.mjs", import.meta.url));
const REFUSED = 7;
const TIMED_OUT = 28;
/** Of timeout(1). */
const TIMED_OUT_BY_TIMEOUT = 124;

/** Alice filters; bob and carol are her peers. Everybody serves 8001 and 8002 over TCP and UDP. */
describe("the packet filter", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let carol: MeshPeer;
  /** Inner addresses. */
  let address: Record<string, { readonly ip4: string; readonly ip6: string }>;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    for (const host of network.hosts) {
      const service = await host.start(process.execPath, [SERVICE, "8001", "8002"]);
      await service.waitForOutput(/listening/);
    }
    await admin("cidr", "add", "guests", "10.86.128.0/20");
    await admin("association", "add", "members", "guests");
    const { token } = await network.server.createToken("--cidr", "guests");
    [alice, bob, carol] = await Promise.all([
      network.join("alice"),
      network.join("bob"),
      network.join("carol", { token }),
    ]);
    address = {};
    for (const peer of [alice, bob, carol]) {
      const { self } = await peer.status();
      address[peer.host.label] = { ip4: self!.ip4, ip6: self!.ip6 };
    }
    for (const peer of [bob, carol]) {
      await peer.reaches("alice");
      await alice.reaches(peer.host.label);
    }
  });
  afterAll(() => network[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const { id, layer } of await rules()) if (layer === "local") await alice.mesh("filter", "remove", id);
    await alice.mesh("filter", "default", "--unset");
  });

  const admin = async (...args: string[]) => {
    const { status, stderr } = await runMesh(network.serverHost, network.server.home, ...args);
    expect([status, stderr]).toEqual([0, ""]);
  };
  const rules = async () => (await meshJson(alice.host, alice.home, "filter", "list")) as FilterEntry[];
  const add = async (...flags: string[]) =>
    (await meshJson(alice.host, alice.home, "filter", "add", ...flags)) as FilterEntry;

  /** Both addresses of a host, as they stand in a URL. */
  const hostsOf = (name: string) => [address[name]!.ip4, `[${address[name]!.ip6}]`];

  /** How curl ends, over IPv4 and over IPv6. */
  const fetches = (from: LabHost, to: string, port: number) =>
    Promise.all(
      hostsOf(to).map(
        async (host) => (await from.run("curl", "-sS", "-g", "-m", "1.5", `http://${host}:${port}/`)).status,
      ),
    );
  const echoes = (from: LabHost, to: string, port: number) =>
    Promise.all(
      [address[to]!.ip4, address[to]!.ip6].map(async (host) => {
        const said = await from.run("sh", "-c", `echo hello | nc -u -w 1 ${host} ${port}`);
        return said.stdout === "hello\n";
      }),
    );
  const pings = (from: LabHost, to: string) =>
    Promise.all([address[to]!.ip4, address[to]!.ip6].map((host) => from.pings(host)));

  it("is open without rules", async () => {
    expect(await fetches(bob.host, "alice", 8001)).toEqual([0, 0]);
    expect(await echoes(bob.host, "alice", 8001)).toEqual([true, true]);
    expect(await rules()).toEqual([]);
  });

  it("denies and rejects what comes in, each port by itself", async () => {
    const deny = await add("--port", "8001", "--protocol", "tcp", "--action", "deny");
    expect(deny).toMatchObject({ layer: "local", action: "deny", direction: "in", protocol: "tcp", ports: "8001" });
    await add("--port", "8002", "--action", "reject");
    expect(await fetches(bob.host, "alice", 8001)).toEqual([TIMED_OUT, TIMED_OUT]);
    expect(await fetches(bob.host, "alice", 8002)).toEqual([REFUSED, REFUSED]);
    expect(await echoes(bob.host, "alice", 8001)).toEqual([true, true]);
    expect(await echoes(bob.host, "alice", 8002)).toEqual([false, false]);
    const { hits } = (await rules()).find(({ id }) => id === deny.id)!;
    // A SYN and what repeats it, in each family.
    expect(hits).toBeGreaterThanOrEqual(2);
    expect((await alice.status()).dataPlane?.drops["in-filtered"]).toBeGreaterThan(hits);
  });

  it("denies and rejects what goes out, to one peer", async () => {
    await add("--direction", "out", "--port", "8001", "--action", "deny", "--dest-peer", "bob");
    await add("--direction", "out", "--port", "8002", "--action", "reject", "--dest-peer", "bob");
    await add("--direction", "out", "--protocol", "icmp", "--action", "reject", "--dest-peer", "bob");
    expect(await fetches(alice.host, "bob", 8001)).toEqual([TIMED_OUT, TIMED_OUT]);
    expect(await fetches(alice.host, "bob", 8002)).toEqual([REFUSED, REFUSED]);
    expect(await pings(alice.host, "bob")).toEqual([false, false]);
    expect(await fetches(alice.host, "carol", 8001)).toEqual([0, 0]);
    expect(await fetches(bob.host, "alice", 8001)).toEqual([0, 0]);
  });

  it("lets replies of TCP, UDP and ping in where it denies the rest, and what a rule allows", async () => {
    await alice.mesh("filter", "default", "deny");
    expect(await fetches(alice.host, "bob", 8001)).toEqual([0, 0]);
    expect(await echoes(alice.host, "bob", 8001)).toEqual([true, true]);
    expect(await pings(alice.host, "bob")).toEqual([true, true]);
    expect(await fetches(bob.host, "alice", 8001)).toEqual([TIMED_OUT, TIMED_OUT]);
    expect(await echoes(bob.host, "alice", 8001)).toEqual([false, false]);
    expect(await pings(bob.host, "alice")).toEqual([false, false]);
    // Told by the ICMP error that nobody listens there, long before its time is over.
    const asking = `echo hello | timeout 15 nc -u -w 30 ${address.bob!.ip4} 8003`;
    expect((await alice.host.run("sh", "-c", asking)).status).not.toBe(TIMED_OUT_BY_TIMEOUT);
    await add("--port", "8001", "--action", "allow", "--source-cidr", `${address.bob!.ip4}/32`);
    expect(await fetches(bob.host, "alice", 8001)).toEqual([0, TIMED_OUT]);
    expect(await fetches(carol.host, "alice", 8001)).toEqual([TIMED_OUT, TIMED_OUT]);
  });

  it("keeps a rule for one peer to that peer", async () => {
    await add("--action", "reject", "--protocol", "any", "--source-peer", "bob");
    expect(await fetches(bob.host, "alice", 8001)).toEqual([REFUSED, REFUSED]);
    expect(await pings(bob.host, "alice")).toEqual([false, false]);
    expect(await fetches(carol.host, "alice", 8001)).toEqual([0, 0]);
    expect(await pings(carol.host, "alice")).toEqual([true, true]);
    expect(await fetches(alice.host, "bob", 8001)).toEqual([0, 0]);
  });

  it("has deny outweigh allow, and says that an allow rule changes nothing", async () => {
    const { stderr } = await runMesh(alice.host, alice.home, "filter", "add", "--port", "8001", "--action", "allow");
    expect(stderr).toContain("changes nothing");
    await add("--port", "8000-8001", "--action", "reject");
    expect(await fetches(bob.host, "alice", 8001)).toEqual([REFUSED, REFUSED]);
  });

  it("cuts a live connection when rules change", async () => {
    const url = `http://${address.alice!.ip4}:8001/drip`;
    const stream = await bob.host.start("curl", ["-sS", "-N", "--speed-limit", "1", "--speed-time", "3", url]);
    await stream.waitForOutput(/drip/);
    await add("--port", "8001", "--action", "deny");
    expect(await stream.exited).toBe(TIMED_OUT);
    expect(await fetches(bob.host, "alice", 8002)).toEqual([0, 0]);
  });

  it("keeps local rules over a restart, and drops them in their time", async () => {
    const kept = await add("--port", "8001", "--action", "reject", "--comment", "until it is removed");
    const brief = await add("--port", "8002", "--action", "reject", "--ttl", "15s");
    const expired = await add("--port", "8009", "--action", "reject", "--ttl", "1s");
    expect(await alice.stop()).toBe(0);
    alice = await MeshPeer.up(alice);
    await bob.reaches("alice");
    await eventually("bob's session is up", async () => (await pings(bob.host, "alice")).every(Boolean));
    const after = await rules();
    expect(after.map(({ id }) => id)).toEqual([kept.id, brief.id]);
    expect(after.map(({ id }) => id)).not.toContain(expired.id);
    expect(after[0]).toMatchObject({ comment: "until it is removed", expiresAt: null });
    expect(after[1]!.expiresAt).toBe(brief.expiresAt);
    expect(await fetches(bob.host, "alice", 8001)).toEqual([REFUSED, REFUSED]);
    expect(await fetches(bob.host, "alice", 8002)).toEqual([REFUSED, REFUSED]);
    await eventually("the rule is gone", async () => (await rules()).length === 1, { timeoutMs: 20_000 });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(brief.expiresAt!));
    expect(await fetches(bob.host, "alice", 8002)).toEqual([0, 0]);
    expect(await fetches(bob.host, "alice", 8001)).toEqual([REFUSED, REFUSED]);
  });

  it("keeps a one-way association to its way, with an open filter at both ends", async () => {
    await admin("association", "delete", "members", "guests");
    await admin("association", "add", "members", "guests", "--one-way");
    await eventually("alice reaches carol", async () => (await pings(alice.host, "carol")).every(Boolean));
    expect(await fetches(alice.host, "carol", 8001)).toEqual([0, 0]);
    expect(await echoes(alice.host, "carol", 8001)).toEqual([true, true]);
    expect(await fetches(carol.host, "alice", 8001)).toEqual([REFUSED, REFUSED]);
    expect(await pings(carol.host, "alice")).toEqual([false, false]);
    expect(await echoes(carol.host, "alice", 8001)).toEqual([false, false]);
    expect((await carol.status()).dataPlane?.drops["out-one-way"]).toBeGreaterThanOrEqual(6);
  });

  it("drops a packet with another peer's source, and counts it", async () => {
    const before = (await alice.status()).dataPlane?.drops["in-spoofed-source"] ?? 0;
    await bob.host.ip("address", "add", `${address.carol!.ip4}/32`, "dev", "mesh0");
    await bob.host.run("ping", "-n", "-c", "2", "-W", "1", "-I", address.carol!.ip4, address.alice!.ip4);
    await bob.host.ip("address", "del", `${address.carol!.ip4}/32`, "dev", "mesh0");
    expect((await alice.status()).dataPlane?.drops["in-spoofed-source"]).toBe(before + 2);
  });

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
    for (const [code, exit, ...args] of refusals) {
      const { status, stderr } = await runMesh(alice.host, alice.home, "--json", "filter", ...args);
      expect([JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code, status, args]).toEqual([code, exit, args]);
    }
    expect(await rules()).toEqual([]);
  });
});
