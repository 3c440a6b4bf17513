import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meet } from "../support/lab/meeting.ts";
import { World } from "../support/lab/world.ts";

// Two peers that the world sees at one address: on the LAN of one router, or in two homes behind one carrier's NAT.

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const PRIVATE = /^10\./;
const PUBLIC = /^198\.18\./;
/** A router that hairpins is as near as the LAN, and either may win. */
const EITHER = /^(10|198\.18)\./;

describe.each([{ hairpin: true }, { hairpin: false }])("hairpin: $hairpin", ({ hairpin }) => {
  it(`on one LAN: ${hairpin ? "by UDP" : "by the addresses inside"}`, async () => {
    const [one, two] = await world.site({ kind: "easy", hairpin }, `one-${hairpin}`, `two-${hairpin}`);
    const args = ["--listen-port", "51821"];
    const [alice, bob] = await Promise.all([world.join(one!), world.join(two!, { args })]);
    await meet(alice, bob, { transport: "udp", untilRaceEnds: true });
    expect((await alice.peer(two!.label))?.path?.endpoint).toMatch(hairpin ? EITHER : PRIVATE);
  });

  it(`in two homes behind one carrier: ${hairpin ? "by their addresses outside" : "by the relay"}`, async () => {
    const [one, two] = await world.neighbours({ hairpin }, `home-one-${hairpin}`, `home-two-${hairpin}`);
    // Another port: for two inside hosts with one port the lab's NAT is no longer endpoint-independent.
    const args = ["--listen-port", "51821"];
    const [alice, bob] = await Promise.all([world.join(one!), world.join(two!, { args })]);
    await meet(alice, bob, { transport: hairpin ? "udp" : "relay", untilRaceEnds: true });
    if (hairpin) expect((await alice.peer(two!.label))?.path?.endpoint).toMatch(PUBLIC);
  });
});
