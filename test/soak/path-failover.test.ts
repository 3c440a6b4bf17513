import { afterAll, beforeAll, expect, it } from "vitest";
import {
  expectSameSession,
  expectShortGaps,
  type FailoverFigures,
  FailoverNetwork,
} from "../support/lab/failover-network.ts";

// `test/lab/path-failover.test.ts` again and again: the figures of docs/nat.md.

const ROUNDS = 10;

let network: FailoverNetwork;
beforeAll(async () => {
  network = await FailoverNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

async function rounds(bytesPerSecond: number): Promise<FailoverFigures[]> {
  await using flow = await network.startPing();
  await using transfer = await network.startTransfer(bytesPerSecond);
  const all: FailoverFigures[] = [];
  while (all.length < ROUNDS) {
    const sessionSinceMs = await network.sessionSinceMs();
    all.push(await network.round(flow));
    expectSameSession(sessionSinceMs, await network.sessionSinceMs());
  }
  const { bytes, longestPauseMs } = await transfer.finish();
  console.info(
    `TCP: ${Math.round(bytes / 1e6)} MB arrived whole, ${Math.round(longestPauseMs)} ms at most without any`,
  );
  expectShortGaps(all);
  return all;
}

it("ten failovers to SSH and to the relay, and back, under a transfer of 32 Mbit/s", async () => {
  const all = await rounds(4e6);
  expect(all.map(({ lostAtReturn }) => lostAtReturn)).toEqual(all.map(() => 0));
}, 600_000);

// TCP fills a pipe until something is lost, before and after any change: what the change itself loses is nothing.
it("… and under one that takes what it gets", async () => {
  const all = await rounds(0);
  console.info(`lost since UDP works again: ${all.map(({ lostAtReturn }) => lostAtReturn).join(" ")}`);
  expect(all.map(({ lostAtUpgrade }) => lostAtUpgrade)).toEqual(all.map(() => 0));
}, 600_000);
