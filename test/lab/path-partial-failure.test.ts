import { afterAll, beforeAll, describe, it } from "vitest";
import { PROBE_BYTES } from "../../src/router/shared/probe.ts";
import { DATA_OVERHEAD_BYTES } from "../../src/wireguard/constants.ts";
import { FailoverNetwork } from "../support/lab/failover-network.ts";
import { expectToBeLeft, type PartialFailure } from "../support/lab/partial-failure.ts";

// Real daemons, and UDP between them that fails in part. What a scrubber does to it is in the soak.

const UDP_HEADER_BYTES = 8;
/** As `udp length` counts: header, and a probe padded and sealed. */
const PROBE_LENGTH = UDP_HEADER_BYTES + DATA_OVERHEAD_BYTES + Math.ceil(PROBE_BYTES / 16) * 16;
/** The type of a data message, the first four bytes after the UDP header. */
const DATA = "@th,64,32 0x04000000";

let network: FailoverNetwork;
beforeAll(async () => {
  network = await FailoverNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("UDP that fails in part", () => {
  it.for<PartialFailure>([
    { what: "all that comes to one end is dropped", match: "meta l4proto udp", at: ["alice"], isLeft: true },
    { what: "all that comes to the other end is dropped", match: "meta l4proto udp", at: ["bob"], isLeft: true },
    { what: "large datagrams are dropped", match: "udp length > 1000", at: ["alice", "bob"], isLeft: false },
    {
      what: "data are dropped while probes pass",
      match: `${DATA} udp length != ${PROBE_LENGTH}`,
      at: ["alice", "bob"],
      isLeft: true,
    },
  ])("$what: found and left within 1 s", (failure) => expectToBeLeft(network, failure));
});
