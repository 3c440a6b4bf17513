import { afterAll, beforeAll, describe, it } from "vitest";
import { meet } from "../support/lab/meeting.ts";
import { NatGrid } from "../support/lab/nat-grid.ts";
import { PATH_TABLE_KINDS, pathBetween } from "../support/lab/path-table.ts";

// Every kind of site with every other, either end calling: real daemons behind real routers.

const PAIRS = PATH_TABLE_KINDS.flatMap((a) => PATH_TABLE_KINDS.map((b) => ({ a, b })));

let grid: NatGrid;
beforeAll(async () => {
  grid = await NatGrid.open(PAIRS);
  await grid.join();
}, 300_000);
afterAll(() => grid[Symbol.asyncDispose]());

describe.concurrent("every pair connects, by the path of the table", () => {
  for (const pair of PAIRS) {
    const transport = pathBetween(pair);
    it(`${pair.a} calls ${pair.b}: ${transport}`, async () => {
      await meet(...grid.peers(pair), { transport, untilRaceEnds: true });
    });
  }
});
