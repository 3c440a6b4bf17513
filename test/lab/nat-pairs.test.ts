import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meet } from "../support/lab/meeting.ts";
import { NatGrid, type NatPair } from "../support/lab/nat-grid.ts";
import { pathBetween } from "../support/lab/path-table.ts";
import { World } from "../support/lab/world.ts";

// Whatever stands between two peers, they reach each other, and by the path that docs/nat.md has for the pair: real
// daemons behind real routers. The whole table is in test/soak/nat-grid.test.ts.

const PAIRS: readonly NatPair[] = [
  { a: "open", b: "easy" },
  { a: "easy", b: "easy" },
  { a: "hard", b: "open" },
  { a: "hard", b: "easy" },
  { a: "hard", b: "cone" },
  { a: "double", b: "cgnat" },
  { a: "ipv6", b: "dual" },
  { a: "ipv6", b: "easy" },
  { a: "no-udp", b: "open" },
  { a: "no-udp-no-ssh", b: "open" },
  { a: "proxy", b: "open" },
  { a: "proxy", b: "easy" },
];

describe("two peers and what stands between them", () => {
  let grid: NatGrid;
  beforeAll(async () => {
    grid = await NatGrid.open(PAIRS);
    await grid.join();
  }, 180_000);
  afterAll(() => grid[Symbol.asyncDispose]());

  for (const pair of PAIRS) {
    const transport = pathBetween(pair);
    it(`${pair.a} calls ${pair.b}: ${transport}`, async () => {
      const [caller, called] = grid.peers(pair);
      const { lost } = await meet(caller, called, { transport });
      expect(lost).toBe(0);
      expect((await caller.peer(called.host.label))?.path?.reason).not.toBe("");
    });
  }
});

describe("two peers behind the same router", () => {
  it("on one LAN: by the addresses inside, without hairpin", async () => {
    await using world = await World.open();
    const [aliceHost, bobHost] = await world.site("easy", "alice", "bob");
    const [alice, bob] = await Promise.all([world.join(aliceHost!), world.join(bobHost!)]);
    await meet(alice, bob, { transport: "udp" });
    expect((await alice.peer("bob"))?.path?.endpoint).toMatch(/^10\./);
  });
});
