import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

/** Both families lead to bob, and which one answers first is a matter of chance. */
const BOB = expect.stringMatching(/^(192\.0\.2\.3|\[2001:db8::3\]):51820$/);

describe("two peers join and reach each other", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob");
    alice = await network.join("alice");
    bob = await network.join("bob");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  /** A session is made when there is something to say: so something is said. */
  async function talksTo(peer: MeshPeer, name: string): Promise<void> {
    await eventually(`${peer.host.label} talks to ${name}`, async () => {
      const { status } = await runMesh(peer.host, peer.home, "ping", name, "-c", "1");
      return status === 0;
    });
  }

  it("join tells coordinator, token, interface and the first peers with their path", async () => {
    await bob.process.waitForOutput(
      /^ {2}alice {2}10\.86\.\S+ {2}udp (192\.0\.2\.2|\[2001:db8::2\]):51820 {2}\S+ ms$/m,
    );
    expect(bob.process.stdout).toMatch(/coordinator reached: https:\/\/192\.0\.2\.1:8443 \(network mesh\)/);
    expect(bob.process.stdout).toMatch(/token accepted: bob has 10\.86\.\S+ and fd\S+/);
    expect(bob.process.stdout).toMatch(/mesh0 is up, UDP port 51820/);
    expect(bob.process.stdout).not.toContain("\u001b[");
  });

  it("status shows both ends, the path and the coordinator", async () => {
    const peer = await alice.reaches("bob");
    expect(peer).toMatchObject({ online: true, path: { transport: "udp", endpoint: BOB } });
    const status = await alice.status();
    expect(status).toMatchObject({
      state: "running",
      network: "mesh",
      interface: "mesh0",
      self: { name: "alice", listenPort: 51820, endpoints: ["192.0.2.2:51820", "[2001:db8::2]:51820"] },
      coordinator: { url: "https://192.0.2.1:8443", connected: true, error: null },
      warnings: [],
    });
    expect(status.dataPlane?.aeadProvider).toMatch(/openssl|sodium|noble/);
  });

  it("carries IPv4 and IPv6", async () => {
    const { self } = await bob.status();
    if (self === null) throw new Error("bob does not know itself");
    expect(await alice.host.pings(self.ip4)).toBe(true);
    expect(await alice.host.pings(self.ip6)).toBe(true);
  });

  it("mesh ping measures through the session, by name and by either address", async () => {
    const { self } = await bob.status();
    for (const target of ["bob", "bob.mesh", self?.ip4 ?? "", self?.ip6 ?? ""]) {
      const { status, stdout } = await runMesh(alice.host, alice.home, "ping", target, "-c", "2", "--json");
      expect(status).toBe(0);
      const replies = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(replies).toEqual([
        { seq: 1, peer: "bob", rttMs: expect.any(Number), transport: "udp", endpoint: BOB },
        { seq: 2, peer: "bob", rttMs: expect.any(Number), transport: "udp", endpoint: BOB },
      ]);
    }
    const stranger = await runMesh(alice.host, alice.home, "ping", "nobody");
    expect(stranger).toMatchObject({ status: 5, stdout: "" });
  });

  it("peers and status --peers say the same", async () => {
    const peers = await meshJson(alice.host, alice.home, "peers");
    expect(await meshJson(alice.host, alice.home, "status", "--peers")).toMatchObject([{ name: "bob" }]);
    expect(peers).toMatchObject([{ name: "bob" }]);
    const { stdout } = await runMesh(alice.host, alice.home, "peers");
    expect(stdout).toMatch(/^PEER +IPV4 +IPV6 +ONLINE +PATH +RTT +HANDSHAKE +RECEIVED +SENT\nbob +10\.86\./);
  });

  it("wg show, the stock tool, sees the session with its counters", async () => {
    const peer = await alice.reaches("bob");
    const dump = await alice.host.must("wg", "show", "mesh0", "dump");
    const [device, line] = dump
      .trim()
      .split("\n")
      .map((text) => text.split("\t"));
    const { self } = await alice.status();
    expect(device?.slice(1)).toEqual([self?.publicKey, "51820", "0x2086"]);
    expect(line?.[0]).toBe(peer.publicKey);
    expect(line?.[2]).toEqual(BOB);
    expect(line?.[3]).toBe(peer.allowedIps.join(","));
    expect(Number(line?.[4])).toBe(Math.floor(Date.parse(peer.lastHandshakeAt ?? "") / 1000));
    expect(Number(line?.[5])).toBeGreaterThan(0);
    expect(Number(line?.[6])).toBeGreaterThan(0);
    const refused = await alice.host.run("wg", "set", "mesh0", "listen-port", "1");
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("Operation not permitted");
  });

  it("keys and state are the owner's alone", () => {
    const directory = join(alice.home, "networks", "mesh");
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) {
      expect([name, statSync(join(directory, name)).mode & 0o077]).toEqual([name, 0]);
    }
    // Open to everybody who gets there: the kernel says who asks, and the daemon decides (docs/local-api.md).
    expect(statSync(join(alice.home, "run", "peer-mesh.sock")).mode & 0o777).toBe(0o666);
  });

  it("a coordinator that is killed is no loss: the session goes on, and its return is noticed", async () => {
    await alice.reaches("bob");
    await network.server.process.kill();
    await eventually("alice notices", async () => (await alice.status()).coordinator?.connected === false);
    const { self } = await bob.status();
    expect(await alice.host.pings(self?.ip4 ?? "")).toBe(true);
    expect((await alice.status()).coordinator?.error).toMatch(/https:\/\/192\.0\.2\.1:8443/);
    await network.startServerAgain();
    await eventually("alice is connected again", async () => (await alice.status()).coordinator?.connected === true, {
      timeoutMs: 35_000,
    });
    expect(await alice.host.pings(self?.ip4 ?? "")).toBe(true);
  });

  it("a peer boots from its cached map while the coordinator is away", async () => {
    await alice.reaches("bob");
    await network.server.process.kill();
    await alice.process.kill();
    alice = await MeshPeer.up(alice);
    const { status } = await runMesh(alice.host, alice.home, "ping", "bob", "-c", "3");
    expect(status).toBe(0);
    expect((await alice.status()).coordinator?.connected).toBe(false);
    expect(await alice.stop()).toBe(0);

    // `join` without a token is as good: the machine is a peer already.
    const again = await alice.host.start(process.execPath, ["dist/bundle/main.js", "--home", alice.home, "join"]);
    await again.waitForOutput(/going on without the coordinator/);
    await again.waitForOutput(/running: alice in mesh/);
    expect(await again.stop()).toBe(0);
    await network.startServerAgain();
    alice = await MeshPeer.up(alice);
    await talksTo(alice, "bob");
  });

  it("another machine under the name of a peer that left is let in, and said to be another one until it is accepted", async () => {
    await alice.reaches("bob");
    await runMesh(bob.host, bob.home, "leave", "--yes");
    await bob.process.exited;
    bob = await network.join("bob");
    await eventually("alice says so", async () =>
      (await alice.status()).warnings.some((line) => line.includes("peer bob is another machine than before")),
    );
    await talksTo(alice, "bob");
    expect((await runMesh(alice.host, alice.home, "peers", "accept", "bob")).status).toBe(0);
    expect((await alice.status()).warnings).toEqual([]);
    await talksTo(alice, "bob");
  });

  it("down undoes what was done to the host and ends the daemon; up brings it back", async () => {
    const { status } = await runMesh(bob.host, bob.home, "down");
    expect(status).toBe(0);
    expect(await bob.process.exited).toBe(0);
    expect(await bob.host.must("ip", "-o", "link")).not.toContain("mesh0");
    expect(await bob.host.must("ip", "route")).not.toContain("10.86");
    expect(await bob.host.must("ls", "/var/run/wireguard")).toBe("");
    const stopped = await runMesh(bob.host, bob.home, "status", "--json");
    expect(stopped.status).toBe(3);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ state: "stopped", self: { name: "bob" } });
    bob = await MeshPeer.up(bob);
    await talksTo(bob, "alice");
  });

  it("leave makes the peer unknown to everybody and removes its keys", async () => {
    expect((await runMesh(bob.host, bob.home, "leave")).status).toBe(2);
    expect((await runMesh(bob.host, bob.home, "leave", "--yes")).status).toBe(0);
    expect(await bob.process.exited).toBe(0);
    expect(readdirSync(join(bob.home, "networks"))).toEqual([]);
    await eventually("alice has no bob any more", async () => (await alice.peer("bob")) === undefined);
    const status = await runMesh(bob.host, bob.home, "status", "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({ state: "no-state" });
  });

  it("corrupt files are set aside aloud", async () => {
    expect(await alice.stop()).toBe(0);
    const directory = join(alice.home, "networks", "mesh");
    writeFileSync(join(directory, "map.json"), readFileSync(join(directory, "map.json"), "utf8").slice(0, 20));
    alice = await MeshPeer.up(alice);
    await eventually("alice says so", async () =>
      (await alice.status()).warnings.some((line) => line.includes("map.json cannot be read")),
    );
    expect(readdirSync(directory).some((name) => name.startsWith("map.json.corrupt-"))).toBe(true);
  });
});
