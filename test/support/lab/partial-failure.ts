import { expect, onTestFailed } from "vitest";
import { type FailoverNetwork, settled } from "./failover-network.ts";
import { dropWall, raiseWall } from "./udp-wall.ts";

const GAP_LIMIT_MS = 1000;
const LARGE_PING_BYTES = 1300;

/** UDP of which a part is swallowed without a word. */
export interface PartialFailure {
  readonly what: string;
  /** In the words of nft. */
  readonly match: string;
  /** Where it does not come in. */
  readonly at: readonly ("alice" | "bob")[];
  /** Whether UDP is to be left for it: not where it goes on with smaller datagrams. */
  readonly isLeft: boolean;
}

/** Lets UDP between the two fail in part, expects it to be found and left within 1 s, and takes everything back. */
export async function expectToBeLeft(
  network: FailoverNetwork,
  { what, match, at, isLeft }: PartialFailure,
): Promise<void> {
  onTestFailed(() => {
    for (const { process } of [network.alice, network.bob]) console.info(process.stderr.slice(-4000));
  });
  await using small = await network.startPing();
  await using large = await network.startPing(LARGE_PING_BYTES);
  const flows = [small, large];
  for (const flow of flows) await settled(flow);
  for (const flow of flows) flow.restart();
  for (const name of at) await raiseWall(network[name].host, match);
  if (isLeft) await network.bothLeave("udp");
  for (const flow of flows) await settled(flow);
  const gapsMs = flows.map((flow) => flow.result().longestGapMs);
  console.info(`${what}: ${gapsMs.map(Math.round).join(" and ")} ms without an answer, small and large`);
  expect(Math.max(...gapsMs)).toBeLessThan(GAP_LIMIT_MS);
  // Nothing suffers any more.
  for (const flow of flows) flow.restart();
  for (const flow of flows) await settled(flow);
  expect(flows.map((flow) => flow.result().lost)).toEqual([0, 0]);
  for (const name of at) await dropWall(network[name].host);
  await network.forgive();
  await network.bothUse("udp");
}
