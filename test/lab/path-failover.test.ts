import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  expectSameSession,
  expectShortGaps,
  type FailoverFigures,
  FailoverNetwork,
} from "../support/lab/failover-network.ts";

// Real daemons on one segment. What they say to each other by a transport is swallowed without a word, and given back,
// under a ping and a TCP transfer. `test/soak/path-failover.test.ts` does it more often and at higher rates.

const ROUNDS = 3;
const BYTES_PER_SECOND = 1e6;

let network: FailoverNetwork;
beforeAll(async () => {
  network = await FailoverNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("paths that die silently, one after the other", () => {
  it("SSH takes over from UDP, the relay from SSH, and UDP comes back without a loss", async () => {
    await using flow = await network.startPing();
    await using transfer = await network.startTransfer(BYTES_PER_SECOND);
    const sessionSinceMs = await network.sessionSinceMs();
    const rounds: FailoverFigures[] = [];
    while (rounds.length < ROUNDS) rounds.push(await network.round(flow));
    await transfer.finish();
    expectShortGaps(rounds);
    expect(rounds.map(({ lostAtReturn }) => lostAtReturn)).toEqual(rounds.map(() => 0));
    expectSameSession(sessionSinceMs, await network.sessionSinceMs());
  }, 180_000);

  it("says why the path is the one it is, and how the others lost", async () => {
    const { path, paths, attempts } = (await network.alice.peer("bob"))!;
    expect(path?.reason).not.toBe("");
    expect(new Set(paths.map(({ transport }) => transport))).toEqual(new Set(["udp", "ssh", "relay"]));
    const races = attempts.filter(({ cause }) => cause !== "SSH was dialled");
    expect(races.at(-1)?.candidates.filter(({ won }) => won)).toHaveLength(1);
    for (const { outcome } of attempts.flatMap(({ candidates }) => candidates)) expect(outcome).not.toBe("");
  });
});
