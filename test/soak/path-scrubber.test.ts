import { afterAll, beforeAll, describe, it } from "vitest";
import { FailoverNetwork } from "../support/lab/failover-network.ts";
import { expectToBeLeft, type PartialFailure } from "../support/lab/partial-failure.ts";

// A scrubber lets probes and a little data pass: what it costs depends on which datagrams it takes, so that it is tried often.

const ROUNDS = 10;

let network: FailoverNetwork;
beforeAll(async () => {
  network = await FailoverNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("UDP behind a scrubber", () => {
  const failure: PartialFailure = {
    what: "what comes faster than a scrubber likes is dropped",
    match: "meta l4proto udp limit rate over 60/second burst 5 packets",
    at: ["alice", "bob"],
    isLeft: true,
  };
  it.for(Array.from({ length: ROUNDS }, (_, i) => i + 1))("is found and left within 1 s, round %i", () =>
    expectToBeLeft(network, failure),
  );
});
