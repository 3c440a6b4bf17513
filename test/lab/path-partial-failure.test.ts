import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROBE_BYTES } from "../../src/router/probe.ts";
import { DATA_OVERHEAD_BYTES } from "../../src/wireguard/constants.ts";
import { FailoverNetwork, settled } from "../support/lab/failover-network.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Real daemons, and UDP between them that fails in part: what matches is swallowed without a word.

const GAP_LIMIT_MS = 1000;
const UDP_HEADER_BYTES = 8;
/** As `udp length` counts: header, and a probe padded and sealed. */
const PROBE_LENGTH = UDP_HEADER_BYTES + DATA_OVERHEAD_BYTES + Math.ceil(PROBE_BYTES / 16) * 16;
/** The type of a data message, the first four bytes after the UDP header. */
const DATA = "@th,64,32 0x04000000";
const LARGE_PING_BYTES = 1300;

let network: FailoverNetwork;
beforeAll(async () => {
  network = await FailoverNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("UDP that fails in part", () => {
  it.for<readonly [what: string, match: string, at: readonly ("alice" | "bob")[], isLeft: boolean]>([
    ["all that comes to one end is dropped", "meta l4proto udp", ["alice"], true],
    ["all that comes to the other end is dropped", "meta l4proto udp", ["bob"], true],
    ["large datagrams are dropped", "udp length > 1000", ["alice", "bob"], false],
    ["data are dropped while probes pass", `${DATA} udp length != ${PROBE_LENGTH}`, ["alice", "bob"], true],
    [
      "what comes faster than a scrubber likes is dropped",
      "meta l4proto udp limit rate over 60/second burst 5 packets",
      ["alice", "bob"],
      true,
    ],
  ])("%s: found and left within 1 s", async ([what, match, at, isLeft]) => {
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
  });
});
