import { afterAll, beforeAll, expect, it } from "vitest";
import { hostState } from "../support/lab/host-state.ts";
import { countSteps, killedAt } from "../support/lab/killed-daemon.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// kill -9 at every step of the journal (test/lab/host-undo.test.ts has some of them), taken back by `mesh undo` and by a start.

let network: SmallNetwork;
let alice: MeshPeer;
let before: Record<string, unknown>;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob");
  const host = network.host("alice");
  for (const each of network.hosts) await each.ip("route", "add", "default", "via", "192.0.2.1");
  before = await hostState(host);
  await network.join("bob", { args: ["--allow-exit-traffic"] });
  alice = await network.join("alice", { args: ["--allow-exit-traffic", "--exit-node", "bob"] });
  await alice.reaches("bob");
  await alice.mesh("down");
  await alice.process.exited;
});
afterAll(() => network[Symbol.asyncDispose]());

it("leaves nothing behind", async () => {
  const steps = await countSteps(alice);
  for (let step = 1; step <= steps; step++) {
    await killedAt(alice, step, step % 2 === 0 ? "start" : "undo", before);
  }
  expect(await hostState(alice.host)).toEqual(before);
}, 3_600_000);
