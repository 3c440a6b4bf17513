import { statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// The device's name is shared by all namespaces on the machine, where `wg show` finds it: each gets one of its own.
const device = (label: string) => `${label.slice(0, 1)}l${process.pid}`;
const BOB = "192.0.2.3";

describe("what an admin does to a peer", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let carol: MeshPeer;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    [alice, bob, carol] = await Promise.all([join("alice"), join("bob"), join("carol")]);
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const join = (label: string) => network.join(label, { args: ["--interface", device(label)] });
  const admin = (...args: string[]) => meshJson(network.serverHost, network.server.home, "peer", ...args);
  const peersOf = async ({ host }: MeshPeer) => (await host.must("wg", "show", device(host.label), "peers")).trim();
  const connections = async ({ host }: { host: typeof bob.host }, filter: string) =>
    (await host.must("ss", "-Htn", "state", "established", filter)).trim();
  /** Counted from the end of the command. */
  const within1s = (what: string, probe: () => Promise<boolean>) => eventually(what, probe, { timeoutMs: 1000 });
  const code = (stderr: string) => JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;

  it("a disabled peer is off every device within a second, its connections are cut, its joins refused", async () => {
    await alice.mesh("prefer", "bob", "ssh");
    await eventually(
      "alice speaks SSH with bob",
      async () => {
        await alice.host.pings((await alice.peer("bob"))?.ip4 ?? "");
        return (await alice.peer("bob"))?.path?.transport === "ssh";
      },
      { timeoutMs: 20_000 },
    );
    const { publicKey } = (await bob.status()).self!;
    for (const peer of [alice, carol]) expect(await peersOf(peer)).toContain(publicKey);
    // The control channel, and the relay.
    expect((await connections(network.server, `dst ${BOB}`)).split("\n")).toHaveLength(2);

    await admin("disable", "bob");
    await within1s("bob is gone", async () => {
      const [a, c] = await Promise.all([peersOf(alice), peersOf(carol)]);
      return !a.includes(publicKey) && !c.includes(publicKey);
    });
    await within1s("the SSH connection is cut", async () => (await connections(alice, `dst ${BOB}`)) === "");
    await within1s("the relay has let go", async () => (await connections(network.server, `dst ${BOB}`)) === "");
    expect((await bob.status()).coordinator?.error).toContain("disabled by an admin");
    expect(await bob.stop()).toBe(0);
    const { token } = await network.server.createToken();
    for (const args of [[], [token]]) {
      const { status, stderr } = await runMesh(bob.host, bob.home, "--json", "join", ...args);
      expect([status, code(stderr)]).toEqual([4, "peer-disabled"]);
    }
  });

  it("an enabled one is back", async () => {
    await admin("enable", "bob");
    bob = await MeshPeer.up(bob);
    const { ip4 } = await alice.reaches("bob");
    expect(await alice.host.pings(ip4)).toBe(true);
  });

  it("a renamed one has its new name everywhere within a second, and comes back under it", async () => {
    await admin("rename", "bob", "robert");
    await within1s("the new name", async () => {
      const [seen, own] = await Promise.all([alice.local.status(), bob.local.status()]);
      // What alice asked for goes with him.
      const robert = seen.peers.find(({ name }) => name === "robert");
      return robert?.preference?.prefer === "ssh" && own.self?.name === "robert";
    });
    expect(await bob.stop()).toBe(0);
    await admin("rename", "robert", "bob");
    // It learns of its name when it is back; `join` without one must not be refused for the old.
    bob = await MeshPeer.again(bob);
    await eventually("its name", async () => (await bob.local.status()).self?.name === "bob");
  });

  it("one that comes back on another port is found there", async () => {
    expect(await carol.stop()).toBe(0);
    carol = await MeshPeer.up(carol, ["--listen-port", "51999"]);
    expect((await carol.status()).self?.listenPort).toBe(51_999);
    const { ip4 } = await eventually("alice goes to the new port", async () => {
      const seen = await alice.peer("carol");
      return seen?.path?.endpoint.endsWith(":51999") ? seen : undefined;
    });
    expect(await alice.host.pings(ip4)).toBe(true);
  });

  it("another WireGuard key takes the place of the old one by the machine's word, and traffic goes on", async () => {
    const { ip4 } = await alice.reaches("bob");
    const previous = (await bob.status()).self!.publicKey;
    const { publicKey } = JSON.parse(await bob.mesh("keys", "rotate", "--json"));
    expect(publicKey).not.toBe(previous);
    await eventually("alice reaches bob", () => alice.host.pings(ip4), { timeoutMs: 5000 });
    const known = await peersOf(alice);
    expect([known.includes(publicKey), known.includes(previous)]).toEqual([true, false]);
    for (const peer of [alice, bob]) expect((await peer.status()).warnings).toEqual([]);
    expect(await bob.stop()).toBe(0);
    bob = await MeshPeer.up(bob);
    expect((await bob.status()).self?.publicKey).toBe(publicKey);
    await alice.reaches("bob");
  });

  it("a deleted one is gone, and joins under its name again at another address", async () => {
    const { publicKey, ip4 } = (await bob.status()).self!;
    await admin("delete", "bob");
    await within1s("bob is gone", async () => !(await peersOf(alice)).includes(publicKey));
    expect(await bob.stop()).toBe(0);
    const refused = await runMesh(bob.host, bob.home, "--json", "join");
    expect([refused.status, code(refused.stderr)]).toEqual([4, "token-required"]);
    const { server } = network;
    const invitation = `${network.serverHost.scratchDirectory}/bob.toml`;
    await meshJson(network.serverHost, server.home, "invite", "create", "--name", "bob", "-o", invitation);
    expect(statSync(invitation).mode & 0o777).toBe(0o600);
    expect(await admin("list")).toContainEqual(expect.objectContaining({ name: "bob", state: "invited" }));
    bob = await MeshPeer.again(bob, "--invite", invitation);
    const { self } = await bob.status();
    expect(self).toMatchObject({ name: "bob", publicKey });
    expect(self?.ip4).not.toBe(ip4);
    expect(await alice.host.pings((await alice.reaches("bob")).ip4)).toBe(true);
    const taken = await runMesh(network.serverHost, server.home, "--json", "token", "create", "--ip", ip4);
    expect([taken.status, code(taken.stderr)]).toEqual([6, "address-taken"]);
  });

  it("who did it stands in the audit log", async () => {
    const events = await meshJson(network.serverHost, network.server.home, "audit", "--since", "1h");
    for (const action of ["disable", "enable", "rename", "delete"]) {
      expect(events).toContainEqual(
        expect.objectContaining({ actor: "host", action: `peer.${action}`, subject: "bob" }),
      );
    }
  });

  it("peers go on with a coordinator that was restored on an empty home", async () => {
    const { serverHost, server } = network;
    const file = `${serverHost.scratchDirectory}/backup.db`;
    await meshJson(serverHost, server.home, "backup", file);
    expect((await runMesh(serverHost, server.home, "restore", file, "--yes")).status).toBe(6);
    expect(await server.stop()).toBe(0);
    const home = `${serverHost.scratchDirectory}/restored`;
    await meshJson(serverHost, home, "restore", file);
    network.server = await MeshServer.start(serverHost, { publicUrl: server.url, home });
    await eventually(
      "all are back",
      async () => {
        const peers = await Promise.all([alice, bob, carol].map((peer) => peer.local.status()));
        return peers.every(({ coordinator, warnings }) => coordinator?.connected && warnings.length === 0);
      },
      { timeoutMs: 20_000 },
    );
    await admin("rename", "carol", "caroline");
    await within1s("a change of the restored one", async () =>
      (await alice.local.status()).peers.some(({ name }) => name === "caroline"),
    );
    for (const peer of [alice, bob, carol]) expect(await peer.stop()).toBe(0);
  });
});
