import { afterAll, beforeAll, expect, it } from "vitest";
import { quantile } from "../../bench/lib/statistics.mjs";
import { inParallel } from "../support/lab/in-parallel.ts";
import { MEETING_LIMIT_MS, meet } from "../support/lab/meeting.ts";
import { NatGrid, type NatPair } from "../support/lab/nat-grid.ts";
import { pathBetween } from "../support/lab/path-table.ts";
import type { SiteKind } from "../support/lab/world.ts";

// Wherever both ends have easy NAT or one is open, packets go straight from one to the other, and soon: new daemons, with
// new keys and ports, for each of the runs. Which end calls alternates.

const RUNS = 20;
const LEAST_SHARE = 0.95;
/** Pairs that meet at the same time. */
const MEETING_AT_ONCE = 4;

const KINDS = ["open", "easy", "double", "cgnat", "hard", "ipv6"] as const satisfies readonly SiteKind[];
const PAIRS: readonly NatPair[] = KINDS.flatMap((a, i) => KINDS.slice(i).map((b) => ({ a, b }))).filter(
  (pair) => pathBetween(pair) === "udp",
);
const reversed = ({ a, b }: NatPair): NatPair => ({ a: b, b: a });

let grid: NatGrid;
beforeAll(async () => {
  grid = await NatGrid.open([...PAIRS, ...PAIRS.map(reversed)], { asStrangers: true });
}, 120_000);
afterAll(() => grid[Symbol.asyncDispose]());

it(`direct within ${MEETING_LIMIT_MS} ms in ${LEAST_SHARE * 100} % of ${RUNS} runs`, async () => {
  const directMs = PAIRS.map((): number[] => []);
  const failures: string[] = [];
  for (let run = 0; run < RUNS; run++) {
    await grid.join();
    await inParallel([...PAIRS.entries()], MEETING_AT_ONCE, async ([i, pair]) => {
      try {
        const { settledMs } = await meet(...grid.peers(run % 2 === 0 ? pair : reversed(pair)), { transport: "udp" });
        if (settledMs <= MEETING_LIMIT_MS) directMs[i]!.push(settledMs);
      } catch (failure) {
        failures.push(`${pair.a} – ${pair.b}, run ${run}: ${(failure as Error).message}`);
      }
    });
    await grid.leave();
  }
  for (const [i, { a, b }] of PAIRS.entries()) {
    const shown = [0.5, 0.95, 0.99].map((p) => `p${p * 100} ${quantile(directMs[i]!, p)?.toFixed(0) ?? "–"} ms`);
    console.info(`${a} – ${b}: direct in ${directMs[i]!.length} of ${RUNS} runs, ${shown.join(", ")}`);
  }
  const shares = PAIRS.map(({ a, b }, i) => ({ pair: `${a} – ${b}`, share: directMs[i]!.length / RUNS }));
  expect(
    shares.filter(({ share }) => share < LEAST_SHARE),
    failures.join("\n"),
  ).toEqual([]);
}, 1_800_000);
