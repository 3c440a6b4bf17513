import { expect, it } from "vitest";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { RelayNetwork } from "../support/lab/relay-network.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// The relay in use goes ten times: killed, or swallowed by the network without a word. The other one takes over.

const ROUNDS = 10;
/** The round trip is nothing here. */
const GAP_MEDIAN_MS = 250;
const GAP_LIMIT_MS = 500;

it.each(["killed", "swallowed"] as const)(
  "a relay that is %s is left for the other one",
  async (fate) => {
    await using network = await RelayNetwork.open();
    await network.peers.alice.host.pings(network.bobAddress);
    await using flow = await PingFlow.start(network.peers.alice.host, network.bobAddress);
    const gapsMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const used = await network.relayInUse();
      const { host, process } = network.relays[used];
      flow.restart();
      if (fate === "killed") await process.kill();
      else await raiseWall(host, "tcp dport 443");
      await network.hasLeft(used);
      gapsMs.push(flow.result().longestGapMs);
      if (fate === "killed") await network.startAgain(used);
      else await dropWall(host);
    }
    console.info(`gaps when the relay in use is ${fate}, ms: ${gapsMs.map(Math.round).join(" ")}`);
    const sorted = gapsMs.toSorted((a, b) => a - b);
    expect(sorted[ROUNDS / 2]).toBeLessThan(GAP_MEDIAN_MS);
    expect(sorted.at(-1)).toBeLessThan(GAP_LIMIT_MS);
  },
  600_000,
);
