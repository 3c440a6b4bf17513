import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DnsStatus } from "../../src/api/local-dns.ts";
import type { HostView } from "../../src/api/local-host.ts";
import { eventually } from "../support/lab/eventually.ts";
import { hostState } from "../support/lab/host-state.ts";
import { countSteps, killedAt } from "../support/lab/killed-daemon.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// The host of alice, which uses an exit, offers one and asks her daemon for names, before and after her daemon was there.
// Every step of all: test/soak/host-undo.test.ts.
const KILLS = 4;

let network: SmallNetwork;
let alice: MeshPeer;
let before: Record<string, unknown>;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob");
  const host = network.host("alice");
  for (const each of network.hosts) await each.ip("route", "add", "default", "via", "192.0.2.1");
  await host.must("nft", "add", "table", "inet", "others");
  before = await hostState(host);
  await network.join("bob", { args: ["--allow-exit-traffic"] });
  alice = await network.join("alice", { args: ["--allow-exit-traffic", "--exit-node", "bob"] });
});
afterAll(() => network[Symbol.asyncDispose]());

const changes = async () => {
  const { status, stdout } = await runMesh(alice.host, alice.home, "status", "--host", "--json");
  return { status, owners: new Set((JSON.parse(stdout) as HostView).changes.map(({ owner }) => owner)) };
};

describe("what is changed on a host", () => {
  it("is listed by the daemon, and the host's programs know the mesh's names", async () => {
    await alice.reaches("bob");
    const { status, owners } = await changes();
    expect(status).toBe(0);
    for (const owner of ["interface", "guard", "exit-use", "dns"]) expect(owners).toContain(owner);
    const { host } = (await meshJson(alice.host, alice.home, "dns", "status")) as DnsStatus;
    expect(host).toMatchObject({ manager: "resolv.conf", inForce: true });
    const { peers } = await alice.status();
    expect(await alice.host.must("getent", "ahostsv4", "bob.mesh")).toContain(`${peers[0]?.ip4} `);
    const refused = await runMesh(alice.host, alice.home, "undo", "--json");
    expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining("already-running")]);
  });

  it("is put back on top when a DHCP client rewrites resolv.conf, which gets its own back afterwards", async () => {
    const theirs = "nameserver 192.0.2.99\n";
    await alice.host.must("sh", "-c", `printf '${theirs}' > /etc/new && mv /etc/new /etc/resolv.conf`);
    await eventually("it is ours again", async () =>
      (await alice.host.must("cat", "/etc/resolv.conf")).includes("former: nameserver 192.0.2.99"),
    );
    await alice.process.kill();
    expect((await changes()).status).toBe(3);
    const down = await runMesh(alice.host, alice.home, "down");
    expect([down.status, down.stderr]).toEqual([3, expect.stringContaining("mesh undo")]);
    expect(await alice.mesh("undo")).toContain("resolv.conf");
    expect(await alice.host.must("cat", "/etc/resolv.conf")).toBe(theirs);
    await alice.host.must("sh", "-c", `printf 'nameserver 192.0.2.53\\n' > /etc/resolv.conf`);
    expect(await hostState(alice.host)).toEqual(before);
    expect(await alice.mesh("undo")).toContain("nothing");
  });

  it("is taken back whenever the daemon was killed", async () => {
    const steps = await countSteps(alice);
    expect(await hostState(alice.host)).toEqual(before);
    expect(steps).toBeGreaterThan(50);
    for (let kill = 1; kill <= KILLS; kill++) {
      await killedAt(alice, Math.round((steps * kill) / (KILLS + 1)), kill % 2 === 0 ? "start" : "undo", before);
    }
  }, 120_000);

  it("is left alone with --no-dns", async () => {
    alice = await MeshPeer.up(alice, ["--no-dns"]);
    expect((await changes()).owners).not.toContain("dns");
    expect(await alice.host.must("cat", "/etc/resolv.conf")).toBe("nameserver 192.0.2.53\n");
    await alice.mesh("down");
  });
});
