import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorBodySchema } from "../../src/api/error-body.ts";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

let network: SmallNetwork;
let alice: MeshPeer;
let carol: MeshPeer;
let bob: MeshPeer;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "carol", "bob");
  const { token } = await network.server.createToken({ admin: true });
  [alice, carol] = await Promise.all([network.join("alice", { token }), network.join("carol")]);
});
afterAll(() => network[Symbol.asyncDispose]());

/** A `mesh …` that must fail: its exit status and the code of its error. */
async function refusal(peer: MeshPeer, ...args: string[]): Promise<[number | null, string]> {
  const { status, stderr } = await runMesh(peer.host, peer.home, "--json", ...args);
  const line = stderr.trim().split("\n").at(-1) ?? "";
  return [status, errorBodySchema.parse(JSON.parse(line)).error.code];
}

describe("admin commands away from the coordinator's host", () => {
  it("work on an admin peer, with the words and the output of the coordinator's host", async () => {
    const { token } = (await meshJson(alice.host, alice.home, "token", "create", "--name", "bob")) as { token: string };
    bob = await MeshPeer.join(network.host("bob"), { server: network.server.url, token });
    await alice.mesh("peer", "tag", "carol", "printer");
    await alice.mesh("cidr", "add", "robots", "10.86.128.0/24");
    for (const list of ["peer", "token", "cidr", "association", "relay"]) {
      const here = await meshJson(alice.host, alice.home, list, "list");
      expect([list, here]).toEqual([list, await meshJson(network.server.host, network.server.home, list, "list")]);
    }
    expect(await alice.mesh("audit")).toMatch(/peer:alice.*peer\.tag.*carol/);
  });

  it("are refused on an ordinary peer, with exit status 4, and nothing has changed", async () => {
    const before = await alice.mesh("--json", "peer", "list");
    for (const words of ["token list", "token create --admin", "peer rename bob eve", "peer delete alice", "audit"]) {
      expect([words, await refusal(carol, ...words.split(" "))]).toEqual([words, [4, "not-permitted"]]);
    }
    expect(await refusal(carol, "peer", "set-admin", "carol", "on")).toEqual([4, "not-permitted"]);
    const names = (list: string) =>
      (JSON.parse(list) as { name: string; admin: boolean }[]).map(({ name, admin }) => [name, admin]);
    expect(names(await alice.mesh("--json", "peer", "list"))).toEqual(names(before));
  });

  it("follow the right as it is given and taken, and never take the last one away", async () => {
    expect(await refusal(alice, "peer", "set-admin", "alice", "off")).toEqual([6, "last-admin"]);
    await alice.mesh("peer", "set-admin", "carol", "on");
    await carol.mesh("token", "list");
    await alice.mesh("peer", "set-admin", "carol", "off");
    expect(await refusal(carol, "token", "list")).toEqual([4, "not-permitted"]);
    expect(await refusal(alice, "backup", `${alice.host.scratchDirectory}/backup`)).toEqual([4, "not-permitted"]);
  });
});

describe("a name that comes back with other keys", () => {
  const backup = () => `${network.server.host.scratchDirectory}/backup`;

  /** As bob, with keys of its own. */
  async function newBob(home: string): Promise<MeshPeer> {
    const { token } = await network.server.createToken();
    const host = network.host("bob");
    return MeshPeer.join(host, { server: network.server.url, token, home: `${host.scratchDirectory}/${home}` });
  }

  it("at its old address is kept out until it is accepted", async () => {
    await bob.mesh("leave", "--yes");
    await runMesh(network.server.host, network.server.home, "backup", backup());
    const first = await newBob("first");
    const known = await alice.reaches("bob");
    expect(await first.stop()).toBe(0);
    expect(await network.server.stop()).toBe(0);
    // A coordinator that has forgotten the former bob gives name and address to another.
    expect(await runMesh(network.server.host, network.server.home, "restore", backup(), "--yes")).toMatchObject({
      status: 0,
    });
    await network.startServerAgain();
    bob = await newBob("second");
    const { self } = await bob.status();
    expect(self?.ip4).toBe(known.ip4);

    const kept = await eventually("alice keeps it out", async () =>
      (await alice.status()).warnings.find((line) =>
        line.startsWith("peer bob is kept out: bob comes with other keys"),
      ),
    );
    expect(kept).toContain(`replaced by the one with ${self?.publicKey}: mesh peers accept bob`);
    expect(await alice.peer("bob")).toBeUndefined();
    expect(await refusal(alice, "peers", "accept", "nobody")).toEqual([5, "not-found"]);
    expect(await alice.mesh("peers", "accept", "bob")).toContain(String(self?.publicKey));
    // A pair without traffic makes no session, and bob has perhaps given up by now: alice speaks first.
    await eventually("the accepted bob answers", () => alice.host.pings(known.ip4), { timeoutMs: 15_000 });
    expect(await alice.reaches("bob")).toMatchObject({ publicKey: self?.publicKey, ip4: known.ip4 });
    expect((await alice.status()).warnings).toEqual([]);
    expect(await alice.host.pings(known.ip4)).toBe(true);
  });

  it("at another address, after a delete, is let in, and named until it is accepted", async () => {
    await alice.mesh("peer", "delete", "bob");
    await eventually("the former bob is gone", async () => (await alice.peer("bob")) === undefined);
    await bob.stop();
    bob = await newBob("third");
    const { self } = await bob.status();
    expect(await alice.reaches("bob")).toMatchObject({ publicKey: self?.publicKey, ip4: self?.ip4 });
    const { warnings } = await alice.status();
    expect(warnings).toEqual([expect.stringContaining("peer bob is another machine than before")]);
    await alice.mesh("peers", "accept", "bob");
    await eventually("nothing is left to say", async () => (await alice.status()).warnings.length === 0);
    expect(await alice.reaches("bob")).toMatchObject({ publicKey: self?.publicKey });
  });
});
