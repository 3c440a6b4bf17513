import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Real daemons on one segment. UDP between them is swallowed without a word, and given back; the relay is there all along.

const FAILOVERS = 3;
/** For each direction it is at most max(250 ms, 3 × RTT), and a median of several. */
const GAP_LIMIT_MS = 500;

let network: SmallNetwork;
let alice: MeshPeer;
let bob: MeshPeer;
let bobAddress: string;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob");
  alice = await network.join("alice");
  bob = await network.join("bob");
  const { self } = await bob.status();
  bobAddress = self!.ip4;
  expect(await alice.host.pings(bobAddress)).toBe(true);
});
afterAll(() => network[Symbol.asyncDispose]());

function uses(peer: MeshPeer, name: string, transport: string): Promise<unknown> {
  return eventually(
    `${peer.host.label} reaches ${name} by ${transport}`,
    async () => ((await peer.peer(name))?.path?.transport === transport ? true : undefined),
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}

const bothUse = (transport: string) => Promise.all([uses(alice, "bob", transport), uses(bob, "alice", transport)]);

async function inBoth(act: (host: MeshPeer["host"]) => Promise<void>): Promise<void> {
  await Promise.all([act(alice.host), act(bob.host)]);
}

describe("when UDP dies silently", () => {
  it("the relay takes over within half a second, UDP comes back without a loss, and the session stays", async () => {
    await bothUse("udp");
    await using flow = await PingFlow.start(alice.host, bobAddress);
    const handshakeBefore = (await alice.peer("bob"))?.lastHandshakeAt;
    const gapsMs: number[] = [];
    for (let i = 0; i < FAILOVERS; i++) {
      flow.restart();
      await inBoth((host) => raiseWall(host));
      await bothUse("relay");
      gapsMs.push(flow.result().longestGapMs);
      flow.restart();
      await inBoth(dropWall);
      await bothUse("udp");
      expect(flow.result().lost).toBe(0);
    }
    console.info(`gaps at the failovers, ms: ${gapsMs.map(Math.round).join(" ")}`);
    for (const gapMs of gapsMs) expect(gapMs).toBeLessThan(GAP_LIMIT_MS);
    expect((await alice.peer("bob"))?.lastHandshakeAt).toBe(handshakeBefore);
  }, 120_000);

  it("says why the path is the one it is", async () => {
    const { path, paths, attempts } = (await alice.peer("bob"))!;
    expect(path?.reason).not.toBe("");
    expect(paths.map(({ transport }) => transport)).toContain("relay");
    expect(attempts.at(-1)?.candidates.some(({ won }) => won)).toBe(true);
  });
});
