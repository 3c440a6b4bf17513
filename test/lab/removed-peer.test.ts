import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

/** As it is for an ephemeral peer that was away for too long: the coordinator has removed it, and it does not know. */
describe("a peer that was removed while it was away", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let oldIp4: string;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob");
    alice = await network.join("alice");
    const { token } = await network.server.createToken({ ephemeral: true });
    bob = await network.join("bob", { token });
    oldIp4 = (await alice.reaches("bob")).ip4;
    expect(await bob.stop()).toBe(0);
    // The same keys, elsewhere, leave.
    const copy = `${bob.host.scratchDirectory}/copy`;
    cpSync(bob.home, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    expect((await runMesh(bob.host, copy, "leave", "--yes")).status).toBe(0);
    await eventually("bob is gone", async () => (await alice.peer("bob")) === undefined);
  });
  afterAll(() => network[Symbol.asyncDispose]());

  it("is told by `up` and `status` that it has to join again", async () => {
    bob = await MeshPeer.up(bob);
    const status = await eventually("the coordinator answered", async () => {
      const current = await bob.status();
      return current.coordinator?.error === null ? undefined : current;
    });
    expect(status.coordinator).toMatchObject({
      connected: false,
      error: "this machine is no longer a peer of the network, it has to join again",
    });
    expect(await bob.stop()).toBe(0);
  });

  it("is refused a join without a token", async () => {
    const { status, stderr } = await runMesh(bob.host, bob.home, "--json", "join");
    expect(status).toBe(4);
    expect(JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("token-required");
  });

  it("joins again with a token, under its name, and is reached at its new address from the start", async () => {
    const { token } = await network.server.createToken();
    bob = await MeshPeer.join(bob.host, { server: network.server.url, token, home: bob.home });
    const { self, warnings } = await bob.status();
    expect(warnings).toEqual([]);
    expect(self?.ip4).not.toBe(oldIp4);
    expect(await bob.host.ip("-o", "address", "show", "mesh0")).toContain(` ${self?.ip4}/`);
    const seen = await alice.reaches("bob");
    expect([seen.ip4, seen.ip6]).toEqual([self?.ip4, self?.ip6]);
    for (const address of [seen.ip4, seen.ip6]) expect(await alice.host.pings(address)).toBe(true);
    expect(await bob.stop()).toBe(0);
    expect(await alice.stop()).toBe(0);
  });
});
