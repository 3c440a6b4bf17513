import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Real daemons on one segment. What they say to each other by a transport is swallowed without a word, and given back.

const ROUNDS = 3;
const SSH_PORT = 2222;
const UDP = "meta l4proto udp";
/** Either end of it: whoever has dialled. */
const SSH = `tcp dport ${SSH_PORT} drop; tcp sport ${SSH_PORT}`;
/** The round trip is nothing here. */
const GAP_MEDIAN_MS = 250;
const GAP_LIMIT_MS = 500;

let network: SmallNetwork;
let alice: MeshPeer;
let bob: MeshPeer;
let bobAddress: string;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob");
  alice = await network.join("alice");
  bob = await network.join("bob");
  bobAddress = (await bob.status()).self!.ip4;
  expect(await alice.host.pings(bobAddress)).toBe(true);
});
afterAll(() => network[Symbol.asyncDispose]());

function bothUse(transport: string): Promise<unknown> {
  const uses = (peer: MeshPeer, name: string) =>
    eventually(
      `${peer.host.label} reaches ${name} by ${transport}`,
      async () => ((await peer.peer(name))?.path?.transport === transport ? true : undefined),
      { timeoutMs: 30_000, intervalMs: 100 },
    );
  return Promise.all([uses(alice, "bob"), uses(bob, "alice")]);
}

function sshIsReady(): Promise<unknown> {
  const hasSsh = async () => (await alice.peer("bob"))?.paths.some((path) => path.transport === "ssh" && path.usable);
  return eventually("the peers are connected by SSH", async () => ((await hasSsh()) ? true : undefined), {
    timeoutMs: 30_000,
    intervalMs: 100,
  });
}

const inBoth = (act: (host: LabHost) => Promise<void>) => Promise.all([act(alice.host), act(bob.host)]);

describe("paths that die silently, one after the other", () => {
  it("SSH takes over from UDP, the relay from SSH, and UDP comes back without a loss", async () => {
    await bothUse("udp");
    await using flow = await PingFlow.start(alice.host, bobAddress);
    const handshakeBefore = (await alice.peer("bob"))?.lastHandshakeAt;
    const gapsMs = { udp: [] as number[], ssh: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      flow.restart();
      await inBoth((host) => raiseWall(host, UDP));
      await sshIsReady();
      await bothUse("ssh");
      gapsMs.udp.push(flow.result().longestGapMs);

      flow.restart();
      await inBoth((host) => raiseWall(host, `${UDP} drop; ${SSH}`));
      await bothUse("relay");
      gapsMs.ssh.push(flow.result().longestGapMs);

      flow.restart();
      await inBoth(dropWall);
      await bothUse("udp");
      expect(flow.result().lost).toBe(0);
    }
    const rounded = (all: readonly number[]) => all.map(Math.round).join(" ");
    console.info(`gaps, ms: UDP dead ${rounded(gapsMs.udp)}, SSH dead ${rounded(gapsMs.ssh)}`);
    for (const all of [gapsMs.udp, gapsMs.ssh]) {
      const sorted = all.toSorted((a, b) => a - b);
      expect(sorted[Math.floor(ROUNDS / 2)]).toBeLessThan(GAP_MEDIAN_MS);
      expect(sorted.at(-1)).toBeLessThan(GAP_LIMIT_MS);
    }
    expect((await alice.peer("bob"))?.lastHandshakeAt).toBe(handshakeBefore);
  }, 180_000);

  it("says why the path is the one it is, and how the others lost", async () => {
    const { path, paths, attempts } = (await alice.peer("bob"))!;
    expect(path?.reason).not.toBe("");
    expect(new Set(paths.map(({ transport }) => transport))).toEqual(new Set(["udp", "ssh", "relay"]));
    const race = attempts.at(-1)!;
    expect(race.candidates.filter(({ won }) => won)).toHaveLength(1);
    for (const { outcome } of race.candidates) expect(outcome).not.toBe("");
  });
});
