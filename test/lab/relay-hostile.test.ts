import { afterAll, beforeAll, describe, it } from "vitest";
import { ATTACKS, AttackedNetwork } from "../support/relay/attacked-network.ts";

// One attack of each kind: on the log-in, on the queues (either side), and by what never goes on. `npm run soak` has all of
// them, and for longer.
const KINDS = ["replay", "flood", "slow-reader", "half-open"];
const PINGS = 50;

let network: AttackedNetwork;

beforeAll(async () => {
  network = await AttackedNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("a relay under attack", () => {
  it.each(ATTACKS.filter(({ behaviour }) => KINDS.includes(behaviour)))(
    "$behaviour: the honest pair goes on, and the relay stays small",
    (attack) => network.withstands(attack, PINGS),
  );
});
