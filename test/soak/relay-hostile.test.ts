import { afterAll, beforeAll, describe, it } from "vitest";
import { ATTACKS, AttackedNetwork } from "../support/relay/attacked-network.ts";

// Half a minute of each.
const PINGS = 1500;

let network: AttackedNetwork;

beforeAll(async () => {
  network = await AttackedNetwork.open();
});
afterAll(() => network[Symbol.asyncDispose]());

describe("a relay under attack", () => {
  it.each(ATTACKS)(
    "$behaviour: the honest pair goes on, and the relay stays small",
    (attack) => network.withstands(attack, PINGS),
    300_000,
  );
});
