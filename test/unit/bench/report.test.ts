import { describe, expect, it } from "vitest";
import { figuresTable, Results, ratiosTable, targetsTable } from "../../../bench/lib/report.mjs";

const [mesh, go] = [{ name: "mesh" }, { name: "go" }];

function results(): Results {
  const all = new Results();
  for (const gbitPerSecond of [3, 9, 4]) all.add("mesh", "tcp1", { gbitPerSecond, cpuSecondsPerGb: 2 });
  for (const gbitPerSecond of [2, 2.5]) all.add("go", "tcp1", { gbitPerSecond });
  all.add("mesh", "rtt", { medianUs: 80, p95Us: 120 });
  all.add("go", "rtt", { medianUs: 160, p95Us: 240 });
  return all;
}

/** Rows and cells of a table. */
const cells = (table: string) => table.split("\n").map((line) => line.split(/ {2,}/));

describe("the results", () => {
  it("give one value a run, of the field that is asked for", () => {
    expect(results().values("mesh", "tcp1")).toEqual([3, 9, 4]);
    expect(results().values("mesh", "tcp1", "cpuSecondsPerGb")).toEqual([2, 2, 2]);
    expect(results().values("go", "tcp1", "cpuSecondsPerGb")).toEqual([]);
    expect(results().values("nebula", "tcp1")).toEqual([]);
  });

  it("are written with every record, by contender and measure", () => {
    expect(JSON.parse(JSON.stringify(results()))).toEqual({
      mesh: {
        tcp1: [3, 9, 4].map((gbitPerSecond) => ({ gbitPerSecond, cpuSecondsPerGb: 2 })),
        rtt: [{ medianUs: 80, p95Us: 120 }],
      },
      go: { tcp1: [{ gbitPerSecond: 2 }, { gbitPerSecond: 2.5 }], rtt: [{ medianUs: 160, p95Us: 240 }] },
    });
  });
});

describe("the tables", () => {
  it("show medians, and a dash for what was not measured", () => {
    expect(cells(figuresTable([mesh, go], ["tcp1", "rtt"], results()))).toEqual([
      ["median of runs", "unit", "mesh", "go"],
      expect.anything(),
      ["TCP, 1 stream", "Gbit/s", "4.00", "2.25"],
      ["ping RTT, idle, 10 ms apart (median)", "µs", "80", "160"],
      ["CPU of both ends, 1 stream", "s/GB", "2.00", "–"],
      ["ping RTT, idle (95th percentile)", "µs", "120", "240"],
    ]);
  });

  it("show ours over theirs, and which way is better", () => {
    expect(cells(ratiosTable(mesh, [go], ["tcp1", "rtt"], results()))).toEqual([
      ["mesh over", "better", "go"],
      expect.anything(),
      ["TCP, 1 stream", "higher", "1.78 ×"],
      ["ping RTT, idle, 10 ms apart (median)", "lower", "0.50 ×"],
      ["CPU of both ends, 1 stream", "lower", "–"],
      ["ping RTT, idle (95th percentile)", "lower", "0.50 ×"],
    ]);
  });

  it("show every target, met, missed or not measured", () => {
    const judgements = [
      { title: "one", bound: "≥ 2 ×", ours: "mesh", theirs: "go", ratio: 1.999, verdict: "FAIL" },
      { title: "two", bound: "≤ 0.7 ×", verdict: "not measured" },
    ];
    expect(cells(targetsTable(judgements)).slice(2)).toEqual([
      ["one (mesh)", "go", "≥ 2 ×", "2.00 ×", "FAIL"],
      ["two", "–", "≤ 0.7 ×", "–", "not measured"],
    ]);
  });
});
